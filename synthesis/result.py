"""What comes out for one text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthesis.times import Timed, phone_times, word_times


@dataclass(frozen=True, eq=False)
class Result:
    """One spoken text.

    A text longer than `synthesis.pieces.MAX_CHARS` is spoken in `pieces`, with a pause between them; everything here
    is of the whole: mels have frames of silence in the pauses, tokens a `text.symbols.PAUSE` with the pause's duration.
    """

    index: int  # position among the texts, from 0
    text: str  # as a person reads it
    speaker: str
    emotion: str
    pieces: tuple[str, ...]
    audio: np.ndarray  # (samples,) float32 in [-1, 1]
    sample_rate: int  # Hz
    mel: np.ndarray  # (n_mels, T) float32, natural log
    mu: np.ndarray  # (n_mels, T), the text encoder's average mel
    tokens: tuple[str, ...]  # S symbols, blanks included
    durations: np.ndarray  # (S,) whole frames; their sum is T
    words: tuple[str, ...]
    word_of: tuple[int, ...]  # S indices into words, -1 between words
    nfe: int  # network evaluations, of all pieces
    mel_seconds: float  # time that encoder and decoder took, and hearing words whose pitch is changed
    vocoder_seconds: float  # time that the vocoder took
    given: str | None = None  # the text as it came, where that is not what it reads like: markup, or blanks apart
    marks: tuple[tuple[str, int], ...] = ()  # of markup: name, and the word after which it stands or -1

    @property
    def frames(self) -> int:
        return self.mel.shape[1]

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.audio) / self.sample_rate

    @property
    def rtf(self) -> float:
        """Real-time factor: time taken over length of the audio."""
        return (self.mel_seconds + self.vocoder_seconds) / self.seconds

    @property
    def frame_seconds(self) -> float:
        return self.seconds / self.frames

    @cached_property
    def phone_times(self) -> list[Timed]:
        """Phones, and the marks and pauses between words."""
        return phone_times(self.tokens, self.durations, self.word_of, self.frame_seconds)

    @cached_property
    def word_times(self) -> list[Timed]:
        return word_times(self.words, self.phone_times)

    @property
    def mark_times(self) -> list[tuple[str, float]]:
        """Name and seconds of each mark: where the word before it ends, or 0."""
        return [(name, self.word_times[word].end if word >= 0 else 0.0) for name, word in self.marks]
