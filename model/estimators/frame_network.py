"""A 1-D network along the frames, before the U-Net: all mel bins of a frame are its channels.

A 2-D convolution says the same of every bin. What belongs to a place on the mel axis, formants above all, is cheaper to
learn where each bin has weights of its own. It sees no latent, so it runs once for an utterance, whatever the number of
evaluations, and what it expects has a loss of its own, which no noise disturbs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.lengths import masked
from model.style_attention import StyleAttention

_BLOCKS = 12
_BEFORE_ATTENTION = 3  # of the blocks
_DRAWN = 4  # pictures for the U-Net


@dataclass(frozen=True)
class Expectation:
    """mean (B, n_mels, T): of x_0 - mu, given text and style; drawn (B, drawn, n_mels, T): pictures for the U-Net."""

    mean: Tensor
    drawn: Tensor


class FrameNetwork(nn.Module):
    """Reads the pictures of the text and the style, and the style by an attention of its own."""

    def __init__(
        self, pictures: int, n_mels: int, channels: int, cell_channels: int, attention: StyleAttention
    ) -> None:
        """cell_channels: of the U-Net's finest level."""
        super().__init__()
        self.n_mels = n_mels
        self.inlet = nn.Conv1d(pictures * n_mels, channels, 5, padding=2)
        self.blocks = nn.ModuleList(_FrameBlock(channels) for _ in range(_BLOCKS))
        self.attention = attention
        self.norm = nn.LayerNorm(channels)
        self.to_mean = nn.Linear(channels, n_mels)
        self.to_pictures = nn.Linear(channels, _DRAWN * n_mels)
        self.to_cells = nn.Conv2d(1 + _DRAWN, cell_channels, 3, padding=1, bias=False)
        for parameter in (self.to_cells.weight, self.to_mean.weight, self.to_mean.bias):
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor, mask: Tensor | None, attend: Callable[[Tensor], Tensor]) -> Expectation:
        """images (B, P, n_mels, T), zero outside the mask (B, 1, T); None: every frame is valid.

        attend: the style's attention, (B, C, 1, T) to the same.
        """
        hidden = self.inlet(images.flatten(1, 2)).transpose(1, 2).contiguous()  # (B, T, C)
        for number, block in enumerate(self.blocks):
            if number == _BEFORE_ATTENTION:
                hidden = attend(hidden.transpose(1, 2)[:, :, None])[:, :, 0].transpose(1, 2)
            hidden = block(hidden, mask)
        hidden = F.silu(self.norm(hidden))
        drawn = self.to_pictures(hidden).transpose(1, 2).unflatten(1, (_DRAWN, self.n_mels))  # (B, drawn, n_mels, T)
        return Expectation(
            mean=masked(self.to_mean(hidden).transpose(1, 2), mask),
            drawn=masked(drawn, None if mask is None else mask[:, None]),
        )

    def cells(self, expected: Expectation) -> Tensor:
        """What is added to the U-Net's first cells, (B, cell_channels, n_mels, T)."""
        pictures = torch.cat([expected.mean[:, None], expected.drawn], 1)
        return self.to_cells(pictures.contiguous(memory_format=torch.channels_last))


class _FrameBlock(nn.Module):
    """Residual: a depthwise convolution, then two layers at each frame (ConvNeXt, Liu et al., 2022)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 2 * channels)
        self.back = nn.Linear(2 * channels, channels)
        for parameter in self.back.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, T, C), mask (B, 1, T) or None where every frame is valid -> (B, T, C)."""
        hidden = self.along(masked(x.transpose(1, 2), mask)).transpose(1, 2)
        return x + self.back(F.gelu(self.wide(self.norm(hidden))))
