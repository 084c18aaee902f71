"""Pitch of a early in the diffusion, of b later: the latent is tuned so that attention goes there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.interpolation.kind import option
from model.interpolation.pitch_transfer import PitchTransfer

if TYPE_CHECKING:
    from torch import Tensor

    from model.denoiser import Denoiser
    from model.interpolation.plan import Plan
    from model.sampling import Sampler, Tune
    from model.text_to_mel import TextToMel


@dataclass(frozen=True)
class Staged(PitchTransfer):
    """Neutral shares, and a gradient on the latent before an evaluation (`LatentTuner`)."""

    tal1: float = option(0.5, "diffusion time down to which attention is drawn to a", low=0, high=1)
    tal2: float = option(0.2, "diffusion time after which the run is free", low=0, high=1)
    gamma: float = option(0.2, "weight of the penalty on the other cells", low=0)
    epoch: int = option(1, "gradient steps before an evaluation", low=0, high=100)
    step_size: float = option(10.0, "of a gradient step", above=0)
    loss: str = option("competing", "competing or original", choices=("competing", "original"))
    noise_only: bool = option(False, "tune the start noise alone")
    direction: str = option(
        "gradient", "of a step: gradient; or random, as long, to compare with", choices=("gradient", "random")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tal2 > self.tal1:
            raise ValueError(f"tal2 must not be above tal1, but they are {self.tal2} and {self.tal1}")

    def check(self, model: TextToMel, sampler: Sampler) -> None:
        super().check(model, sampler)
        if not sampler.follows_changes:
            raise ValueError("staged changes the latent on the way, and this solver cannot follow; use another")

    def shares(self, model: TextToMel, mask: Tensor) -> dict[str, Tensor]:
        return {name: 0.5 + 0 * mask for name in model.types}

    def denoiser(self, model: TextToMel, plan: Plan) -> tuple[Denoiser, Tune | None]:
        from model.interpolation.latent_tuner import LatentTuner

        denoiser = plan.blended(model, keep_mass=plan.keep_mass or self.epoch > 0)
        return denoiser, LatentTuner(denoiser, plan.frames.mu, plan.frames.mask, plan.mask, self)
