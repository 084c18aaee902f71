"""How well one energy contour follows another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evaluation.pitch import MIN_FRAMES, correlation
from evaluation.speech import ACTIVE_DB


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
