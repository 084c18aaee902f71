"""Two latents from the same noise, one under each pitch, joined in the data prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.denoiser import Denoiser, score_from_x0
from model.interpolation.envelope import exchange_fine_structure
from model.schedule import Schedule


@dataclass(frozen=True)
class TwoNoiseDenoiser:
    """Latents (2, n_mels, T), a's and b's; both get the joint prediction, so both end on it.

    a, b: denoisers of one item each. mu (2, n_mels, T). mask P (1, n_mels, T). smoothing: `smoothing_matrix`, or None
    for the raw blend P x0_a + (1 - P) x0_b. mel_mean, mel_std (n_mels, 1): envelopes are those of real log-mels.
    """

    a: Denoiser
    b: Denoiser
    mu: Tensor
    mask: Tensor
    smoothing: Tensor | None
    mel_mean: Tensor
    mel_std: Tensor

    @property
    def schedule(self) -> Schedule:
        return self.a.schedule

    def x0(self, x: Tensor, t: float) -> Tensor:
        x0_a, x0_b = self.a.x0(x[:1], t), self.b.x0(x[1:], t)  # (1, n_mels, T) each
        if self.smoothing is None:
            joint = self.mask * x0_a + (1 - self.mask) * x0_b
        else:
            mel_a, mel_b = (x0 * self.mel_std + self.mel_mean for x0 in (x0_a, x0_b))
            joint = exchange_fine_structure(mel_a, mel_b, self.mask, self.smoothing)
            joint = (joint - self.mel_mean) / self.mel_std
        return torch.cat([joint, joint])  # (2, n_mels, T)

    def score(self, x: Tensor, t: float) -> Tensor:
        return score_from_x0(self.schedule, self.x0(x, t), x, self.mu, t)
