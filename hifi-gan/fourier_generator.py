"""HiFi-GAN's generator in float32, its residual blocks' convolutions in the frequency domain, on x86 processors.

The numbers are those of `Generator` but for the rounding of float32. It takes a third of the time, since a convolution
of 11 taps becomes a fifth of the multiplications (`fourier_kernel.h`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from hifigan.configuration import VocoderConfig, resblock_radius, stages_are_even
from hifigan.convolution import channels_innermost
from hifigan.generator import LAST_SLOPE, SLOPE, Generator, ResBlock1

try:
    from hifigan import fourier
except ImportError:  # not built: torch's layers say the same
    fourier = None

STRETCH = 2**18  # values of one layer in a stretch of time, which is to stay in the processor's cache
_ALIGNED = 16  # values: a line of the cache


def fits(config: VocoderConfig) -> bool:
    """Whether this processor has the instructions, and the generator's sizes are such as are computed."""
    return (
        fourier is not None
        and fourier.AVAILABLE
        and len(config.resblock_kernel_sizes) <= fourier.MOST_BLOCKS
        and max(config.resblock_kernel_sizes) <= fourier.MOST_TAPS
        and stages_are_even(config, channels=fourier.CHANNELS, pairs=fourier.MOST_PAIRS)
    )


class _Rooms(threading.local):
    """Working space, that of the last call where it is large enough: new memory costs time. For one calling thread."""

    def __init__(self) -> None:
        self._kept = np.empty(0, np.float32)

    def rooms(self, threads: int, values: int) -> np.ndarray:
        """(threads, values or somewhat more)."""
        values = math.ceil(values / _ALIGNED) * _ALIGNED
        if self._kept.size < threads * values:
            self._kept = _aligned(threads * values)
        return self._kept[: threads * values].reshape(threads, values)


class FourierGenerator(nn.Module):
    """A `Vocoder`; of a `Generator` whose configuration `fits`. Its weights are transformed at the first call."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator, self.config, self.context = generator, generator.config, generator.context
        self._rooms = _Rooms()

    @cached_property
    def _stages(self) -> list[fourier.Stage]:
        config, count, stages = self.config, len(self.config.resblock_kernel_sizes), []
        for number, up in enumerate(self.generator.ups):
            blocks = _transformed(self.generator.resblocks[number * count : (number + 1) * count], up.out_channels)
            bias = up.bias.detach().numpy()
            stages.append(fourier.Stage(_phases(up), bias, blocks, halo=resblock_radius(config), slope=SLOPE))
        return stages

    def forward(self, mel: Tensor) -> Tensor:
        """(B, num_mels, T) natural-log mel -> (B, 1, T * hop_size) audio in [-1, 1], on `torch.get_num_threads()`."""
        with torch.autocast("cpu", enabled=False):
            first = self.generator.conv_pre(channels_innermost(mel)).transpose(1, 2).contiguous()  # (B, T, C)
            return torch.cat([self._one(item.numpy()) for item in first])

    def _one(self, x: np.ndarray) -> Tensor:
        """What the first convolution makes of a mel, (T, C) -> (1, 1, T * hop_size) audio."""
        threads = torch.get_num_threads()
        for stage in self._stages:
            rows = len(x) * stage.rate
            between, out = _aligned(2 * rows * stage.channels).reshape(2, rows, stage.channels)
            stretches = threads * max(1, round(out.size / (threads * STRETCH)))
            rooms = self._rooms.rooms(threads, stage.room(math.ceil(rows / stretches)))
            stage.run(x, between, out, stretches, rooms)
            x = out
        x = functional.leaky_relu_(torch.from_numpy(x), LAST_SLOPE)  # (T * hop_size, C / 2^stages)
        return torch.tanh(_to_samples(self.generator.conv_post, x))[None, None]


def _to_samples(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """The convolution to one channel, (T, C) -> (T,). What each tap makes of all rows is one small product."""
    (radius,) = conv.padding
    taps = functional.pad(conv.weight[0].T @ x.T, (radius, radius))  # (taps, T + 2 * radius)
    return sum(row[tap : tap + len(x)] for tap, row in enumerate(taps)) + conv.bias


def _transformed(blocks: Sequence[ResBlock1], channels: int) -> list[list[tuple[fourier.Convolution, ...]]]:
    """Of each block, its pairs of convolutions; their transformed weights are in one piece of memory."""
    convs = [conv for block in blocks for pair in zip(block.convs1, block.convs2, strict=True) for conv in pair]
    memory = _aligned(len(convs) * fourier.TRANSFORMED * channels**2).reshape(len(convs), -1)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        done = pool.map(_convolution, convs, memory)
        return [[(next(done), next(done)) for _ in block.convs1] for block in blocks]


def _convolution(conv: nn.Conv1d, memory: np.ndarray) -> fourier.Convolution:
    weight = rearrange(conv.weight.detach(), "o i k -> k i o").contiguous()
    return fourier.Convolution(weight.numpy(), conv.bias.detach().numpy(), conv.dilation[0], memory)


def _phases(up: nn.ConvTranspose1d) -> np.ndarray:
    """(rate, C_out / 16, 2 * C_in, 16): of each phase, the taps for the earlier and the later of its two input rows.

    Output q * rate + p reads input q by tap p + rate / 2, and one neighbour: input q - 1 by tap p + 3/2 rate where p is
    below rate / 2, input q + 1 by tap p - rate / 2 elsewhere.
    """
    rate, half = up.stride[0], up.stride[0] // 2
    own = up.weight.detach()[:, :, half : half + rate]  # (C_in, C_out, rate)
    before, after = up.weight.detach()[:, :, half + rate :], up.weight.detach()[:, :, :half]
    taps = torch.stack([torch.cat([before, own[:, :, half:]], 2), torch.cat([own[:, :, :half], after], 2)])
    return rearrange(taps, "two i (panel n) phase -> phase panel (two i) n", n=fourier.CHANNELS).contiguous().numpy()


def _aligned(values: int) -> np.ndarray:
    """New memory for so many, from the beginning of a line of the cache on; NumPy asks for large pages."""
    memory = np.empty(values + _ALIGNED, np.float32)
    begin = -(memory.ctypes.data // memory.itemsize) % _ALIGNED
    return memory[begin : begin + values]
