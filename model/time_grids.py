"""When samplers call the network: diffusion times from 1 (noise) down towards 0 (data), as Python floats."""

from __future__ import annotations

import math
from itertools import pairwise

from model.schedule import Schedule

T_MIN = 5e-3  # the last time of the quadratic grid: below it the network's error outweighs what is left to gain


def uniform_intervals(steps: int) -> list[tuple[float, float]]:
    """(middle time, length) of `steps` equal intervals from 1 to 0."""
    h = 1.0 / steps
    return [(1.0 - (i + 0.5) * h, h) for i in range(steps)]


def quadratic_intervals(steps: int) -> list[tuple[float, float]]:
    """(middle time, length) of `steps` intervals from 1 to 0, equal in sqrt(t): short where the log-SNR moves fast."""
    edges = [(1.0 - i / steps) ** 2 for i in range(steps + 1)]
    return [((start + end) / 2, start - end) for start, end in pairwise(edges)]


def quadratic_times(schedule: Schedule, steps: int) -> list[float]:
    """`steps` times equally spaced in sqrt(t), from 1 to T_MIN."""
    return [u**2 for u in _spaced(1.0, math.sqrt(T_MIN), steps)]


def noise_level_times(schedule: Schedule, steps: int, *, s_max: float, s_min: float, rho: float) -> list[float]:
    """`steps` times whose noise levels sigma / alpha are equally spaced in s^(1/rho), from s_max to s_min.

    Source: Karras et al., arXiv 2206.00364, equation 5.
    """
    roots = _spaced(s_max ** (1 / rho), s_min ** (1 / rho), steps)
    return [schedule.t_of_noise_level(root**rho) for root in roots]


def _spaced(first: float, last: float, count: int) -> list[float]:
    """count equally spaced numbers from first to last, both included; first alone when count is 1."""
    inner = [first + (last - first) * i / (count - 1) for i in range(1, count - 1)]
    return [first, *inner, last][:count]
