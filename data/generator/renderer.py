"""Kokoro's last network, style and features to a spectrum, in torch.

It is most of what an utterance costs. The packaged graph computes it in integers, with every activation quantised on
the way; here the same weights are used without that, in bfloat16 where the processor multiplies in it: 29 dB from the
audio in float32 instead of 16, in a fifth of the time.

Source: Li et al., "StyleTTS 2", 2023 (its iSTFTNet decoder); the snake is that of Ziyin et al., 2020. Parameter names
are the graph's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hifigan.convolution import Conv1d, ConvTranspose1d, channels_innermost

CHANNELS = 512  # of the features that come in
STYLE = 128
BINS = 22  # log magnitudes and phases of a spectrum of 20 samples
RATES = (10, 6)
KERNELS, DILATIONS = (3, 7, 11), (1, 3, 5)
SOURCE_KERNELS = (7, 11)  # of the blocks that the excitation goes through, of each stage
_END_KERNEL = 7
_SLOPE, _LAST_SLOPE = 0.1, 0.01


class StyledNorm(nn.Module):
    """Instance norm over time; scale and shift are linear in the style. (1, C, T), (1, STYLE) -> (1, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(STYLE, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.fc(style)[0].chunk(2)
        # Of a single item the batch's statistics are its own, and that kernel is the fast one.
        return functional.batch_norm(x.unsqueeze(2), None, None, 1 + scale, shift, training=True).squeeze(2)


class StyledBlock(nn.Module):
    """Residual pairs of convolutions, each after a styled norm and a snake. (1, C, T), (1, STYLE) -> (1, C, T)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        padding = kernel // 2
        self.convs1 = nn.ModuleList(
            Conv1d(channels, channels, kernel, dilation=dilation, padding=padding * dilation) for dilation in DILATIONS
        )
        self.convs2 = nn.ModuleList(Conv1d(channels, channels, kernel, padding=padding) for _ in DILATIONS)
        for name in ("adain1", "adain2"):
            setattr(self, name, nn.ModuleList(StyledNorm(channels) for _ in DILATIONS))
        for name in ("alpha1", "alpha2"):
            setattr(self, name, nn.ParameterList(torch.ones(1, channels, 1) for _ in DILATIONS))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        for i in range(len(DILATIONS)):
            inner = self.convs1[i](_snake(self.adain1[i](x, style), self.alpha1[i]))
            x = x + self.convs2[i](_snake(self.adain2[i](inner, style), self.alpha2[i]))
        return x


def _snake(x: Tensor, alpha: Tensor) -> Tensor:
    """x + sin(alpha x)^2 / alpha, in x's memory."""
    wave = (alpha * x).sin_()
    return x.addcmul_(wave.mul_(wave), 1 / alpha)


class Renderer(nn.Module):
    """What makes the spectrum of the audio; batches of one.

    `precision` moves it to a type; the norms' scales stay as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = [CHANNELS >> (i + 1) for i in range(len(RATES))]
        self.ups = nn.ModuleList(
            ConvTranspose1d(2 * width, width, 2 * rate, rate, padding=rate // 2)
            for width, rate in zip(channels, RATES, strict=True)
        )
        first, last = channels
        coarser = RATES[1]
        self.noise_convs = nn.ModuleList(
            [Conv1d(BINS, first, 2 * coarser, coarser, padding=coarser // 2), Conv1d(BINS, last, 1)]
        )
        self.noise_res = nn.ModuleList(
            StyledBlock(width, kernel) for width, kernel in zip(channels, SOURCE_KERNELS, strict=True)
        )
        self.resblocks = nn.ModuleList(StyledBlock(width, kernel) for width in channels for kernel in KERNELS)
        self.conv_post = Conv1d(last, BINS, _END_KERNEL, padding=_END_KERNEL // 2)

    def precision(self, dtype: torch.dtype) -> Renderer:
        for module in self.modules():
            if not isinstance(module, nn.Linear):  # these are the norms'
                for parameter in module.parameters(recurse=False):
                    parameter.data = parameter.data.to(dtype)
        return self

    def forward(self, features: Tensor, excitation: Tensor, style: Tensor) -> Tensor:
        """(1, CHANNELS, T), (1, BINS, 60 T + 1), (1, STYLE) -> (1, BINS, 60 T + 1) float32."""
        dtype = self.conv_post.weight.dtype
        x, source = (channels_innermost(given.to(dtype)) for given in (features, excitation))
        for i, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, _SLOPE))  # (1, C / 2, T * rate)
            if i == len(RATES) - 1:
                # reflected, to as many frames as the excitation has
                x = channels_innermost(torch.cat([x[:, :, 1:2], x], dim=2))
            x = x + self.noise_res[i](self.noise_convs[i](source), style)
            blocks = self.resblocks[i * len(KERNELS) : (i + 1) * len(KERNELS)]
            x = sum(block(x, style) for block in blocks) / len(KERNELS)
        return self.conv_post(functional.leaky_relu(x, _LAST_SLOPE)).float()
