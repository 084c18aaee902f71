"""Classifier-free guidance as a denoiser around two (Ho & Salimans, arXiv 2207.12598)."""

from __future__ import annotations

from dataclasses import dataclass

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

    def score(self, x: Tensor, t: float) -> Tensor:
        return self._mix(self.conditional.score(x, t), self.free.score(x, t))

    def x0(self, x: Tensor, t: float) -> Tensor:
        return self._mix(self.conditional.x0(x, t), self.free.x0(x, t))

    def _mix(self, conditional: Tensor, free: Tensor) -> Tensor:
        return free + self.scale * (conditional - free)
