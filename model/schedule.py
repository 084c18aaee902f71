"""The noise schedule of Grad-TTS, and what follows from it.

    dX = 1/2 (mu - X) beta(t) dt + sqrt(beta(t)) dW,   t in [0, 1],   beta(t) = beta_min + (beta_max - beta_min) t
    X_t | X_0 ~ N(alpha X_0 + (1 - alpha) mu, sigma^2 I),   alpha = exp(-B/2),   sigma^2 = 1 - exp(-B)

Source: Popov et al., Grad-TTS (arXiv 2105.06337), equations 5 to 9, with the linear schedule of its section 4.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeVar

from torch import Tensor

Time = TypeVar("Time", float, Tensor)


def _exp(x: Time) -> Time:
    return x.exp() if isinstance(x, Tensor) else math.exp(x)


def _expm1(x: Time) -> Time:
    return x.expm1() if isinstance(x, Tensor) else math.expm1(x)


def _log(x: Time) -> Time:
    return x.log() if isinstance(x, Tensor) else math.log(x)


def _log1p(x: Time) -> Time:
    return x.log1p() if isinstance(x, Tensor) else math.log1p(x)


def _sqrt(x: Time) -> Time:
    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


class Schedule:
    """Functions of the diffusion time t: a Python float gives a Python float (double precision), a tensor a tensor.

    Args:
        beta_min, beta_max: the noise rate at t = 0 and t = 1.

    Raises:
        ValueError: unless 0 < beta_min < beta_max.
    """

    def __init__(self, beta_min: float = 0.05, beta_max: float = 20.0) -> None:
        if not 0 < beta_min < beta_max:
            raise ValueError(f"the noise schedule needs 0 < beta_min < beta_max, not {beta_min} and {beta_max}")
        self.beta_min = beta_min
        self.beta_max = beta_max

    def beta(self, t: Time) -> Time:
        """Noise rate."""
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def B(self, t: Time) -> Time:  # noqa: N802
        """Integral of beta from 0 to t."""
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t * t

    def alpha(self, t: Time) -> Time:
        """What is left of X_0 - mu at time t."""
        return _exp(-0.5 * self.B(t))

    def sigma(self, t: Time) -> Time:
        """Standard deviation of the noise in X_t."""
        return _sqrt(-_expm1(-self.B(t)))

    def lam(self, t: Time) -> Time:
        """Half the log signal-to-noise ratio, log(alpha / sigma)."""
        return -0.5 * self.B(t) - 0.5 * _log(-_expm1(-self.B(t)))

    def noise_level(self, t: Time) -> Time:
        """s = sigma / alpha, the noise's standard deviation in (X_t - mu) / alpha: .022 at t = .005, 150 at t = 1."""
        return _sqrt(_expm1(self.B(t)))

    def t_of_noise_level(self, s: Time) -> Time:
        """Inverse of `noise_level`."""
        return self._t_of_B(_log1p(s * s))

    def _t_of_B(self, B: Time) -> Time:  # noqa: N802
        # The positive root of B(t) = B, in the form that does not cancel for small B.
        return 2 * B / (_sqrt(self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * B) + self.beta_min)


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
