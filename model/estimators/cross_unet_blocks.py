"""Blocks of `cross_unet`. All are exact under padding: norms see one cell, convolutions see zeros past the end."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CellNorm(nn.Module):
    """Layer norm over the channels of each cell: independent of the utterance's length, padding and neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # channels last inside


class ResidualBlock(nn.Module):
    """Two convolutions with a residual; the noise level scales and shifts the second norm.

    x (B, C, F, T), embedding (B, E), mask (B, 1, 1, T) or None where every frame is valid -> (B, C, F, T).
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = CellNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * channels)
        self.norm2 = CellNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor, mask: Tensor | None) -> Tensor:
        hidden = self.conv1(masked(F.silu(self.norm1(x)), mask))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, 1)  # (B, C, 1, 1)
        hidden = self.norm2(hidden) * (1 + scale) + shift
        return x + self.conv2(masked(F.silu(hidden), mask))


class LinearAttention(nn.Module):
    """Attention over all valid cells, with cost linear in their number (Shen et al., arXiv 1812.01243)."""

    def __init__(self, channels: int, heads: int, head_channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = CellNorm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * heads * head_channels, 1)
        self.project = nn.Conv2d(heads * head_channels, channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        batch, _, rows, frames = x.shape
        query, key, value = self.to_qkv(self.norm(x)).view(batch, 3, self.heads, -1, rows * frames).unbind(1)
        key = key.to(torch.promote_types(key.dtype, torch.float32))  # (B, h, d, F * T)
        if mask is not None:
            cells = mask.expand(-1, 1, rows, -1).reshape(batch, 1, 1, rows * frames)
            key = key.masked_fill(cells == 0, -1e4)
        context = key.softmax(-1).to(value.dtype) @ value.transpose(-1, -2)  # (B, h, d_key, d_value)
        out = context.transpose(-1, -2) @ query.softmax(2)  # (B, h, d_value, F * T)
        return x + self.project(out.reshape(batch, -1, rows, frames))


class Downsample(nn.Module):
    """Halves both axes."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels_out, 3, stride=2, padding=1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.conv(masked(x, mask))


class Upsample(nn.Module):
    """Doubles both axes."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels_out, 4, stride=2, padding=1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.conv(masked(x, mask))


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """x * mask, or x itself where every frame is valid."""
    return x if mask is None else x * mask.to(x.dtype)
