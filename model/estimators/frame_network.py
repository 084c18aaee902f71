"""A 1-D network along the frames, beside the U-Net: all mel bins of a frame are its channels.

A 2-D convolution says the same of every bin. What belongs to a place on the mel axis, formants above all, is cheaper to
learn where each bin has weights of its own, and costs a tenth of the U-Net.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.lengths import masked
from model.style_attention import StyleAttention

_BLOCKS = 4
_DRAWN = 4  # pictures for the U-Net


class FrameNetwork(nn.Module):
    """Reads all pictures of the decoder, and the style by an attention of its own; says part of the output itself, and
    draws further pictures for the U-Net. Until it has learned something it adds nothing.
    """

    def __init__(
        self, pictures: int, n_mels: int, channels: int, cell_channels: int, embedding: int, attention: StyleAttention
    ) -> None:
        """cell_channels: of the U-Net's finest level; embedding: width of the noise level's."""
        super().__init__()
        self.n_mels = n_mels
        self.inlet = nn.Conv1d(pictures * n_mels, channels, 5, padding=2)
        self.blocks = nn.ModuleList(_FrameBlock(channels, embedding) for _ in range(_BLOCKS))
        self.attention = attention
        self.norm = nn.LayerNorm(channels)
        self.to_pictures = nn.Linear(channels, _DRAWN * n_mels)
        self.to_cells = nn.Conv2d(_DRAWN, cell_channels, 3, padding=1, bias=False)
        self.to_output = nn.Linear(channels, n_mels)
        for parameter in (self.to_cells.weight, self.to_output.weight, self.to_output.bias):
            nn.init.zeros_(parameter)

    def forward(
        self, images: Tensor, embedding: Tensor, mask: Tensor | None, attend: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Pictures (B, drawn, n_mels, T) for `first_cells`, and what is added to the output, (B, n_mels, T).

        images (B, P, n_mels, T), zero outside the mask (B, 1, 1, T); embedding (B, E); attend: the style's attention,
        (B, C, 1, T) to the same.
        """
        hidden = self.inlet(images.flatten(1, 2)).transpose(1, 2).contiguous()  # (B, T, C)
        for number, block in enumerate(self.blocks):
            if number == _BLOCKS // 2:
                hidden = attend(hidden.transpose(1, 2)[:, :, None])[:, :, 0].transpose(1, 2)
            hidden = block(hidden, embedding, None if mask is None else mask[:, 0])
        hidden = F.silu(self.norm(hidden))
        pictures = self.to_pictures(hidden).transpose(1, 2).unflatten(1, (_DRAWN, self.n_mels))  # (B, drawn, n_mels, T)
        return masked(pictures, mask), self.to_output(hidden).transpose(1, 2)

    def first_cells(self, conv: nn.Conv2d, images: Tensor, pictures: Tensor) -> Tensor:
        """The U-Net's first convolution, over both: conv(images) + to_cells(pictures), at once, which is faster."""
        both = torch.cat([images, pictures.to(images.dtype)], 1).contiguous(memory_format=torch.channels_last)
        weight = torch.cat([conv.weight, self.to_cells.weight], 1)
        return F.conv2d(both, weight, conv.bias, padding=conv.padding)


class _FrameBlock(nn.Module):
    """Residual: a depthwise convolution, then two layers at each frame (ConvNeXt, Liu et al., 2022); the noise level
    scales and shifts what they read.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.modulation = nn.Linear(embedding, 2 * channels)
        self.wide = nn.Linear(channels, 2 * channels)
        self.back = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor, embedding: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, T, C), embedding (B, E), mask (B, 1, T) or None where every frame is valid -> (B, T, C)."""
        hidden = self.norm(self.along(masked(x.transpose(1, 2), mask)).transpose(1, 2))
        scale, shift = self.modulation(embedding)[:, None].chunk(2, 2)  # (B, 1, C)
        return x + self.back(F.gelu(self.wide(torch.addcmul(shift, hidden, 1 + scale))))
