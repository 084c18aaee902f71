"""A spoken sentence as somebody bends it: words with pitch, length and loudness, and a melody drawn over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from common.errors import InputError
from model.interpolation.carry import carry_by_tokens
from synthesis.contour_file import HIGHEST_HZ, LOWEST_HZ, Contour
from synthesis.prosody_edits import ProsodyEdits
from synthesis.times import spoken_with
from text.prosody import NEUTRAL, Prosody

MOST_FRAMES = 20_000
LENGTHS = (0.25, 4.0)


@dataclass(frozen=True)
class WordShape:
    """Of a word: pitch in semitones up, length as a factor, volume in dB up."""

    pitch: float = 0.0
    length: float = 1.0
    volume: float = 0.0

    @property
    def prosody(self) -> Prosody:
        """Raises InputError for a value out of range."""
        low, high = LENGTHS
        if not low <= self.length <= high:
            raise InputError(f"length must be from {low:g} to {high:g}, not {self.length:g}")
        return Prosody(pitch=self.pitch, rate=round(1 / self.length, 4), volume=self.volume)


@dataclass(frozen=True)
class Shape:
    """What is asked of a sentence's words, or nothing.

    drawn: Hz of every frame of the version over which it was drawn, without the words' pitch; None: as predicted.
    """

    words: tuple[WordShape, ...] = ()
    drawn: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.drawn is not None and not all(LOWEST_HZ <= hz <= HIGHEST_HZ for hz in self.drawn):
            raise InputError(f"the melody must lie between {LOWEST_HZ:g} and {HIGHEST_HZ:g} Hz")

    def edits(self, overall: Prosody, contour: Contour | None = None) -> ProsodyEdits:
        """What `Synthesiser.requests` takes; contour: the melody that was drawn, which has all of the pitch in it."""
        words = tuple(word.prosody for word in self.words)
        if contour is not None:
            words = tuple(Prosody(rate=word.rate, volume=word.volume) for word in words)
            overall = Prosody(rate=overall.rate, volume=overall.volume)
        return ProsodyEdits(overall=overall, words=() if set(words) <= {NEUTRAL} else words, contour=contour)


UNSHAPED = Shape()


def read_shape(edits: Mapping[str, Any], words: int, frames: int) -> Shape:
    """The shape that the editor in the page sends: {"words": [{"pitch", "length", "volume"}], "drawn": [Hz] or null}.

    Raises:
        InputError: it is none, or of another sentence.
    """
    try:
        # To the digits that a command line has.
        shaped = tuple(
            WordShape(*(round(_finite(word[name]), 3) for name in ("pitch", "length", "volume")))
            for word in edits["words"]
        )
        drawn = None if edits["drawn"] is None else tuple(_finite(hz) for hz in edits["drawn"][:MOST_FRAMES])
    except (TypeError, KeyError, ValueError) as error:
        raise InputError("a word's pitch, length or loudness is no number; correct it") from error
    if len(shaped) != words or (drawn is not None and len(drawn) != frames):
        raise InputError("the shape belongs to another sentence; reload the page")
    return Shape(shaped, drawn)


def word_at_frames(tokens: Sequence[str], word_of: Sequence[int], durations: np.ndarray, words: int) -> np.ndarray:
    """(T,): the word that each frame is spoken with."""
    word = np.clip(spoken_with(tokens, word_of), 0, words - 1)
    return np.repeat(word, durations)


def with_words_pitch(hz: np.ndarray, shape: Shape, word_at: np.ndarray, sign: float = 1.0) -> np.ndarray:
    """(T,) Hz with every word's pitch added, or with sign -1 taken away."""
    if not shape.words:
        return hz
    pitch = np.array([word.pitch for word in shape.words])[word_at]
    return hz * 2 ** (sign * pitch / 12)


def carried(hz: np.ndarray, durations: np.ndarray, target_durations: np.ndarray, frame_seconds: float) -> Contour:
    """A melody (T,) in Hz over tokens of `durations`, as a contour over the same tokens of `target_durations`."""
    if not np.array_equal(durations, target_durations):
        log_hz = torch.from_numpy(np.log(hz))
        hz = carry_by_tokens(log_hz, torch.from_numpy(durations), torch.from_numpy(target_durations)).exp().numpy()
    seconds = (np.arange(len(hz)) + 0.5) * frame_seconds
    # As the file holds it, so that whoever reads the file speaks the same.
    return Contour(tuple(np.round(seconds, 6).tolist()), tuple(np.round(hz, 3).tolist()))


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
