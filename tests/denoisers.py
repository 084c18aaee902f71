"""Denoisers with a closed form, for tests of whatever takes a denoiser."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.denoiser import score_from_x0, x0_from_score
from model.schedule import Schedule


@dataclass
class GaussianDenoiser:
    """The exact denoiser of data N(mean, variance); variance 0 is a point mass. Remembers its calls."""

    mean: Tensor
    variance: float
    mu: Tensor
    schedule: Schedule = field(default_factory=Schedule)
    calls: list[tuple[float, Tensor]] = field(default_factory=list)

    def moments(self, t: float) -> tuple[Tensor, float]:
        """Mean and variance of x_t."""
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return alpha * self.mean + (1 - alpha) * self.mu, alpha**2 * self.variance + sigma**2

    def flow(self, x: Tensor, start: float, end: float) -> Tensor:
        """Exact solution of the probability-flow ODE."""
        (mean_start, variance_start), (mean_end, variance_end) = self.moments(start), self.moments(end)
        return mean_end + (variance_end / variance_start) ** 0.5 * (x - mean_start)

    def score(self, x: Tensor, t: float) -> Tensor:
        self.calls.append((t, x))
        mean, variance = self.moments(t)
        return (mean - x) / variance

    def x0(self, x: Tensor, t: float) -> Tensor:
        return x0_from_score(self.schedule, self.score(x, t), x, self.mu, t)

    def expected(self) -> Tensor:
        return self.mean


@dataclass
class WavyDenoiser:
    """A bounded non-linear data prediction that depends on x - mu and t alone. Remembers its calls."""

    mu: Tensor
    schedule: Schedule = field(default_factory=Schedule)
    calls: list[tuple[float, Tensor]] = field(default_factory=list)

    def x0(self, x: Tensor, t: float) -> Tensor:
        self.calls.append((t, x))
        return self.mu + torch.sin(2 * (x - self.mu) + t) - 0.3 * torch.cos(x - self.mu)

    def expected(self) -> Tensor:
        return self.mu

    def score(self, x: Tensor, t: float) -> Tensor:
        return score_from_x0(self.schedule, self.x0(x, t), x, self.mu, t)
