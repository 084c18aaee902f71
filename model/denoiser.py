"""What samplers take, the identities between its two outputs, and guidance as a denoiser around others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.schedule import Schedule, Time


class Denoiser(Protocol):
    """A network with its condition, seen as a function of the latent and the time.

    Interpolation and guidance wrap one or several denoisers in another. `score` and `x0` must describe the same
    prediction (`x0_from_score`, `score_from_x0`); a sampler calls exactly one of the two once for each step.
    """

    schedule: Schedule
    evaluations: int  # of the network by one call of either

    def score(self, x: Tensor, t: float) -> Tensor:
        """Score of the noisy mel, grad log p_t(x); x and the result are (B, 80, T), t is in (0, 1]."""
        ...

    def x0(self, x: Tensor, t: float) -> Tensor:
        """Prediction of the clean mel, E[x_0 | x_t = x]; x and the result are (B, 80, T), t is in (0, 1]."""
        ...

    def expected(self) -> Tensor:
        """The clean mel as far as no latent is needed to tell it, (B, 80, T), without an evaluation; mu at worst."""
        ...


def x0_from_score(schedule: Schedule, score: Tensor, x: Tensor, mu: Tensor, t: Time) -> Tensor:
    """The data prediction that belongs to a score: mu + ((x - mu) + sigma^2 score) / alpha.

    Args:
        score, x, mu: (B, 80, T). t: a float, or a tensor that broadcasts, such as (B, 1, 1).
    """
    return mu + ((x - mu) + schedule.sigma(t) ** 2 * score) / schedule.alpha(t)


def score_from_x0(schedule: Schedule, x0: Tensor, x: Tensor, mu: Tensor, t: Time) -> Tensor:
    """The score that belongs to a data prediction: (alpha (x0 - mu) - (x - mu)) / sigma^2. Arguments as above."""
    return (schedule.alpha(t) * (x0 - mu) - (x - mu)) / schedule.sigma(t) ** 2


@dataclass(frozen=True)
class GuidedDenoiser:
    """free + scale (conditional - free), for score and data prediction alike, since each is linear in the other."""

    conditional: Denoiser
    free: Denoiser
    scale: float

    @property
    def schedule(self) -> Schedule:
        return self.conditional.schedule

    @property
    def evaluations(self) -> int:
        return self.conditional.evaluations + self.free.evaluations

    def score(self, x: Tensor, t: float) -> Tensor:
        return self._mix(self.conditional.score(x, t), self.free.score(x, t))

    def x0(self, x: Tensor, t: float) -> Tensor:
        return self._mix(self.conditional.x0(x, t), self.free.x0(x, t))

    def expected(self) -> Tensor:
        return self._mix(self.conditional.expected(), self.free.expected())

    def _mix(self, conditional: Tensor, free: Tensor) -> Tensor:
        return free + self.scale * (conditional - free)


@dataclass(frozen=True)
class BatchGuidedDenoiser:
    """`GuidedDenoiser` with both predictions out of one call: `both` has 2 B items, the conditional ones come first."""

    both: Denoiser
    scale: float

    @property
    def schedule(self) -> Schedule:
        return self.both.schedule

    @property
    def evaluations(self) -> int:
        return 2 * self.both.evaluations

    def score(self, x: Tensor, t: float) -> Tensor:
        return self._mix(self.both.score(torch.cat([x, x]), t))

    def x0(self, x: Tensor, t: float) -> Tensor:
        return self._mix(self.both.x0(torch.cat([x, x]), t))

    def expected(self) -> Tensor:
        return self._mix(self.both.expected())

    def _mix(self, predictions: Tensor) -> Tensor:
        conditional, free = predictions.chunk(2)  # (B, 80, T) each
        return free + self.scale * (conditional - free)
