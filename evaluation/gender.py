"""Whether a voice sounds like one of the right gender: by the nearest reference voices, whose gender is told."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from common.errors import InputError
from common.files import read_lines
from evaluation.speaker import cosine

NEAREST = 5
_VOICE_NAME = re.compile(r"[ab]([fm])_")  # the generated corpus: af_kore, bm_george


def gender_by_name(speaker: str) -> str | None:
    """ "f" or "m" for the generated corpus's voices, whose names say it; None for others."""
    match = _VOICE_NAME.match(speaker)
    return match[1] if match else None


def read_genders(path: str | os.PathLike) -> dict[str, str]:
    """Lines of `speaker|f` or `speaker|m`.

    Raises:
        InputError: with file and line.
    """
    genders = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        speaker, _, gender = (part.strip() for part in line.partition("|"))
        if not speaker or gender not in ("f", "m"):
            raise InputError(f"{path}:{number}: expected `speaker|f` or `speaker|m`, found {line.strip()[:80]!r}")
        genders[speaker] = gender
    return genders


def perceived_gender(embedding: np.ndarray, references: Sequence[tuple[np.ndarray, str]]) -> str:
    """The gender of most of the five nearest references; a tie goes to the nearest one's.

    references: (embedding, gender) of at least one recording.
    """
    ranked = sorted(references, key=lambda reference: -cosine(embedding, reference[0]))[:NEAREST]
    return Counter(gender for _, gender in ranked).most_common(1)[0][0]
