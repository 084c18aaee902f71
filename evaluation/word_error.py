"""Word and character error rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.transcript_words import transcript_words


@dataclass(frozen=True)
class ErrorRate:
    """errors / length of the reference; of many sentences: the sum of the errors over the sum of the lengths."""

    errors: int
    length: int

    @property
    def rate(self) -> float:
        return self.errors / self.length if self.length else float("nan")


def word_errors(transcript: str, text: str) -> ErrorRate:
    heard, said = transcript_words(transcript), transcript_words(text)
    return ErrorRate(edit_distance(heard, said), len(said))


def character_errors(transcript: str, text: str) -> ErrorRate:
    """Blanks between words count as characters."""
    heard, said = (" ".join(transcript_words(each)) for each in (transcript, text))
    return ErrorRate(edit_distance(heard, said), len(said))


def edit_distance(a: Sequence, b: Sequence) -> int:
    """Least number of insertions, deletions and replacements (Levenshtein, 1966)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]
