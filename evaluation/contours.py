"""How well one contour of F0 or energy follows another, frame by frame.

Both have as many frames: carry one to the other's first (evaluation.carry). Gross pitch error, voicing decision error
and F0 frame error as in Chu and Alwan, "Reducing F0 frame error of F0 tracking algorithms...", 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evaluation.speech import ACTIVE_DB

GROSS = 0.2  # a frame is grossly wrong when its F0 is off by more than this share of the reference's
MIN_FRAMES = 5  # voiced in both; fewer measure nothing


@dataclass(frozen=True)
class PitchMatch:
    """NaN where there are too few frames voiced in both. Shares are in [0, 1]."""

    rmse: float  # semitones, frames voiced in both
    correlation: float  # of log F0, frames voiced in both
    gross: float  # share of the frames voiced in both
    voicing_error: float  # share of all frames whose voicing differs
    frame_error: float  # share of all frames that are grossly wrong or whose voicing differs
    bias: float  # semitones, mean of F0 above the reference


def match_pitch(f0: np.ndarray, reference: np.ndarray, normalised: bool = False) -> PitchMatch:
    """(T,) and (T,) Hz, 0 where unvoiced.

    normalised: each is first divided by its own median over the frames voiced in both, which takes out how high the
        two speakers speak; the correlation stays the same.

    Raises:
        ValueError: they differ in length, or are empty.
    """
    f0, reference = np.asarray(f0, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if f0.shape != reference.shape or f0.ndim != 1 or f0.size == 0:
        raise ValueError(f"contours must have one and the same length, not {f0.shape} and {reference.shape}")
    both = (f0 > 0) & (reference > 0)
    differing = (f0 > 0) != (reference > 0)
    voicing_error = float(differing.mean())
    if both.sum() < MIN_FRAMES:
        return PitchMatch(math.nan, math.nan, math.nan, voicing_error, math.nan, math.nan)
    heights, targets = semitones(f0[both]), semitones(reference[both])
    if normalised:
        heights, targets = heights - np.median(heights), targets - np.median(targets)
    off = heights - targets
    wrong = np.abs(2 ** (off / 12) - 1) > GROSS
    return PitchMatch(
        rmse=float(np.sqrt((off**2).mean())),
        correlation=correlation(heights, targets),
        gross=float(wrong.mean()),
        voicing_error=voicing_error,
        frame_error=float((wrong.sum() + differing.sum()) / len(f0)),
        bias=float(off.mean()),
    )


def movement(f0: np.ndarray, origin: np.ndarray, goal: np.ndarray) -> float:
    """How far of the way from one contour to another a third has gone: 0 on `origin`, 1 on `goal`.

    The least-squares share s of `f0 = origin + s (goal - origin)` in semitones, over the frames voiced in all three;
    NaN where they are too few or the two contours are the same.
    """
    voiced = (f0 > 0) & (origin > 0) & (goal > 0)
    if voiced.sum() < MIN_FRAMES:
        return math.nan
    start = semitones(origin[voiced])
    way, gone = semitones(goal[voiced]) - start, semitones(f0[voiced]) - start
    square = float((way**2).sum())
    return float((gone * way).sum()) / square if square > 1e-9 else math.nan


def median_and_range(f0: np.ndarray) -> tuple[float, float]:
    """Median in Hz and 10th-to-90th-percentile range in semitones of the voiced frames; NaN where they are too few."""
    voiced = f0[f0 > 0]
    if len(voiced) < MIN_FRAMES:
        return math.nan, math.nan
    low, high = np.percentile(semitones(voiced), [10, 90])
    return float(np.median(voiced)), float(high - low)


def semitones(f0: np.ndarray) -> np.ndarray:
    """Hz (above 0) -> semitones above 1 Hz."""
    return 12 * np.log2(np.asarray(f0, dtype=np.float64))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; NaN if one of the two is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 1e-9 else math.nan


@dataclass(frozen=True)
class EnergyMatch:
    """Over the frames in which the reference is within 40 dB of its loudest; NaN where they are too few."""

    correlation: float
    rmse: float  # dB
    bias: float  # dB above the reference, on average


def match_energy(energy: np.ndarray, reference: np.ndarray) -> EnergyMatch:
    """(T,) and (T,) dB, already carried to the same frames (evaluation.carry).

    Raises:
        ValueError: they differ in length, or are empty.
    """
    energy, reference = np.asarray(energy, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if energy.shape != reference.shape or energy.ndim != 1 or energy.size == 0:
        raise ValueError(f"contours must have one and the same length, not {energy.shape} and {reference.shape}")
    active = reference > reference.max() - ACTIVE_DB
    if active.sum() < MIN_FRAMES:
        return EnergyMatch(math.nan, math.nan, math.nan)
    off = energy[active] - reference[active]
    return EnergyMatch(
        correlation(energy[active], reference[active]), float(np.sqrt((off**2).mean())), float(off.mean())
    )
