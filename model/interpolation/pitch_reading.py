"""A denoiser whose latent decides which of two pitches is drawn: the pitch reader is asked before every evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from model.pitch_reader import PitchReader, PitchReading
from model.schedule import Schedule

if TYPE_CHECKING:
    from model.cond_grad_tts import CondGradTTS
    from model.interpolation.plan import Plan


@dataclass(frozen=True)
class ReadField:
    """What one evaluation read: m_a (1, n_mels, T), and a's part of each frame (1, T)."""

    t: float
    mass: Tensor
    by_frame: Tensor


@dataclass
class ReadingDenoiser:
    """The pitch type's field is the reader's m_a; everything else is b's.

    With `one_comb` the contour that is drawn takes a's part of each frame, by the cells of P: moving the latent moves
    m_a, m_a moves the picture, and the picture moves the pitch. Otherwise the two pictures blend cell by cell, m_a in P
    and b outside of it, as a constant field of cells does.

    condition_a, condition_b: what the estimator prepared for both styles. cells: P (1, n_mels, T).
    read: one for each evaluation without gradients.
    """

    model: CondGradTTS
    reader: PitchReader
    condition_a: Any
    condition_b: Any
    cells: Tensor
    one_comb: bool = True
    read: list[ReadField] = field(default_factory=list)
    evaluations: ClassVar[int] = 1

    @classmethod
    def of_plan(cls, model: CondGradTTS, plan: Plan, one_comb: bool = True) -> ReadingDenoiser:
        """Both styles of a plan over its frames, P being its mask."""
        conditions = (model.condition(plan.frames, model.tokens(style, 1)) for style in (plan.style_a, plan.style_b))
        return cls(model, model.reader, *conditions, plan.mask, one_comb)

    @property
    def schedule(self) -> Schedule:
        return self.model.decoder.schedule

    @property
    def mass(self) -> dict[tuple[str, str], Tensor]:
        """The last field, as attention keeps it."""
        return {("reader", "pitch"): self.read[-1].mass} if self.read else {}

    def reading(self, x: Tensor, t: float) -> PitchReading:
        """Which pitch the latent x (1, n_mels, T) has at time t."""
        scaled, log_s = self.model.decoder.scaled(x, t, self.condition_a)
        # Out of autocast: small differences decide.
        with torch.autocast(x.device.type, enabled=False):
            return self.reader(scaled, log_s, self.condition_a.pictures.pitch, self.condition_b.pictures.pitch)

    def x0(self, x: Tensor, t: float) -> Tensor:
        reading = self.reading(x, t)
        by_frame = reading.by_frame(self.cells)
        if not torch.is_grad_enabled():
            self.read.append(ReadField(t, reading.mass, by_frame))
        condition, attention = self._blended(reading.mass, by_frame)
        return self.model.decoder.x0(x, t, condition, attention)

    def expected(self) -> Tensor:
        """As long as there is no latent to read, either pitch is as likely."""
        even = torch.full_like(self.cells, 0.5)
        return self._blended(even, even[:, 0])[0].expected()

    def _blended(self, mass: Tensor, by_frame: Tensor) -> tuple[Any, Any]:
        """The completed condition of a field and a's part of each frame, and the edit of the attention."""
        weight = mass if self.one_comb else mass * self.cells
        estimator = self.model.decoder.estimator
        condition, attention = estimator.blend(
            self.condition_a, self.condition_b, {"pitch": weight}, drawn_share=by_frame if self.one_comb else None
        )
        return estimator.completed(condition, attention), attention

    def score(self, x: Tensor, t: float) -> Tensor:
        from model.denoiser import score_from_x0

        return score_from_x0(self.schedule, self.x0(x, t), x, self.condition_a.mu, t) * self.condition_a.mask
