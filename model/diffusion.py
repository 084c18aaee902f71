"""The two parametrisations: what the network is asked for, and how score and data prediction follow from it.

Both are modules that hold the network as `.estimator` and have one interface. Sizes: x, x0, mu (B, 80, T), mask
(B, 1, T), t a float for the whole batch or a tensor (B,). A *condition* is what `estimator.prepare` returned, for
`score`, `x0` and `loss` of a diffusion what `estimator.completed` made of it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from model.denoiser import score_from_x0, x0_from_score
from model.randomness import standard_normal, uniform
from model.schedule import Schedule

TIME_OFFSET = 1e-5  # training times stay this far from 0 and 1


class Diffusion(nn.Module, ABC):
    """A network and the process that it reverses. See the two subclasses."""

    def __init__(self, estimator: nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.estimator = estimator
        self.schedule = schedule

    @abstractmethod
    def score(self, x: Tensor, t: float | Tensor, condition: Any, attention: Any = None) -> Tensor:
        """Score of the noisy mel x at time t, (B, 80, T), zero outside the mask."""

    @abstractmethod
    def x0(self, x: Tensor, t: float | Tensor, condition: Any, attention: Any = None) -> Tensor:
        """Prediction of the clean mel, (B, 80, T), zero outside the mask."""

    @abstractmethod
    def loss(self, x0: Tensor, condition: Any, generator: torch.Generator | None = None) -> Tensor:
        """Training loss of clean mels x0: a scalar, the mean over valid cells."""

    def denoiser(self, condition: Any, attention: Any = None) -> ConditionedDenoiser:
        """What the samplers take."""
        return ConditionedDenoiser(self, condition, attention)


@dataclass(frozen=True)
class ConditionedDenoiser:
    """A diffusion with its condition fixed (`model.denoiser.Denoiser`)."""

    diffusion: Diffusion
    condition: Any
    attention: Any = None
    evaluations: ClassVar[int] = 1

    @property
    def schedule(self) -> Schedule:
        return self.diffusion.schedule

    @cached_property
    def _completed(self) -> Any:
        """At the first evaluation, in whose precision it is; no latent is in it, so no gradient is either."""
        with torch.no_grad():
            return self.diffusion.estimator.completed(self.condition, self.attention)

    @property
    def mass(self) -> dict[tuple[str, str], Tensor]:
        """Where attention went in the last evaluation, if it was kept (`model.style_attention.AttentionBlend`)."""
        return {} if self.attention is None else self.attention.mass

    def score(self, x: Tensor, t: float) -> Tensor:
        return self.diffusion.score(x, t, self._completed, self.attention)

    def x0(self, x: Tensor, t: float) -> Tensor:
        return self.diffusion.x0(x, t, self._completed, self.attention)

    def expected(self) -> Tensor:
        return self._completed.expected()


class NoiseDiffusion(Diffusion):
    """The parametrisation of Grad-TTS (arXiv 2105.06337, equation 14): the network is the score of the noisy mel.

    It is called with x as it is and with t itself.
    """

    def score(self, x: Tensor, t: float | Tensor, condition: Any, attention: Any = None) -> Tensor:
        mask = condition.mask
        return self.estimator(x * mask, per_item(t, x), condition, attention).to(x.dtype) * mask

    def x0(self, x: Tensor, t: float | Tensor, condition: Any, attention: Any = None) -> Tensor:
        score = self.score(x, t, condition, attention)
        return x0_from_score(self.schedule, score, x, condition.mu, per_cell(t)) * condition.mask

    def loss(self, x0: Tensor, condition: Any, generator: torch.Generator | None = None) -> Tensor:
        """Mean of (sigma s + xi)^2; t is uniform."""
        mu, mask = condition.mu, condition.mask
        t = uniform((len(x0),), x0, generator).clamp(TIME_OFFSET, 1 - TIME_OFFSET)  # (B,)
        noise = standard_normal(x0.shape, x0, generator)
        alpha, sigma = self.schedule.alpha(per_cell(t)), self.schedule.sigma(per_cell(t))  # (B, 1, 1)
        x = alpha * x0 + (1 - alpha) * mu + sigma * noise
        return masked_mean((sigma * self.score(x, t, condition) + noise) ** 2, mask)


class ResidualDiffusion(Diffusion):
    """EDM's preconditioning (Karras et al., arXiv 2206.00364, table 1) of the residual r = x_0 - mu.

    With y~ = (x - mu) / alpha = r + s z and s = sigma / alpha,

        r^ = c_skip y~ + c_out F(c_in y~, log s)
        c_skip = sd^2 / (sd^2 + s^2),   c_out = s sd / sqrt(sd^2 + s^2),   c_in = 1 / sqrt(sd^2 + s^2)

    where sd is `residual_std` and F the network, called with c_in y~ as x and log s as t.

    Args:
        residual_std: standard deviation of x_0 - mu over the corpus.
        noise_mean, noise_std: training draws log s from N(log residual_std + noise_mean, noise_std^2).

    Raises:
        ValueError: if residual_std or noise_std is not positive.
    """

    def __init__(
        self, estimator: nn.Module, schedule: Schedule, residual_std: float, noise_mean: float, noise_std: float
    ) -> None:
        super().__init__(estimator, schedule)
        if residual_std <= 0 or noise_std <= 0:
            raise ValueError(f"residual_std and noise_std must be positive, not {residual_std} and {noise_std}")
        self.residual_std = residual_std
        self.noise_mean = noise_mean
        self.noise_std = noise_std

    def score(self, x: Tensor, t: float | Tensor, condition: Any, attention: Any = None) -> Tensor:
        x0 = self.x0(x, t, condition, attention)
        return score_from_x0(self.schedule, x0, x, condition.mu, per_cell(t)) * condition.mask

    def x0(self, x: Tensor, t: float | Tensor, condition: Any, attention: Any = None) -> Tensor:
        mu, mask = condition.mu, condition.mask
        noisy, s = self._noisy(x, t, condition)
        c_skip, c_out, _ = self._coefficients(per_cell(s))
        scaled, log_s = self.scaled(x, t, condition)
        prediction = self.estimator(scaled, log_s, condition, attention).to(x.dtype)
        return (mu + c_skip * noisy + c_out * prediction) * mask

    def scaled(self, x: Tensor, t: float | Tensor, condition: Any) -> tuple[Tensor, Tensor]:
        """What the network gets of the noisy mel: c_in y~ (B, 80, T), and log s (B,)."""
        noisy, s = self._noisy(x, t, condition)
        log_s = s.log() if isinstance(s, Tensor) else math.log(s)
        return self._coefficients(per_cell(s))[2] * noisy, per_item(log_s, x)

    def _noisy(self, x: Tensor, t: float | Tensor, condition: Any) -> tuple[Tensor, float | Tensor]:
        """y~ and s."""
        noisy = (x - condition.mu) / self.schedule.alpha(per_cell(t)) * condition.mask
        return noisy, self.schedule.noise_level(t)

    def loss(self, x0: Tensor, condition: Any, generator: torch.Generator | None = None) -> Tensor:
        """Mean of (F - (r - c_skip y~) / c_out)^2; log s is normal."""
        mu, mask = condition.mu, condition.mask
        log_s = standard_normal((len(x0),), x0, generator) * self.noise_std + (
            math.log(self.residual_std) + self.noise_mean
        )  # (B,)
        noise = standard_normal(x0.shape, x0, generator)
        s = per_cell(log_s.exp())  # (B, 1, 1)
        residual = x0 - mu
        noisy = (residual + s * noise) * mask  # y~
        c_skip, c_out, c_in = self._coefficients(s)
        prediction = self.estimator(c_in * noisy, log_s, condition).to(x0.dtype)
        return masked_mean((prediction - (residual - c_skip * noisy) / c_out) ** 2, mask)

    def _coefficients(self, s: float | Tensor) -> tuple[Any, Any, Any]:
        """c_skip, c_out, c_in."""
        variance = self.residual_std**2 + s**2
        return self.residual_std**2 / variance, s * self.residual_std / variance**0.5, 1 / variance**0.5


def masked_mean(cells: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid cells; cells (B, F, T), mask (B, 1, T)."""
    return (cells * mask).sum() / (mask.sum() * cells.shape[1])


def per_cell(t: float | Tensor) -> float | Tensor:
    """(B,) to (B, 1, 1), which broadcasts over cells; a float stays one."""
    return t[:, None, None] if isinstance(t, Tensor) else t


def per_item(t: float | Tensor, x: Tensor) -> Tensor:
    """A value for each item, (B,), in the dtype of x."""
    return t.to(x) if isinstance(t, Tensor) else x.new_full((len(x),), t)
