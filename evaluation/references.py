"""Recordings to compare with: of the same texts, and of the voices."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
from data.audio import AUDIO_SUFFIXES
from data.filelist import DEFAULT_SPEAKER, read_filelist
from evaluation.clips import MIXED
from evaluation.words import transcript_words


@dataclass(frozen=True)
class Reference:
    wav: Path
    text: str | None
    speaker: str | None  # None where it is not known
    emotion: str | None


def read_references(path: str | os.PathLike) -> list[Reference]:
    """A filelist; or a folder, whose recordings are known by their stem, their subfolder's name being the speaker.

    Raises:
        InputError: it is neither, or holds no recording.
    """
    path = Path(path)
    if path.is_dir():
        found = [
            Reference(wav, None, wav.parent.name if wav.parent != path else None, None)
            for wav in sorted(path.rglob("*"))
            if wav.suffix.lower() in AUDIO_SUFFIXES
        ]
    else:
        lines = read_filelist(path)
        named = any(line.speaker != DEFAULT_SPEAKER for line in lines)  # else the column is usually left out
        found = [Reference(Path(u.wav), u.text, u.speaker if named else None, u.emotion) for u in lines]
    if not found:
        raise InputError(f"{path} holds no recording; give a filelist or a folder of audio files")
    return found


class ReferenceTexts:
    """Finds the recording of a text."""

    def __init__(self, references: Iterable[Reference]) -> None:
        self._by_text: dict[tuple[str, ...], list[Reference]] = defaultdict(list)
        self._by_stem: dict[str, list[Reference]] = defaultdict(list)
        self._speakers: set[str | None] = set()
        for reference in references:
            self._speakers.add(reference.speaker)
            if reference.text is None:
                self._by_stem[reference.wav.stem].append(reference)
            else:
                self._by_text[_key(reference.text)].append(reference)

    def find(self, text: str, stem: str, speaker: str | None, emotion: str | None) -> Reference | None:
        """By the words of the text, or by the file's stem; of another speaker than `speaker` never, of the same
        emotion rather than of another. A model's speaker without a name may be the only one of the recordings, that of
        a blend either of the two."""
        candidates = [*self._by_text.get(_key(text), ()), *self._by_stem.get(stem, ())]
        anybody = speaker == DEFAULT_SPEAKER and len(self._speakers) == 1
        if speaker is not None and not anybody:
            owners = (None, speaker, *speaker.split(MIXED))
            candidates = [c for c in candidates if c.speaker in owners]
        return max(candidates, key=lambda c: (c.speaker == speaker, c.emotion == emotion), default=None)


def _key(text: str) -> tuple[str, ...]:
    """The words that are heard of a text; the text itself where none of them can be."""
    return tuple(transcript_words(text)) or (" ".join(text.split()).casefold(),)


def spread_by_speaker(references: Sequence[Reference], most: int) -> dict[str, list[Reference]]:
    """At most that many recordings of each known speaker, drawn evenly."""
    by_speaker: dict[str, list[Reference]] = defaultdict(list)
    for reference in references:
        if reference.speaker is not None:
            by_speaker[reference.speaker].append(reference)
    generator = np.random.default_rng(0)
    return {
        speaker: [own[i] for i in sorted(generator.permutation(len(own))[:most])] for speaker, own in by_speaker.items()
    }
