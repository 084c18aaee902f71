"""One run under both pitches, each in its own cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.interpolation.kind import option
from model.interpolation.pitch_transfer import PitchTransfer, need_reader

if TYPE_CHECKING:
    from model.denoiser import Denoiser
    from model.interpolation.plan import Plan
    from model.sampling import Sampler, Tune
    from model.text_to_mel import TextToMel


@dataclass(frozen=True)
class SameTime(PitchTransfer):
    """One run in which the pitch type's attention and picture are a's inside the mask and b's outside."""

    share: str = option(
        "whole", "a's of the cells in the mask: whole; or reader, what the pitch reader gives it",
        choices=("whole", "reader"),
    )  # fmt: skip

    def check(self, model: TextToMel, sampler: Sampler) -> None:
        super().check(model, sampler)
        if self.share == "reader":
            need_reader(model)

    def denoiser(self, model: TextToMel, plan: Plan) -> tuple[Denoiser, Tune | None]:
        from model.interpolation.pitch_reading import ReadingDenoiser

        if self.share == "whole":
            return super().denoiser(model, plan)
        return ReadingDenoiser.of_plan(model, plan, one_comb=False), None
