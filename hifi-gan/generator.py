"""The generator: transposed convolutions up to the sample rate, each followed by residual blocks of several widths.

Source: Kong, Kim, Bae, "HiFi-GAN", 2020, section 2.2 and appendix A. Parameter names are those of the published
checkpoints with the weight norm folded in.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from hifigan.configuration import END_KERNEL, VocoderConfig, context_frames
from hifigan.convolution import Conv1d, ConvTranspose1d, channels_innermost

SLOPE = 0.1  # of the leaky ReLUs, except the last
LAST_SLOPE = 0.01  # the published weights were trained with it

leaky = partial(functional.leaky_relu, negative_slope=SLOPE)


def _same(channels: int, kernel: int, dilation: int) -> Conv1d:
    conv = Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) // 2 * dilation)
    nn.init.normal_(conv.weight, 0.0, 0.01)
    return conv


class ResBlock1(nn.Module):
    """Residual pairs: a dilated convolution and a plain one. (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_same(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(leaky(dilated(leaky(x))))
        return x


class ResBlock2(nn.Module):
    """Residual dilated convolutions. (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_same(channels, kernel, dilation) for dilation in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = x + conv(leaky(x))
        return x


RESBLOCKS = {"1": ResBlock1, "2": ResBlock2}


def stage(up: nn.Module, blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """(B, C, T) -> (B, C / 2, T * rate): a transposed convolution, then the mean of residual blocks."""
    x = up(leaky(x))
    total = blocks[0](x)
    for block in blocks[1:]:
        total = total + block(x)
    return total / len(blocks)


class Generator(nn.Module):
    """HiFi-GAN's generator, with plain weights (see `hifigan.checkpoint` for training)."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        resblock = RESBLOCKS[config.resblock]
        channels = config.upsample_initial_channel
        self.conv_pre = Conv1d(config.num_mels, channels, END_KERNEL, padding=END_KERNEL // 2)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()  # those of the first stage, then those of the second, ...
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            up = ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            nn.init.normal_(up.weight, 0.0, 0.01)
            self.ups.append(up)
            channels //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(resblock(channels, size, dilations))
        self.context = context_frames(config)
        self.conv_post = Conv1d(channels, 1, END_KERNEL, padding=END_KERNEL // 2)
        nn.init.normal_(self.conv_post.weight, 0.0, 0.01)

    def front(self, mel: Tensor) -> Tensor:
        """The first convolution and stage: (B, num_mels, T) natural-log mel -> (B, C / 2, T * upsample_rates[0])."""
        return self._stage(0, self.conv_pre(channels_innermost(mel)))

    def rest(self, features: Tensor) -> Tensor:
        """What follows: features of the first stage -> (B, 1, T * hop_size) audio in [-1, 1]."""
        x = features
        for number in range(1, len(self.ups)):
            x = self._stage(number, x)
        x = self.conv_post(functional.leaky_relu(x, LAST_SLOPE))  # (B, 1, T * hop)
        return torch.tanh(x)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, num_mels, T) natural-log mel -> (B, 1, T * hop_size) audio in [-1, 1]."""
        return self.rest(self.front(mel))

    def _stage(self, number: int, x: Tensor) -> Tensor:
        width = len(self.config.resblock_kernel_sizes)
        return stage(self.ups[number], self.resblocks[number * width : (number + 1) * width], x)
