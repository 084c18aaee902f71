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
FURTHEST = 2.0  # semitones by which what is asked is moved: a voice that creaks is not chased
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
    best = spoken = speak(asked)
    plain = hear(speak([0.0] * len(asked)))
    told, least = np.array(asked, dtype=float), np.inf
    for left in reversed(range(MOST_TRIES)):
        errors = {word: asked[word] - moved for word, moved in _moves(plain, hear(spoken)).items()}
        if not errors:
            break
        mean = float(np.mean(np.abs([*errors.values()])))
        if mean < least:
            best, least = spoken, mean
        if left == 0 or max(map(abs, errors.values())) <= CLOSE:
            break
        for word, error in errors.items():
            told[word] = np.clip(told[word] + error, asked[word] - FURTHEST, asked[word] + FURTHEST)
        spoken = speak(told.tolist())
    return best


def _moves(plain: Mapping[int, np.ndarray], changed: Mapping[int, np.ndarray]) -> dict[int, float]:
    """Semitones by which the median F0 of words moved, of those that are voiced enough in both."""
    found = {}
    for word, before in plain.items():
        voiced = [f0[f0 > 0] for f0 in (before, changed[word])]
        if min(map(len, voiced)) >= VOICED:
            first, second = map(np.median, voiced)
            found[word] = float(np.log(second / first) / SEMITONE)
    return found
