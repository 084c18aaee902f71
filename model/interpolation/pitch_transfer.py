"""The pitch of a, everything else of b: what the methods that do it have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model.interpolation.kind import Kind, option

if TYPE_CHECKING:
    from torch import Tensor

    from model.interpolation.plan import Plan, Reading
    from model.text_to_mel import TextToMel

MASKS = ("f0", "harmonics", "f0-4", "none")


@dataclass(frozen=True)
class PitchTransfer(Kind):
    """The pitch of a inside a mask."""

    moves_pitch = True

    mask: str = option("none", "f0, harmonics, f0-4, or none for every cell", choices=MASKS)
    carry: str = option(
        "phones", "how a's contour comes to b's frames: phones, linear or attention",
        choices=("phones", "linear", "attention"),
    )  # fmt: skip
    durations: str = option("b", "whose: a, b or mean", choices=("a", "b", "mean"))

    def plan(self, model: TextToMel, a: Reading, b: Reading, length_scale: float = 1.0) -> Plan:
        from model.interpolation.plan import plan_pitch

        plan = plan_pitch(model, a, b, self.mask, self.carry, self.durations, length_scale)
        return replace(plan, weight=self.shares(model, plan.mask))

    def shares(self, model: TextToMel, mask: Tensor) -> dict[str, Tensor]:
        """a's share of every cell by type; mask (1, n_mels, T)."""
        return {"pitch": mask}


def need_reader(model: TextToMel) -> None:
    """Raises ValueError if the model has no pitch reader."""
    if model.reader is None:
        raise ValueError(
            "this checkpoint has no pitch reader beside it (CHECKPOINT.reader.pt); "
            "`python -m training.pitch_reader -c CHECKPOINT.pt` makes one"
        )
