"""HiFi-GAN's generator as the matrix unit of newer x86 server processors (AMX) computes it, in bfloat16.

The numbers are those of `Generator` under bfloat16 autocast but for where they are rounded: weights and what one layer
hands to the next are, sums are not. It takes a third of the time or less, since the layers of a stage follow each other
on a stretch of time that stays in the processor's cache, and nothing but what the next layer reads is written out.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from hifigan.configuration import END_KERNEL, VocoderConfig, resblock_radius, stages_are_even
from hifigan.generator import LAST_SLOPE, SLOPE, Generator

try:
    from hifigan import amx
except ImportError:  # not built: torch's layers say the same
    amx = None

STEP = 32  # channels, and rows of time, that are computed at once
STRETCH = 2**18  # values of one layer in a stretch of time
MARGIN = 2 * STEP  # rows of zeros around what a layer reads
KEPT = 2**22  # values at most of an array that is kept for the next call: new memory costs time


def fits(config: VocoderConfig) -> bool:
    """Whether this processor has the unit, and the generator's sizes are such as it computes."""
    return (
        amx is not None
        and amx.AVAILABLE
        and len(config.resblock_kernel_sizes) == amx.STAGE_BLOCKS
        and stages_are_even(config, channels=STEP, pairs=amx.MOST_PAIRS)
    )


