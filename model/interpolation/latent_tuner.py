"""Tuning the latent by gradient, so that attention goes where it should."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from model.diffusion import ConditionedDenoiser
from model.interpolation.staged import Staged
from model.randomness import standard_normal

_SMALLEST = 1e-6  # of a mass, before its logarithm
_HALVINGS = 8  # of a step that does not lower the loss, before it is given up


@dataclass(frozen=True)
class TuningRecord:
    """What one tuned evaluation did."""

    t: float
    losses: list[float]  # before each inner step and after the last
    moved: float  # the latent, root mean square over valid cells


@dataclass(frozen=True)
class _Aim:
    """One stage at one time: its own cells, the others (1, n_mels, T each), and the data prediction before any step."""

    t: float
    towards_a: bool
    chosen: Tensor
    others: Tensor
    reference: Tensor | None = None


@dataclass
class LatentTuner:
    """The `tune` hook of a sampler.

    For t > tal1 it minimises -mean over P of log m_a, for tal2 < t <= tal1 -mean outside P of log m_b, where m_a is a's
    part of a joint softmax over both references' keys and m_b = 1 - m_a; gamma weights a penalty on the change of the
    data prediction in the other cells. All sites count alike, each with its own pooled mask. With `loss` "original" it
    is -mean_P m + gamma mean_notP m, and for b its mirror. After tal2 the run is free.

    A step is `step_size` times the gradient of the mean, times the number of cells the mean is over: a cell's step
    depends neither on the utterance's length nor on the mask's area. A step that does not lower the loss is halved, and
    given up if that does not help. x - mu keeps its mean and standard deviation over the valid cells.

    denoiser: with an `AttentionBlend` that keeps mass. mu (1, n_mels, T); mask (1, 1, T) valid frames;
    pitch_mask P (1, n_mels, T) in [0, 1]. `direction` "random": steps of the same size in random directions.
    types: whose attention counts. evaluations: forward passes that tuning took so far.
    """

    denoiser: ConditionedDenoiser
    mu: Tensor
    mask: Tensor
    pitch_mask: Tensor
    settings: Staged
    types: tuple[str, ...] = ("pitch", "bundled")
    history: list[TuningRecord] = field(default_factory=list)
    evaluations: int = 0

    def __post_init__(self) -> None:
        self._random = torch.Generator().manual_seed(0) if self.settings.direction == "random" else None

    def __call__(self, i: int, t: float, x: Tensor) -> Tensor | None:
        aim = self._aim(i, t)
        if aim is None:
            return None
        latent, loss, predicted = self._evaluate(x, aim)
        aim = replace(aim, reference=predicted)
        losses = [float(loss.detach())]
        for _ in range(self.settings.epoch):
            (gradient,) = torch.autograd.grad(loss, latent)
            stepped = self._step(latent.detach(), gradient, losses[-1], aim)
            if stepped is None:
                break
            latent, loss = stepped
            losses.append(float(loss.detach()))
        tuned = latent.detach()
        moved = ((tuned - x).square() * self.mask).sum() / self._cells
        self.history.append(TuningRecord(t, losses, float(moved.sqrt())))
        return tuned if len(losses) > 1 else None

    @property
    def _cells(self) -> Tensor:
        """Number of valid cells."""
        return self.mask.sum() * self.mu.shape[1]

    def _aim(self, i: int, t: float) -> _Aim | None:
        """What evaluation i at time t is tuned for; None if it is not."""
        settings = self.settings
        if settings.epoch == 0 or t <= settings.tal2 or (settings.noise_only and i > 0):
            return None
        inside, outside = self.pitch_mask * self.mask, (1 - self.pitch_mask) * self.mask
        towards_a = t > settings.tal1
        chosen, others = (inside, outside) if towards_a else (outside, inside)
        if float(inside.sum()) == 0 or float(chosen.sum()) == 0:
            return None
        return _Aim(t, towards_a, chosen, others)

    def _evaluate(self, x: Tensor, aim: _Aim) -> tuple[Tensor, Tensor, Tensor]:
        """The latent as a leaf of autograd, its loss, and its data prediction."""
        with torch.enable_grad():
            latent = x.detach().clone().requires_grad_()
            predicted = self.denoiser.x0(latent, aim.t)
            self.evaluations += 1
            return latent, self._loss(predicted, aim), predicted.detach()

    def _step(self, x: Tensor, gradient: Tensor, before: float, aim: _Aim) -> tuple[Tensor, Tensor] | None:
        """The latent after one inner step, and its loss; None if no length of step lowers it."""
        step = self.settings.step_size * aim.chosen.sum() * gradient * self.mask
        if self._random is not None:
            direction = standard_normal(step.shape, step, self._random) * self.mask
            step = direction * ((self._restored(x - step, x) - x).norm() / direction.norm())
        for halving in range(_HALVINGS + 1):
            latent, loss, _ = self._evaluate(self._restored(x - step / 2**halving, x), aim)
            if float(loss.detach()) < before or self._random is not None:
                return latent, loss
        return None

    def _loss(self, predicted: Tensor, aim: _Aim) -> Tensor:
        gamma = self.settings.gamma
        terms = []
        for (_, type_name), mass in self.denoiser.attention.mass.items():
            if type_name not in self.types:
                continue
            own = mass if aim.towards_a else 1 - mass  # (1, F', T')
            inside, outside = (F.adaptive_avg_pool2d(area, own.shape[1:]) for area in (aim.chosen, aim.others))
            if self.settings.loss == "competing":
                terms.append(weighted_mean(-own.clamp(min=_SMALLEST).log(), inside))
            else:
                terms.append(gamma * weighted_mean(own, outside) - weighted_mean(own, inside))
        loss = torch.stack(terms).mean()
        if self.settings.loss == "competing" and aim.reference is not None:
            loss = loss + gamma * weighted_mean((predicted - aim.reference).square(), aim.others)
        return loss

    def _restored(self, x: Tensor, start: Tensor) -> Tensor:
        """x with the mean and the standard deviation of x - mu that the latent had."""
        (before, mean), (after, _) = (self._centred(latent) for latent in (start, x))
        scaled = after * (before.norm() / after.norm().clamp(min=torch.finfo(x.dtype).tiny))
        return self.mu + (scaled + mean) * self.mask

    def _centred(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x - mu less its mean over the valid cells, and that mean."""
        residual = (x - self.mu) * self.mask
        mean = residual.sum() / self._cells
        return (residual - mean) * self.mask, mean


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values under a weight of the same shape; 0 where the weight is nowhere."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)
