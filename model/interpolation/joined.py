"""Two data predictions joined into one: the envelope of one, the fine structure of the other inside a mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from model.denoiser import Denoiser, score_from_x0
from model.schedule import Schedule

WIDTH_HZ = 300.0  # wider than the harmonic spacing of most voices


@dataclass(frozen=True)
class JoinedDenoiser:
    """Both read the same latent, which continues with the joint prediction.

    a, b: denoisers. mu (1, n_mels, T). mask P (1, n_mels, T). smoothing: `smoothing_matrix`, or None for the raw blend
    P x0_a + (1 - P) x0_b. mel_mean, mel_std (n_mels, 1): envelopes are those of real log-mels.
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

    @property
    def evaluations(self) -> int:
        return self.a.evaluations + self.b.evaluations

    def x0(self, x: Tensor, t: float) -> Tensor:
        return self._joint(self.a.x0(x, t), self.b.x0(x, t))

    def expected(self) -> Tensor:
        return self._joint(self.a.expected(), self.b.expected())

    def _joint(self, x0_a: Tensor, x0_b: Tensor) -> Tensor:
        """Of both (1, n_mels, T)."""
        if self.smoothing is None:
            return self.mask * x0_a + (1 - self.mask) * x0_b
        with torch.autocast(x0_a.device.type, enabled=False):  # else what is smoothed is rounded to bfloat16
            mel_a, mel_b = (x0.to(self.mu) * self.mel_std + self.mel_mean for x0 in (x0_a, x0_b))
            joint = exchange_fine_structure(mel_a, mel_b, self.mask, self.smoothing)
            return (joint - self.mel_mean) / self.mel_std

    def score(self, x: Tensor, t: float) -> Tensor:
        return score_from_x0(self.schedule, self.x0(x, t), x, self.mu, t)


def smoothing_matrix(row_hz: Tensor) -> Tensor:
    """(n_mels, n_mels), rows summing to 1: a Gaussian over `WIDTH_HZ`, and over at least two rows to each side."""
    spacing = torch.gradient(row_hz)[0]  # Hz a row
    sigma = torch.maximum(torch.full_like(row_hz, WIDTH_HZ / 2), 2 * spacing)  # (n_mels,)
    weights = torch.exp(-0.5 * ((row_hz[None] - row_hz[:, None]) / sigma[:, None]) ** 2)
    return weights / weights.sum(1, keepdim=True)


def envelope(mel: Tensor, smoothing: Tensor) -> Tensor:
    """mel (B, n_mels, T) smoothed over its rows."""
    return F.linear(mel.transpose(1, 2), smoothing.to(mel)).transpose(1, 2)


def exchange_fine_structure(x0_a: Tensor, x0_b: Tensor, mask: Tensor, smoothing: Tensor) -> Tensor:
    """b's envelope with a's fine structure inside the mask and b's outside.

    D = env(x0_b) + P (x0_a - env(x0_a)) + (1 - P) (x0_b - env(x0_b)); mask P (1 or B, n_mels, T).
    """
    envelope_a, envelope_b = envelope(x0_a, smoothing), envelope(x0_b, smoothing)
    return envelope_b + mask * (x0_a - envelope_a) + (1 - mask) * (x0_b - envelope_b)
