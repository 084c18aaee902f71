"""What samplers take, and the identities between its two outputs."""

from __future__ import annotations

from typing import Protocol

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


def x0_from_score(schedule: Schedule, score: Tensor, x: Tensor, mu: Tensor, t: Time) -> Tensor:
    """The data prediction that belongs to a score: mu + ((x - mu) + sigma^2 score) / alpha.

    Args:
        score, x, mu: (B, 80, T). t: a float, or a tensor that broadcasts, such as (B, 1, 1).
    """
    return mu + ((x - mu) + schedule.sigma(t) ** 2 * score) / schedule.alpha(t)


def score_from_x0(schedule: Schedule, x0: Tensor, x: Tensor, mu: Tensor, t: Time) -> Tensor:
    """The score that belongs to a data prediction: (alpha (x0 - mu) - (x - mu)) / sigma^2. Arguments as above."""
    return (schedule.alpha(t) * (x0 - mu) - (x - mu)) / schedule.sigma(t) ** 2
