"""Tuning the latent by gradient, so that attention goes where it should ("at different times")."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from model.diffusion import ConditionedDenoiser
from model.interpolation.settings import Frequency

_SMALLEST = 1e-6  # of a mass, before its logarithm


@dataclass
class TuningRecord:
    """What one tuned evaluation did."""

    t: float
    losses: list[float]  # before each inner step and after the last
    moved: float  # the latent, root mean square over valid cells


@dataclass
class LatentTuner:
    """The `tune` hook of a sampler.

    For t > tal1 it minimises -mean over P of log m_a, for tal2 < t <= tal1 -mean outside P of log m_b, where m_a is a's
    part of a joint softmax over both references' keys and m_b = 1 - m_a; gamma weights a penalty on the change of the
    data prediction in the other cells. All sites count alike, each with its own pooled mask. With `loss` "original" it
    is -mean_P m + gamma mean_notP m, and for b its mirror. After tal2 the run is free.

    denoiser: with an `AttentionBlend` that keeps mass. mu (1, n_mels, T); mask (1, 1, T) valid frames;
    pitch_mask P (1, n_mels, T) in [0, 1]. types: whose attention counts.
    """

    denoiser: ConditionedDenoiser
    mu: Tensor
    mask: Tensor
    pitch_mask: Tensor
    settings: Frequency
    types: tuple[str, ...] = ("pitch",)
    history: list[TuningRecord] = field(default_factory=list)
    evaluations: int = 0

    def __call__(self, i: int, t: float, x: Tensor) -> Tensor | None:
        settings = self.settings
        if settings.epoch == 0 or t <= settings.tal2 or (settings.noise_only and i > 0):
            return None
        towards_a = t > settings.tal1
        chosen = self.pitch_mask if towards_a else (1 - self.pitch_mask) * self.mask
        if float((self.pitch_mask * self.mask).sum()) == 0 or float(chosen.sum()) == 0:
            return None
        cells = float(self.mask.sum()) * x.shape[1]
        start, reference, losses = x, None, []
        for step in range(settings.epoch + 1):
            with torch.inference_mode(False), torch.enable_grad():
                latent = x.detach().clone().requires_grad_()
                predicted = self.denoiser.x0(latent, t)
                self.evaluations += 1
                reference = predicted.detach() if reference is None else reference
                loss = self._loss(predicted, reference, chosen, towards_a)
                losses.append(float(loss.detach()))
                if step == settings.epoch:
                    break
                (gradient,) = torch.autograd.grad(loss, latent)
            # The gradient of a mean shrinks with the number of cells; a cell's step must not.
            x = self._restored(x - settings.rate * cells * gradient * self.mask, start)
        moved = ((x - start).square() * self.mask).sum().div(cells).sqrt()
        self.history.append(TuningRecord(t, losses, float(moved)))
        return x

    def _loss(self, predicted: Tensor, reference: Tensor, chosen: Tensor, towards_a: bool) -> Tensor:
        gamma = self.settings.gamma
        others = (1 - self.pitch_mask if towards_a else self.pitch_mask) * self.mask
        terms = []
        for (_, type_name), mass in self.denoiser.attention.mass.items():
            if type_name not in self.types:
                continue
            own = mass if towards_a else 1 - mass  # (1, F', T')
            inside, outside = (F.adaptive_avg_pool2d(area, own.shape[1:]) for area in (chosen, others))
            if self.settings.loss == "competing":
                terms.append(weighted_mean(-own.clamp(min=_SMALLEST).log(), inside))
            else:
                terms.append(gamma * weighted_mean(own, outside) - weighted_mean(own, inside))
        loss = torch.stack(terms).mean()
        if self.settings.loss == "competing":
            loss = loss + gamma * weighted_mean((predicted - reference).square(), others)
        return loss

    def _restored(self, x: Tensor, start: Tensor) -> Tensor:
        """x with the standard deviation of x - mu that the latent had."""
        before, after = ((latent - self.mu).mul(self.mask).norm() for latent in (start, x))
        return self.mu + (x - self.mu) * (before / after.clamp(min=1e-12))


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values under a weight of the same shape; 0 where the weight is nowhere."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)
