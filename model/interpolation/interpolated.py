"""What an interpolation returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from model.cond_grad_tts import CondSynthesis, Frames
from model.interpolation.staged import TuningRecord


@dataclass(frozen=True)
class Interpolated:
    """A mel between two styles, and how it came about.

    frames: of the text; None for official checkpoints. field: a's share of every cell, or the pitch mask of a frequency
    interpolation, (1, n_mels, T). mass: attention mass on a by (site, type), (1, F', T'), of the last evaluation, if it
    was kept. history: what a gradient method did.
    """

    synthesis: CondSynthesis
    frames: Frames | None
    field: Tensor
    mass: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    history: list[TuningRecord] = field(default_factory=list)
