"""The same share of a everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.interpolation.kind import Kind, option

if TYPE_CHECKING:
    from model.denoiser import Denoiser
    from model.interpolation.plan import Plan, Reading
    from model.sampling import Tune
    from model.text_to_mel import TextToMel


@dataclass(frozen=True)
class Linear(Kind):
    """The same share of a in everything: durations (in their logarithms), mu, and the style or the two predictions."""

    even = True

    weight: float = option(0.5, "a's share, 0 to 1", low=0, high=1)
    blend: str = option(
        "condition", "what is blended: what the decoder reads, or its scores", choices=("condition", "score")
    )

    def plan(self, model: TextToMel, a: Reading, b: Reading, length_scale: float = 1.0) -> Plan:
        from model.interpolation.plan import plan_over_time

        return plan_over_time(model, a, b, a.text.mu.new_full(a.text.mu.shape[-1:], self.weight), length_scale)

    def denoiser(self, model: TextToMel, plan: Plan) -> tuple[Denoiser, Tune | None]:
        from model.denoiser import GuidedDenoiser

        if self.blend == "condition":
            return super().denoiser(model, plan)
        return GuidedDenoiser(*plan.apart(model), scale=self.weight), None
