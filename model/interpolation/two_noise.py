"""One latent read under each pitch, joined in the data prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.interpolation.kind import option
from model.interpolation.pitch_transfer import PitchTransfer

if TYPE_CHECKING:
    from model.denoiser import Denoiser
    from model.interpolation.plan import Plan
    from model.sampling import Tune
    from model.text_to_mel import TextToMel


@dataclass(frozen=True)
class TwoNoise(PitchTransfer):
    """Two predictions at every evaluation, one under each pitch, of which one is made."""

    join: str = option(
        "envelope", "envelope: a's fine structure on b's envelope; raw: each prediction as it is",
        choices=("envelope", "raw"),
    )  # fmt: skip

    def denoiser(self, model: TextToMel, plan: Plan) -> tuple[Denoiser, Tune | None]:
        import torch

        from model.interpolation.joined import JoinedDenoiser, smoothing_matrix
        from model.mel_filters import mel_corners
        from model.style import Style

        frames = plan.frames
        row_hz = torch.from_numpy(mel_corners(model.params.audio)[1:-1])  # (n_mels,)
        style_a, style_b = (model.tokens(style, 1) for style in (plan.style_a, plan.style_b))
        with_pitch_of_a = Style({**style_b.types, "pitch": style_a.types["pitch"]})
        joined = JoinedDenoiser(
            model.denoiser(frames, with_pitch_of_a),
            model.denoiser(frames, style_b),
            mu=frames.mu,
            mask=plan.mask,
            smoothing=smoothing_matrix(row_hz.to(frames.mu)) if self.join == "envelope" else None,
            mel_mean=model.mel_mean,
            mel_std=model.mel_std,
        )
        return joined, None
