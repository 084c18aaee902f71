"""When each word and phone of a spoken text begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from text.symbols import BLANK, PUNCTUATION, SPACE

_PAUSES = frozenset((SPACE, *PUNCTUATION))


@dataclass(frozen=True)
class Timed:
    """A word, a phone or a pause: its name, and when it is spoken, in seconds; word: its index, -1 for a pause."""

    name: str
    start: float
    end: float
    word: int


def phone_times(
    tokens: Sequence[str], durations: np.ndarray, word_of: Sequence[int], frame_seconds: float
) -> list[Timed]:
    """The tokens (S,) that are no blanks, with their durations in frames; a blank goes with the one before it.

    Blanks in front of everything belong to nothing. Marks and word boundaries are there too, word -1, if they last.
    """
    ends = np.cumsum(durations)
    timed: list[Timed] = []
    for token, end, frames, word in zip(tokens, ends.tolist(), np.asarray(durations).tolist(), word_of, strict=True):
        if token == BLANK:
            if timed:
                last = timed[-1]
                timed[-1] = Timed(last.name, last.start, end * frame_seconds, last.word)
        else:
            timed.append(Timed(token, (end - frames) * frame_seconds, end * frame_seconds, word))
    return [one for one in timed if one.end > one.start or one.name not in _PAUSES]


def word_times(words: Sequence[str], phones: Sequence[Timed]) -> list[Timed]:
    """Each word from its first phone's beginning to its last phone's end; `phones` as `phone_times` gives them."""
    found: dict[int, Timed] = {}
    for phone in phones:
        if phone.word >= 0:
            start = found[phone.word].start if phone.word in found else phone.start
            found[phone.word] = Timed(words[phone.word], start, phone.end, phone.word)
    return [found[word] for word in sorted(found)]
