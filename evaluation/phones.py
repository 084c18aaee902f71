"""Where the phones of a result or of a labelled recording lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.labels import labels_path, parse_labels, symbol_boundaries
from params import Audio
from text.symbols import BLANK


@dataclass(frozen=True, eq=False)
class Phones:
    """S symbols without blanks, and their boundaries (S + 1,) in mel frames, from 0."""

    symbols: tuple[str, ...]
    boundaries: np.ndarray


def phones_of_tokens(tokens: Sequence[str], durations: Sequence[float]) -> Phones:
    """A result's tokens and their whole frames. Blanks between two symbols belong half to each: on generated speech
    with exact labels, phones begin in the middle of them (to 0.2 frames; where the blank ends, 1.8 frames too late).

    Raises:
        ValueError: as many durations as tokens are needed, and a token that is not blank.
    """
    if len(tokens) != len(durations):
        raise ValueError(f"{len(tokens)} tokens but {len(durations)} durations")
    edges = np.concatenate([[0.0], np.cumsum(durations)])  # of tokens
    spoken = np.array([i for i, token in enumerate(tokens) if token != BLANK], dtype=int)
    if not spoken.size:
        raise ValueError("every token is blank")
    between = (edges[spoken[:-1] + 1] + edges[spoken[1:]]) / 2
    return Phones(tuple(tokens[i] for i in spoken), np.concatenate([[0.0], between, edges[-1:]]))


def phones_of_recording(wav: Path, audio_params: Audio) -> Phones | None:
    """From the labels beside a generated recording (data.labels); None where there are none."""
    path = labels_path(wav)
    if not path.is_file():
        return None
    labels = parse_labels(path.read_bytes(), path)
    return Phones(labels.symbols, symbol_boundaries(labels.symbol_seconds, audio_params).astype(np.float64))
