"""One run that reads some types of style from a, and the others from b."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model.interpolation.kind import option
from model.interpolation.pitch_transfer import PitchTransfer, need_reader

if TYPE_CHECKING:
    from torch import Tensor

    from model.denoiser import Denoiser
    from model.interpolation.plan import Plan, Reading
    from model.sampling import Sampler, Tune
    from model.text_to_mel import TextToMel

GROUPS = {"voice": ("speaker", "timbre"), "manner": ("emotion",)}


@dataclass(frozen=True)
class SameTime(PitchTransfer):
    """One run in which the attention of a's types is a's, and the pitch's, with its picture, inside the mask alone.

    What the text encoder makes of a voice, mu and content, goes with the speaker.
    """

    from_a: str = option(
        "pitch", "what comes from a, by comma: pitch, energy, voice (speaker and timbre), manner (emotion)",
        members=("pitch", "energy", "timbre", "speaker", "emotion", *GROUPS),
    )  # fmt: skip
    share: str = option(
        "whole", "a's of the cells in the mask: whole; or reader, what the pitch reader gives it",
        choices=("whole", "reader"),
    )  # fmt: skip

    @property
    def types(self) -> tuple[str, ...]:
        """The types that come from a, as `model.style.TYPES` names them."""
        found = [name for part in self.from_a.split(",") for name in GROUPS.get(part, (part,))]
        return tuple(dict.fromkeys(found))

    def check(self, model: TextToMel, sampler: Sampler) -> None:
        super().check(model, sampler)
        if self.types != ("pitch",) and model.params.style.kind == "bundled":
            raise ValueError("this model reads all of a style in one piece, so the pitch alone can come from a")
        if self.share == "reader":
            need_reader(model)
            if self.types != ("pitch",):
                raise ValueError("the pitch reader shares the pitch alone; leave share at whole, or from_a at pitch")

    def plan(self, model: TextToMel, a: Reading, b: Reading, length_scale: float = 1.0) -> Plan:
        from model.interpolation.plan import plan_pitch

        plan = plan_pitch(model, a, b, self.mask, self.carry, self.durations, length_scale, self.types)
        return replace(plan, weight=self.shares(model, plan.mask))

    def shares(self, model: TextToMel, mask: Tensor) -> dict[str, Tensor]:
        return {name: mask if name == "pitch" else mask.new_ones(mask.shape) for name in self.types}

    def denoiser(self, model: TextToMel, plan: Plan) -> tuple[Denoiser, Tune | None]:
        from model.interpolation.pitch_reading import ReadingDenoiser

        if self.share == "whole":
            return super().denoiser(model, plan)
        return ReadingDenoiser.of_plan(model, plan, one_comb=False), None
