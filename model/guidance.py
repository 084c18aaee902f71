"""Classifier-free guidance as a denoiser around others (Ho & Salimans, arXiv 2207.12598)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.denoiser import Denoiser
from model.schedule import Schedule


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

    def _mix(self, predictions: Tensor) -> Tensor:
        conditional, free = predictions.chunk(2)  # (B, 80, T) each
        return free + self.scale * (conditional - free)
