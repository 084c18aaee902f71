"""Spectral envelope and fine structure of a mel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WIDTH_HZ = 300.0  # wider than the harmonic spacing of most voices


def smoothing_matrix(row_hz: Tensor, width_hz: float = WIDTH_HZ) -> Tensor:
    """(n_mels, n_mels), rows summing to 1: a Gaussian over Hz, and over at least two rows to each side."""
    spacing = torch.gradient(row_hz)[0]  # Hz a row
    sigma = torch.maximum(torch.full_like(row_hz, width_hz / 2), 2 * spacing)  # (n_mels,)
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
