"""Tuning the latent by gradient, so that pitch is drawn from a where it should be, and from b elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from model.diffusion import ConditionedDenoiser
from model.interpolation.pitch_reading import ReadingDenoiser
from model.interpolation.staged import Staged
from model.randomness import standard_normal
from model.schedule import Schedule

_SMALLEST = 1e-6  # of a mass, before its logarithm; and of a fall of the loss that is more than rounding
_HALVINGS = 8  # of a step that does not lower the loss, before it is given up


class Masses(Protocol):
    """a's part of a softmax in which both sides compete, m_a; b's is 1 - m_a. Both have a gradient.

    A call gives one or several m_a (1, F', T'), and the cells (1, n_mels, T) whose change gamma penalises.
    evaluations: of the network by one call.
    """

    evaluations: int

    def __call__(self, x: Tensor, t: float) -> tuple[list[Tensor], Tensor]: ...


@dataclass(frozen=True)
class ReaderMass:
    """What the pitch reader says; gamma keeps it in the other cells. It costs no evaluation."""

    denoiser: ReadingDenoiser
    evaluations: ClassVar[int] = 0

    def __call__(self, x: Tensor, t: float) -> tuple[list[Tensor], Tensor]:
        mass = self.denoiser.reading(x, t).mass
        return [mass], mass


@dataclass(frozen=True)
class AttentionMass:
    """Where attention goes, at every site, in one softmax over both references' keys; gamma keeps the data prediction.

    denoiser: with an `AttentionBlend` that keeps mass. types: whose attention counts.
    """

    denoiser: ConditionedDenoiser
    types: tuple[str, ...] = ("pitch", "bundled")
    evaluations: ClassVar[int] = 1

    def __call__(self, x: Tensor, t: float) -> tuple[list[Tensor], Tensor]:
        predicted = self.denoiser.x0(x, t)
        return [mass for (_, name), mass in self.denoiser.attention.mass.items() if name in self.types], predicted


@dataclass(frozen=True)
class TuningRecord:
    """What one tuned evaluation did."""

    t: float
    losses: list[float]  # before each inner step and after the last
    moved: float  # the latent, root mean square over valid cells


@dataclass(frozen=True)
class _Aim:
    """One stage at one time: its own cells, the others (1, n_mels, T each), and what gamma keeps, before any step."""

    t: float
    towards_a: bool
    chosen: Tensor
    others: Tensor
    reference: Tensor | None = None


@dataclass
class LatentTuner:
    """The `tune` hook of a sampler.

    For t > tal1 it minimises -mean over P of log m_a, for tal2 < t <= tal1 -mean outside P of log m_b; gamma weights a
    penalty on the change in the other cells. Several masses count alike, each with its own pooled mask. With `loss`
    "original" it is -mean_P m + gamma mean_notP m, and for b its mirror. After tal2 the run is free.

    A step changes the stage's own cells alone, by `step_size` times the noise's standard deviation in the root mean
    square over them: it depends neither on the utterance's length, nor on the mask's area, nor on how steep the loss
    is. A step that does not lower the loss is halved, and given up if that does not help. x - mu keeps its mean and
    standard deviation over those cells.

    mu (1, n_mels, T); mask (1, 1, T) valid frames; pitch_mask P (1, n_mels, T) in [0, 1]. `direction` "random": steps
    of the same size in random directions. evaluations: forward passes of the network that tuning took so far.
    """

    masses: Masses
    schedule: Schedule
    mu: Tensor
    mask: Tensor
    pitch_mask: Tensor
    settings: Staged
    history: list[TuningRecord] = field(default_factory=list)
    evaluations: int = 0

    def __post_init__(self) -> None:
        self._random = torch.Generator().manual_seed(0) if self.settings.direction == "random" else None

    def __call__(self, i: int, t: float, x: Tensor) -> Tensor | None:
        aim = self._aim(i, t)
        if aim is None:
            return None
        latent, loss, kept = self._evaluate(x, aim)
        aim = replace(aim, reference=kept)
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
        """The latent as a leaf of autograd, its loss, and what gamma keeps."""
        with torch.enable_grad():
            latent = x.detach().clone().requires_grad_()
            masses, kept = self.masses(latent, aim.t)
            self.evaluations += self.masses.evaluations
            return latent, self._loss(masses, kept, aim), kept.detach()

    def _step(self, x: Tensor, gradient: Tensor, before: float, aim: _Aim) -> tuple[Tensor, Tensor] | None:
        """The latent after one inner step, and its loss; None if no length of step lowers it."""
        direction = gradient if self._random is None else standard_normal(x.shape, x, self._random)
        direction = direction * aim.chosen
        size = (direction.square().sum() / aim.chosen.sum()).sqrt()
        if float(size) == 0:  # as with two equal references
            return None
        step = self.settings.step_size * self.schedule.sigma(aim.t) * direction / size
        for halving in range(_HALVINGS + 1):
            latent, loss, _ = self._evaluate(self._restored(x - step / 2**halving, x, aim.chosen), aim)
            if float(loss.detach()) < before - _SMALLEST or self._random is not None:
                return latent, loss
        return None

    def _loss(self, masses: list[Tensor], kept: Tensor, aim: _Aim) -> Tensor:
        gamma = self.settings.gamma
        terms = []
        for mass in masses:
            own = mass if aim.towards_a else 1 - mass  # (1, F', T')
            inside, outside = (F.adaptive_avg_pool2d(area, own.shape[1:]) for area in (aim.chosen, aim.others))
            if self.settings.loss == "competing":
                terms.append(weighted_mean(-own.clamp(min=_SMALLEST).log(), inside))
            else:
                terms.append(gamma * weighted_mean(own, outside) - weighted_mean(own, inside))
        loss = torch.stack(terms).mean()
        if self.settings.loss == "competing" and aim.reference is not None:
            loss = loss + gamma * weighted_mean((kept - aim.reference).square(), aim.others)
        return loss

    def _restored(self, x: Tensor, start: Tensor, cells: Tensor) -> Tensor:
        """x in these cells, with the mean and the standard deviation of x - mu that `start` had there; else start."""
        (before, old_mean), (after, new_mean) = (self._centred(latent, cells) for latent in (start, x))
        sizes = [weighted_mean(centred.square(), cells).sqrt() for centred in (before, after)]
        restored = (x - self.mu - new_mean) * (sizes[0] / sizes[1].clamp(min=torch.finfo(x.dtype).tiny)) + old_mean
        return start + cells * (self.mu + restored - start)

    def _centred(self, x: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """x - mu less its mean over the cells, and that mean."""
        mean = weighted_mean(x - self.mu, cells)
        return x - self.mu - mean, mean


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values under a weight of the same shape; 0 where the weight is nowhere."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)
