"""What comes out for one text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Result:
    """One spoken text.

    A text longer than `synthesis.pieces.MAX_CHARS` is spoken in `pieces`, with a pause between them; everything here
    is of the whole: mels have frames of silence in the pauses, tokens a " " with the pause's duration.
    """

    index: int  # position among the texts, from 0
    text: str
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
    mel_seconds: float  # time that encoder and decoder took
    vocoder_seconds: float  # time that the vocoder took

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