class _Memory(threading.local):
    """Arrays of bfloat16's bits by name, those of the last call where they are large enough; for one thread."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, values: int) -> np.ndarray:
        kept = self._kept.get(name)
        if kept is None or len(kept) < values:
            kept = np.empty(values, np.uint16)
            if values <= KEPT:
                self._kept[name] = kept
        return kept[:values]

    def rows(self, name: str, count: int, channels: int) -> np.ndarray:
        """(rows, channels) to write `count` of, from `MARGIN` on, between rows of zeros."""
        rows = self.array(name, (count + 2 * MARGIN) * channels).reshape(-1, channels)
        rows[:MARGIN] = rows[MARGIN + count :] = 0
        return rows


class AmxGenerator(nn.Module):
    """A `Vocoder`; of a `Generator` whose configuration `fits`, with a copy of its weights."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.config = config = generator.config
        self.context = generator.context
        self._memory = _Memory()
        blocks = len(config.resblock_kernel_sizes)
        self._first = _packed(generator.conv_pre.weight, generator.conv_pre.bias, -(END_KERNEL // 2))
        self._last = _packed(generator.conv_post.weight, generator.conv_post.bias, -(END_KERNEL // 2))
        self._stages = []
        for number, up in enumerate(generator.ups):
            lower, upper = _halves(up)
            residual = [
                [(_same(inner), _same(outer)) for inner, outer in zip(block.convs1, block.convs2, strict=True)]
                for block in generator.resblocks[number * blocks : (number + 1) * blocks]
            ]
            rate = up.stride[0]
            stage = amx.Stage(
                lower,
                upper,
                residual,
                rate=rate,
                channels=up.out_channels,
                halo=math.ceil(resblock_radius(config) / rate) * rate,
                margin=_reach(config),
                slope=SLOPE,
                last_slope=SLOPE if up is not generator.ups[-1] else LAST_SLOPE,
            )
            self._stages.append((stage, rate, up.out_channels))

    def forward(self, mel: Tensor) -> Tensor:
        """(B, num_mels, T) natural-log mel -> (B, 1, T * hop_size) audio in [-1, 1], on `torch.get_num_threads()`."""
        threads = torch.get_num_threads()
        stretches = self._stretches(mel.shape[2], threads)
        longest = max(stage.room(_longest(ends)) for (stage, _, _), ends in zip(self._stages, stretches, strict=True))
        rooms = [self._memory.array(f"room {thread}", longest) for thread in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            audio = [self._one(item, stretches, rooms, pool) for item in mel]
        return torch.tanh(torch.stack(audio)).unsqueeze(1)

    def _stretches(self, frames: int, threads: int) -> list[list[int]]:
        """Of each stage, where stretches of its output rows end: about equally long, and as many for each thread."""
        stretches, total = [], frames
        for _, rate, channels in self._stages:
            count = threads * math.ceil(total * rate * channels / (threads * STRETCH))
            stretches.append([rate * round(total * part / count) for part in range(count + 1)])
            total *= rate
        return stretches

    def _one(self, mel: Tensor, stretches: list[list[int]], rooms: list[np.ndarray], pool: Executor) -> Tensor:
        """(num_mels, T) -> (T * hop_size,), before its tanh."""
        bins, total = mel.shape
        given = torch.zeros(total + 2 * MARGIN, math.ceil(bins / STEP) * STEP, dtype=torch.bfloat16)
        given[MARGIN : MARGIN + total, :bins] = mel.T
        rows = self._memory.rows("first", total, self.config.upsample_initial_channel)
        self._first.active(_bits(given), MARGIN, MARGIN + total, rows, SLOPE)
        for number, ((stage, rate, channels), ends) in enumerate(zip(self._stages, stretches, strict=True)):
            before, total = rows, total * rate
            rows = self._memory.rows(f"stage {number}", total, channels)
            shares = [list(pairwise(ends))[thread :: len(rooms)] for thread in range(len(rooms))]
            list(pool.map(partial(_run, stage, before, rows, total), shares, rooms))
        audio = np.empty(total + 2 * MARGIN, np.float32)
        self._last.first_channel(rows, MARGIN, MARGIN + total, audio)
        return torch.from_numpy(audio[MARGIN : MARGIN + total])


def _run(
    stage: amx.Stage, before: np.ndarray, rows: np.ndarray, total: int, share: list[tuple[int, int]], room: np.ndarray
) -> None:
    """One thread's stretches of a stage's `total` output rows, into `rows`."""
    for begin, end in share:
        if begin < end:
            stage.run(before, MARGIN, rows, MARGIN, total, begin, end, room)


def _longest(ends: list[int]) -> int:
    return max(end - begin for begin, end in pairwise(ends))


def _reach(config: VocoderConfig) -> int:
    """Rows to either side that one convolution of a residual block reads."""
    return max(
        kernel // 2 * max(dilations)
        for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    )


def _bits(x: Tensor) -> np.ndarray:
    """Rounded to bfloat16, as its bits."""
    return x.detach().to(torch.bfloat16).contiguous().view(torch.int16).numpy().view(np.uint16)


def _packed(weight: Tensor, bias: Tensor, first: int, dilation: int = 1) -> amx.Convolution:
    """weight: (C_out, C_in, K); zeros are put beside channels that are no multiple of `STEP`."""
    wanted, given, taps = weight.shape
    outputs, inputs = (math.ceil(count / STEP) * STEP for count in (wanted, given))
    full = torch.zeros(outputs, inputs, taps)
    full[:wanted, :given] = weight
    bias = functional.pad(bias.detach().float(), (0, outputs - wanted))
    packed = rearrange(
        full, "(block half n) (part pair two) k -> block k part (half pair n two)", half=2, n=16, pair=16, two=2
    )
    return amx.Convolution(_bits(packed), bias.numpy(), first, dilation)


def _same(conv: nn.Conv1d) -> amx.Convolution:
    dilation = conv.dilation[0]
    return _packed(conv.weight, conv.bias, -(conv.kernel_size[0] // 2 * dilation), dilation)


def _halves(up: nn.ConvTranspose1d) -> tuple[amx.Convolution, amx.Convolution]:
    """A transposed convolution as two plain ones, whose outputs are the phases of an input row, one after the other.

    Output q * rate + p reads input q by tap p + rate / 2, and one neighbour: input q - 1 by tap p + 3/2 rate where p is
    below rate / 2, input q + 1 by tap p - rate / 2 elsewhere.
    """
    rate, half = up.stride[0], up.stride[0] // 2
    lower = torch.stack([up.weight[:, :, rate + half :], up.weight[:, :, half:rate]], -1)  # (C_in, C_out, rate / 2, 2)
    upper = torch.stack([up.weight[:, :, rate : rate + half], up.weight[:, :, :half]], -1)
    bias = up.bias.repeat(half)
    return tuple(
        _packed(rearrange(taps, "i o phase k -> (phase o) i k"), bias, first)
        for taps, first in ((lower, -1), (upper, 0))
    )
