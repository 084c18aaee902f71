"""Means with intervals, and whether two systems differ."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
_MOST_AT_ONCE = 2**21  # draws


@dataclass(frozen=True)
class Mean:
    """A mean over n sentences and its 95% interval, which is NaN for fewer than two."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """Of the same n sentences by two systems."""

    difference: Mean  # first minus second
    p_value: float  # Wilcoxon's signed-rank test, two-sided, of the sentences' differences


def bootstrap_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> Mean:
    """Percentile bootstrap over sentences (Efron, 1979), always with the same draws. NaN values are left out.

    weights: `sum w v / sum w`, such as words in the reference for a word error rate.
    """
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    known = np.isfinite(values) & (weights > 0)
    values, weights = values[known], weights[known]
    n = len(values)
    if n == 0:
        return Mean(math.nan, math.nan, math.nan, 0)
    mean = float((values * weights).sum() / weights.sum())
    if n == 1:
        return Mean(mean, math.nan, math.nan, 1)
    weighted = values * weights
    parts = np.array_split(_draws(n), math.ceil(RESAMPLES * n / _MOST_AT_ONCE))  # (some, n) each
    means = np.concatenate([weighted[drawn].sum(1) / weights[drawn].sum(1) for drawn in parts])
    low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Mean(mean, float(low), float(high), n)


def exactly(value: float) -> Mean:
    """A number that is no mean, and has no interval."""
    return Mean(value, math.nan, math.nan, 1)


def compare(
    first: Sequence[float], second: Sequence[float], weights: Sequence[float] | None = None
) -> Comparison | None:
    """Paired, sentence by sentence; None where no sentence has both values."""
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    mean = bootstrap_mean(differences, weights)
    return Comparison(mean, _wilcoxon(differences[np.isfinite(differences)])) if mean.n else None


def _wilcoxon(differences: np.ndarray) -> float:
    """Zeros are split between both signs (zsplit); without any difference the p-value is 1."""
    from scipy.stats import wilcoxon

    if not differences.any():
        return 1.0
    return float(wilcoxon(differences, zero_method="zsplit").pvalue)


@functools.lru_cache(maxsize=4)  # of ten thousand sentences 80 MB each
def _draws(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(n, size=(RESAMPLES, n)).astype(np.int32)
