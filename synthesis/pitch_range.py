"""The range of F0 comes out as wide as it is asked for: what is heard corrects what the decoder is told.

A decoder follows a wider contour, but not where the voice leaves its contour anyway (creak), so that less is heard of a
change than was told. The piece is decoded with the change and without, from the same noise, and both are heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

Spoken = TypeVar("Spoken")

CLOSE = 0.05  # of the change: near enough to leave it
MOST_TRIES = 3  # decodings with the change
FURTHEST = 2.0  # times the change that was asked for
VOICED = 30  # frames that say how wide a piece's range is
_PERCENTILES = (10, 90)


def speak_as_wide(
    asked: float, speak: Callable[[float], Spoken], hear: Callable[[Spoken], np.ndarray]
) -> tuple[Spoken, float]:
    """The try whose range came out most nearly `asked` times as wide as without it, and what it was told.

    speak: the piece with its contour stretched by a factor, 1 for none. hear: its F0 (T,), Hz and 0 where unvoiced.
    """
    told, spoken, change = asked, speak(asked), asked - 1
    best, best_told, least = spoken, told, np.inf
    plain = _span(hear(speak(1.0)))
    for tries in range(1, MOST_TRIES + 1):
        span = _span(hear(spoken))
        if not plain or not span:  # too little is voiced to tell
            break
        heard = span / plain
        if abs(heard - asked) < least:
            best, best_told, least = spoken, told, abs(heard - asked)
        if least <= CLOSE * abs(change) or tries == MOST_TRIES:
            break
        # As if what is heard of a change were a share of what is told.
        share = (heard - 1) / (told - 1)
        further = min(max(1 / share, 1 / FURTHEST), FURTHEST) if share > 0 else FURTHEST
        before, told = told, max(1 + change * further, 0.0)
        if told == before:
            break
        spoken = speak(told)
    return best, best_told


def _span(f0: np.ndarray) -> float:
    """Natural log, from the 10th to the 90th percentile of the voiced frames; 0 where there are too few."""
    voiced = f0[f0 > 0]
    if len(voiced) < VOICED:
        return 0.0
    low, high = np.percentile(np.log(voiced), _PERCENTILES)
    return float(high - low)
