"""Who speaks, as one vector: from a recording's mel, whatever its loudness, its words and its melody."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.lengths import sequence_mask

_QUIET = 4.0  # natural log below an item's loudest frame: quieter ones say little of its level
_FLOOR = 6.0  # natural log below the mean of the loud frames


class VoiceEncoder(nn.Module):
    """Convolutions over a mel, then the mean and the deviation of what attention finds telling, as one unit vector.

    After ECAPA-TDNN's attentive statistics pooling (Desplanques et al., 2020), at a fiftieth of its size. The gain of
    the recording is taken out first, exactly.
    """

    def __init__(self, n_mels: int, channels: int, width: int = 128, blocks: int = 4) -> None:
        """channels: of the voice vector."""
        super().__init__()
        self.inlet = nn.Conv1d(n_mels, width, 5, padding=2)
        self.blocks = nn.ModuleList(_Block(width, dilation=1 + 2 * (number % 3)) for number in range(blocks))
        self.telling = nn.Sequential(nn.Conv1d(width, width // 2, 1), nn.Tanh(), nn.Conv1d(width // 2, width, 1))
        self.outlet = nn.Linear(2 * width, channels)

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """mel (B, n_mels, R), natural log; lengths (B,) -> (B, channels), each of length 1."""
        mask = sequence_mask(lengths, mel.shape[2], mel.dtype)  # (B, 1, R)
        hidden = self.inlet(0.5 * without_gain(mel, mask)) * mask  # (B, W, R)
        for block in self.blocks:
            hidden = block(hidden, mask)
        weight = self.telling(hidden).masked_fill(mask == 0, -torch.inf).softmax(2)  # (B, W, R)
        mean = (weight * hidden).sum(2)  # (B, W)
        deviation = ((weight * hidden.square()).sum(2) - mean.square()).clamp(min=1e-6).sqrt()
        return F.normalize(self.outlet(torch.cat([mean, deviation], 1)), dim=1)


class _Block(nn.Module):
    """Residual: a dilated depthwise convolution, then two layers at each frame (ConvNeXt, Liu et al., 2022)."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(width, width, 7, padding=3 * dilation, dilation=dilation, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.back = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, W, R), zero outside the mask (B, 1, R) -> the same."""
        hidden = self.norm(self.along(x).transpose(1, 2))  # (B, R, W)
        return x + self.back(F.gelu(self.wide(hidden))).transpose(1, 2) * mask


def without_gain(mel: Tensor, mask: Tensor) -> Tensor:
    """A natural-log mel (B, n_mels, R) less the mean of its loud frames: a gain is one number added to all cells.

    mask (B, 1, R). Zero outside it; what lies far under the loud frames is cut off there, where rooms differ most.
    """
    level = mel.mean(1, keepdim=True)  # (B, 1, R)
    loudest = level.masked_fill(mask == 0, -torch.inf).amax(2, keepdim=True)  # (B, 1, 1)
    loud = mask * (level > loudest - _QUIET)
    mean = (level * loud).sum(2, keepdim=True) / loud.sum(2, keepdim=True)
    return (mel - mean).clamp(min=-_FLOOR) * mask


def mean_voice(vectors: Sequence[Tensor]) -> Tensor:
    """The voice (channels,) of a person from those of several recordings of theirs."""
    return F.normalize(torch.stack(list(vectors)).mean(0), dim=0)
