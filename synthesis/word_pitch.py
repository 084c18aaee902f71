"""Words whose pitch is changed come out changed by that much: what is heard corrects what the decoder is told.

A decoder follows its contour closely but not exactly, and least in words of a few frames. So the piece is decoded
without the change too, both are heard, and what a word lacks is added to what is asked; the noise stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from model.units import SEMITONE

Spoken = TypeVar("Spoken")

CLOSE = 0.25  # semitones: near enough to leave it
MOST_TRIES = 3  # decodings with the change
FURTHEST = 2.0  # semitones by which what is asked is moved; towards no change, half of what was asked at most
BELIEVED = 6.0  # semitones off, beyond which a tracker has taken an octave for another
VOICED = 4  # frames of a word that say where its pitch is


def speak_as_asked(
    asked: Sequence[float],
    speak: Callable[[Sequence[float]], Spoken],
    hear: Callable[[Spoken], Mapping[int, np.ndarray]],
) -> Spoken:
    """The try whose words moved most nearly as asked.

    asked: semitones of each word. speak: the piece with its words raised by so much. hear: of each word that is
    changed, the F0 (T,) of its frames, Hz and 0 where unvoiced.
    """
    spoken = speak(asked)
    heard, plain = hear(spoken), hear(speak([0.0] * len(asked)))
    errors = _errors(asked, plain, heard)
    told, best, least = list(asked), spoken, _mean(errors)
    for _ in range(MOST_TRIES - 1):
        off = {word: error for word, error in errors.items() if abs(error) > CLOSE}
        if not off:
            break
        for word, error in off.items():
            told[word] = _within(told[word] + error, asked[word])
        spoken = speak(told)
        words = errors.keys()
        errors = _errors(asked, plain, hear(spoken))
        if words - errors.keys():  # one has lost its voice: too far
            break
        if _mean(errors) < least:
            best, least = spoken, _mean(errors)
    return best


def _within(told: float, asked: float) -> float:
    inward = min(FURTHEST, abs(asked) / 2)
    low, high = (inward, FURTHEST) if asked > 0 else (FURTHEST, inward)
    return min(max(told, asked - low), asked + high)


def _mean(errors: Mapping[int, float]) -> float:
    return sum(map(abs, errors.values())) / max(len(errors), 1)


def _errors(
    asked: Sequence[float], plain: Mapping[int, np.ndarray], changed: Mapping[int, np.ndarray]
) -> dict[int, float]:
    """What words lack, in semitones, of those that are voiced enough in both and believed.

    A word's move is the mean of two views: how far its median moved, each over its own voiced frames, and the median of
    how far the frames moved that are voiced in both. In a word that falls steeply the first moves with every frame at
    its end that loses voice, the second with every frame that the tracker follows late.
    """
    found = {}
    for word, before in plain.items():
        after = changed[word]
        if len(before) != len(after):
            continue
        both = (before > 0) & (after > 0)
        if both.sum() < VOICED:
            continue
        medians = np.log(np.median(after[after > 0]) / np.median(before[before > 0]))
        frames = np.median(np.log(after[both] / before[both]))
        error = asked[word] - float(medians + frames) / 2 / SEMITONE
        if abs(error) < BELIEVED:
            found[word] = error
    return found
