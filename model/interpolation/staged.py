"""Pitch of a early in the diffusion, of b later: the latent is tuned until it takes its pitch from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.interpolation.kind import option
from model.interpolation.pitch_transfer import PitchTransfer, need_reader

if TYPE_CHECKING:
    from torch import Tensor

    from model.denoiser import Denoiser
    from model.interpolation.plan import Plan
    from model.sampling import Sampler, Tune
    from model.text_to_mel import TextToMel


@dataclass(frozen=True)
class Staged(PitchTransfer):
    """A gradient on the latent before an evaluation (`LatentTuner`), of what decides between a's pitch and b's.

    With the reader the latent alone decides, and everything but the pitch is b's; with attention all shares are 1/2.
    """

    evaluations = 8

    decided_by: str = option(
        "reader", "what is tuned: the pitch reader's choice, or the mass of attention", choices=("reader", "attention")
    )
    tal1: float = option(0.1, "diffusion time down to which the latent is drawn to a", low=0, high=1)
    tal2: float = option(0.03, "diffusion time after which the run is free", low=0, high=1)
    gamma: float = option(0.2, "weight of the penalty on the other cells", low=0)
    epoch: int = option(1, "gradient steps before an evaluation", low=0, high=100)
    step_size: float = option(0.3, "of a gradient step, in standard deviations of the noise", above=0)
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
        if self.decided_by == "reader":
            need_reader(model)

    def shares(self, model: TextToMel, mask: Tensor) -> dict[str, Tensor]:
        return {} if self.decided_by == "reader" else {name: 0.5 + 0 * mask for name in model.types}

    def denoiser(self, model: TextToMel, plan: Plan) -> tuple[Denoiser, Tune | None]:
        from model.interpolation.latent_tuner import AttentionMass, LatentTuner, ReaderMass
        from model.interpolation.pitch_reading import ReadingDenoiser

        if self.decided_by == "reader":
            denoiser = ReadingDenoiser.of_plan(model, plan)
            masses = ReaderMass(denoiser)
        else:
            denoiser = plan.blended(model, keep_mass=self.epoch > 0)
            masses = AttentionMass(denoiser)
        return denoiser, LatentTuner(masses, denoiser.schedule, plan.frames.mu, plan.frames.mask, plan.mask, self)
