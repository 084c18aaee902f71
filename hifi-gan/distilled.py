"""A vocoder that was taught another's waveform: its first stage, and a cheaper network in the place of the others.

HiFi-GAN's first convolution and stage decide, at 1/32 of the sample rate, what will be heard; five sixths of the time
go into making samples of it. Here residual convolutions stay at that rate, and a last one gives 32 samples a frame.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from common.errors import InputError
from data.checkpoint_file import read_checkpoint
from hifigan.checkpoint import tensors_of
from hifigan.configuration import context_frames
from hifigan.convolution import Conv1d, channels_innermost
from hifigan.generator import Generator, leaky, stage

FORMAT = "distilled vocoder"
KERNEL = 3
DILATIONS = (1, 2, 4)  # of the blocks, in turn
WIDEST, DEEPEST = 4096, 256  # channels and blocks that a file may ask for


class Block(nn.Module):
    """A dilated convolution over time and one over channels, added to what came in. (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.over_time = Conv1d(channels, channels, KERNEL, padding=dilation, dilation=dilation)
        self.over_channels = Conv1d(channels, channels, 1)
        nn.init.kaiming_normal_(self.over_time.weight, a=0.1)
        nn.init.normal_(self.over_channels.weight, 0.0, 0.02)
        nn.init.zeros_(self.over_time.bias)
        nn.init.zeros_(self.over_channels.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.over_channels(leaky(self.over_time(leaky(x))))


class Rest(nn.Module):
    """Features of the first stage -> audio: (B, features, T) -> (B, 1, T * samples)."""

    def __init__(self, features: int, samples: int, channels: int = 256, blocks: int = 12) -> None:
        super().__init__()
        self.first = Conv1d(features, channels, 1)
        self.blocks = nn.ModuleList(Block(channels, DILATIONS[i % len(DILATIONS)]) for i in range(blocks))
        self.last = Conv1d(channels, samples, KERNEL, padding=KERNEL // 2)
        nn.init.normal_(self.last.weight, 0.0, 0.002)

    @property
    def radius(self) -> int:
        """Features to either side that the samples of one depend on."""
        return KERNEL // 2 + sum(KERNEL // 2 * block.over_time.dilation[0] for block in self.blocks)

    def forward(self, features: Tensor) -> Tensor:
        x = self.first(features)  # (B, C, T)
        for block in self.blocks:
            x = block(x)
        x = self.last(leaky(x))  # (B, samples, T)
        return torch.tanh(x.transpose(1, 2).flatten(1).unsqueeze(1))  # (B, 1, T * samples)


class Distilled(nn.Module):
    """A `Vocoder`: the teacher's front, shared with it, and a `Rest`."""

    def __init__(self, teacher: Generator, rest: Rest) -> None:
        super().__init__()
        self.config = teacher.config
        self.conv_pre = teacher.conv_pre
        self.up = teacher.ups[0]
        self.resblocks = teacher.resblocks[: len(teacher.config.resblock_kernel_sizes)]
        self.rest = rest
        self.context = context_frames(teacher.config, stages=1, radius=rest.radius)

    def forward(self, mel: Tensor) -> Tensor:
        """(B, num_mels, T) natural-log mel -> (B, 1, T * hop_size) audio in [-1, 1]."""
        return self.rest(stage(self.up, self.resblocks, self.conv_pre(channels_innermost(mel))))


def new_rest(teacher: Generator, channels: int = 256, blocks: int = 12) -> Rest:
    """An untaught network that fits a teacher."""
    config = teacher.config
    return Rest(config.upsample_initial_channel // 2, config.hop_size // config.upsample_rates[0], channels, blocks)


def file_content(rest: Rest) -> dict[str, Any]:
    """What a file of it holds, in float16; the front comes from the teacher's own file."""
    weights = {name: tensor.detach().half().clone() for name, tensor in rest.state_dict().items()}
    return {"format": FORMAT, "channels": rest.first.out_channels, "blocks": len(rest.blocks), "rest": weights}


def read_distilled(path: str | os.PathLike, teacher: Generator) -> Distilled:
    """The vocoder of a file in evaluation mode; teacher: the one that it was taught by.

    Raises:
        InputError: the file is damaged, no such file, or was taught by a vocoder of other sizes.
    """
    payload = read_checkpoint(path, "vocoder")
    state = tensors_of(payload, "rest", path)
    sizes = payload.get("channels"), payload.get("blocks")
    if not all(isinstance(size, int) and 0 < size <= most for size, most in zip(sizes, (WIDEST, DEEPEST), strict=True)):
        raise InputError(f"{path} names no usable size of a distilled vocoder; give another file")
    with torch.device("meta"):
        rest = new_rest(teacher, *sizes)
    wanted = {name: tensor.shape for name, tensor in rest.state_dict().items()}
    if wanted != {name: tensor.shape for name, tensor in state.items()}:
        raise InputError(f"{path} does not fit the vocoder that it was taught by; give another file")
    rest.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    return Distilled(teacher, rest).eval()
