"""When each word and phone of a spoken text begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from text.symbols import BLANK, PAUSE, PUNCTUATION, SPACE

_MARKS = frozenset((*PUNCTUATION, PAUSE))

# A blank before a mark is the release of the word's last sound for so long; what it has beyond is silent.
RELEASE_FRAMES = 3


@dataclass(frozen=True)
class Timed:
    """A word, a phone or a lasting mark: its name, and when it is spoken, in seconds; word: its index, -1: a mark."""

    name: str
    start: float
    end: float
    word: int


def mark_gaps(symbols: Sequence[str], word_of: Sequence[int]) -> list[int]:
    """Of each token, the word after which it is a mark or the mark's blank; -1: it is neither."""
    gaps: list[int] = []
    last = -1
    for i, (symbol, word) in enumerate(zip(symbols, word_of, strict=True)):
        last = word if word >= 0 else last
        after_mark = symbol == BLANK and i > 0 and word < 0 and gaps[-1] >= 0
        gaps.append(last if symbol in PUNCTUATION or after_mark else -1)
    return gaps


def spoken_with(symbols: Sequence[str], word_of: Sequence[int]) -> list[int]:
    """Of each token, the word that it is spoken with: a word boundary holds the onset of the word after it, a mark goes
    with the word before it.
    """
    found: list[int] = []
    last, onset = -1, False
    for symbol, word in zip(symbols, word_of, strict=True):
        onset = symbol == SPACE or (symbol == BLANK and onset)
        last = word if word >= 0 else last
        found.append(last + 1 if word < 0 and onset else last)
    return found


def phone_times(
    tokens: Sequence[str], durations: Sequence[int], word_of: Sequence[int], frame_seconds: float
) -> list[Timed]:
    """Phones, and the marks and pauses that last, in order.

    Blanks between two symbols belong half to each, which is where phones begin in labelled speech; one before a mark or
    at the end for `RELEASE_FRAMES` to the phone and else to the mark, and one in front of everything, or after a pause
    between pieces, to nothing. A word boundary belongs half to each word, or after a mark to the word that begins.
    """
    edges = np.concatenate([[0.0], np.cumsum(durations)])
    spoken = [i for i, token in enumerate(tokens) if token != BLANK]
    found: list[Timed] = []
    start = 0.0
    for i, following in zip(spoken, [*spoken[1:], None], strict=True):
        if _begins_piece(tokens, i):
            start = float(edges[i])
        end = _end(tokens, edges, i, following)
        if tokens[i] == SPACE:
            if found and found[-1].word >= 0:
                start = (start + end) / 2
                last = found[-1]
                found[-1] = Timed(last.name, last.start, start * frame_seconds, last.word)
            continue  # the next phone begins here
        if word_of[i] >= 0 or end > start:
            found.append(Timed(tokens[i], start * frame_seconds, end * frame_seconds, word_of[i]))
        start = end
    return found


def _begins_piece(tokens: Sequence[str], symbol: int) -> bool:
    """Whether nothing of its own piece but a blank is in front of a symbol. Two blanks meet where two pieces do."""
    before = [*tokens[max(symbol - 2, 0) : symbol]]
    if before[-1:] == [BLANK]:
        before.pop()
    return before[-1:] in ([], [BLANK], [PAUSE])


def _end(tokens: Sequence[str], edges: np.ndarray, symbol: int, following: int | None) -> float:
    """Where a symbol ends, in frames; following: the next one that is no blank."""
    own_end = edges[symbol + 1]
    blank_end = edges[-1] if following is None else edges[following]
    last = following is None or _begins_piece(tokens, following)
    if tokens[symbol] == PAUSE:
        return float(own_end)
    is_phone = tokens[symbol] not in _MARKS and tokens[symbol] != SPACE
    if is_phone and (last or tokens[following] in _MARKS):
        return float(min(own_end + RELEASE_FRAMES, blank_end))
    return float(blank_end if last else (own_end + blank_end) / 2)


def word_times(words: Sequence[str], phones: Sequence[Timed]) -> list[Timed]:
    """Each word from its first phone's beginning to its last phone's end; `phones` as `phone_times` gives them."""
    found: dict[int, Timed] = {}
    for phone in phones:
        if phone.word >= 0:
            start = found[phone.word].start if phone.word in found else phone.start
            found[phone.word] = Timed(words[phone.word], start, phone.end, phone.word)
    return [found[word] for word in sorted(found)]
