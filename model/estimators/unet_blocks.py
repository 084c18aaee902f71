"""Blocks of the official 2-D U-Net. Attribute names are those of its state dict."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

GROUPS = 8  # of every group normalisation


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """x * mask in the precision of x: under autocast a float32 mask would turn everything after it to float32."""
    return x * mask.to(x.dtype)


class TimeEmbedding(nn.Module):
    """[sin | cos] of a time at geometrically spaced frequencies from 1 down to 1/10000, (B,) to (B, channels)."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.channels = channels
        self.scale = scale

    def forward(self, t: Tensor) -> Tensor:
        half = self.channels // 2
        exponent = torch.arange(half, device=t.device, dtype=t.dtype) * -(math.log(10000) / (half - 1))
        angle = self.scale * t[:, None] * exponent.exp()  # (B, channels / 2)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Block(nn.Module):
    """Convolution, group norm, Mish; masked before and after. The norm's statistics include padded frames."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.GroupNorm(GROUPS, channels_out), nn.Mish()
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return masked(self.block(masked(x, mask)), mask)


class ResnetBlock(nn.Module):
    """Two blocks with the time added between them, and a residual. x (B, C, F, T), mask (B, 1, 1, T), time (B, E)."""

    def __init__(self, channels_in: int, channels_out: int, time_channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(time_channels, channels_out))
        self.block1 = Block(channels_in, channels_out)
        self.block2 = Block(channels_out, channels_out)
        same = channels_in == channels_out
        self.res_conv = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, mask: Tensor, time: Tensor) -> Tensor:
        hidden = self.block1(x, mask) + self.mlp(time)[:, :, None, None]
        return self.block2(hidden, mask) + self.res_conv(masked(x, mask))


class LinearAttention(nn.Module):
    """Attention with cost linear in the number of cells (Shen et al., arXiv 1812.01243).

    Keys are normalised over all cells, padded ones included; queries are neither normalised nor scaled.
    """

    def __init__(self, channels: int, heads: int = 4, head_channels: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Conv2d(channels, 3 * heads * head_channels, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        qkv = self.to_qkv(x).view(batch, 3, self.heads, -1, height * width)
        query, key, value = qkv.unbind(1)  # (B, heads, C, F * T) each
        context = key.softmax(-1) @ value.transpose(-1, -2)  # (B, heads, C_key, C_value)
        out = context.transpose(-1, -2) @ query  # (B, heads, C_value, F * T)
        return self.to_out(out.reshape(batch, -1, height, width))


class Rezero(nn.Module):
    """A function times a learned gate that starts at 0 (Bachlechner et al., arXiv 2003.04887)."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.g = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(x) * self.g


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(x) + x


def gated_attention(channels: int) -> nn.Module:
    """The attention that closes every level."""
    return Residual(Rezero(LinearAttention(channels)))


class Downsample(nn.Module):
    """Halves both axes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Doubles both axes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
