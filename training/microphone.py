"""Random microphones: what lies between a voice and its recording, drawn anew for every reference of the training."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from model.units import DECIBEL

_GAIN_DB = 12.0
_TILT_DB, _RIPPLE_DB = 4.0, 2.0
_NOISY, _SIGNAL_TO_NOISE_DB = 0.6, (15.0, 50.0)
_ECHOING, _DECAY_SECONDS, _ECHO_DB = 0.4, (0.15, 0.6), (-22.0, -6.0)
_NARROW, _NARROW_ROWS, _STOP_DB = 0.15, (0.68, 0.97), -35.0
_LONGEST_ECHO = 48  # frames


def through_microphones(mel: Tensor, seeds: Tensor, frame_seconds: float) -> Tensor:
    """Mels (B, n_mels, R), natural log of amplitude, each as another microphone in another room has it.

    A gain, a tilted and rippled frequency response, sometimes echo, sometimes stationary noise, sometimes a narrow
    band. Powers add where sounds do. seeds (B,): an item's microphone depends on its own, not on the batch around it.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        drawn = torch.stack([torch.rand(shape, generator=generator) for generator in generators])  # (B, *shape)
        return (low + (high - low) * drawn).to(mel)

    rows = mel.shape[1]
    place = torch.linspace(-1, 1, rows).to(mel)[:, None]  # (n_mels, 1)
    loud = mel.logsumexp(1).amax(1)[:, None, None] - math.log(rows)  # (B, 1, 1), before anything is added
    echo = torch.where(uniform(0, 1, 1, 1) < _ECHOING, uniform(*_ECHO_DB, 1, 1), -200.0)
    mel = _with_echo(mel, echo * DECIBEL, uniform(*_DECAY_SECONDS, 1, 1) / frame_seconds)
    response = _TILT_DB * uniform(-1, 1, 1, 1) * place
    for waves in (1, 2, 3):
        phase = uniform(0, 2 * math.pi, 1, 1)
        response = response + _RIPPLE_DB * uniform(-1, 1, 1, 1) * torch.cos(waves * math.pi * place + phase)
    mel = mel + DECIBEL * response
    distance = torch.where(uniform(0, 1, 1, 1) < _NOISY, uniform(*_SIGNAL_TO_NOISE_DB, 1, 1), 200.0)
    colour = DECIBEL * 10 * uniform(-1, 0.2, 1, 1) * place  # mostly less of it the higher
    cut = torch.where(uniform(0, 1, 1, 1) < _NARROW, uniform(*_NARROW_ROWS, 1, 1), 2.0)  # (B, 1, 1), share of the rows
    gain = uniform(-_GAIN_DB, _GAIN_DB, 1, 1)
    # The power of noise in a cell is about exponentially distributed; a mel row holds several, so it varies less. It is
    # drawn last: how many numbers that takes depends on the padding.
    grain = 0.25 * (-uniform(0, 1, mel.shape[2], rows).clamp(1e-4, 1 - 1e-4).log()).log().transpose(1, 2)
    mel = 0.5 * torch.logaddexp(2 * mel, 2 * (loud - DECIBEL * distance + colour + grain))
    mel = mel + DECIBEL * _STOP_DB * ((place + 1) / 2 > cut)
    return mel + DECIBEL * gain


def _with_echo(mel: Tensor, level: Tensor, decay: Tensor) -> Tensor:
    """Exponentially decaying echo; level (B, 1, 1), natural log of amplitude; decay (B, 1, 1), frames for 60 dB."""
    batch, rows, frames = mel.shape
    behind = torch.arange(1, _LONGEST_ECHO + 1, device=mel.device, dtype=mel.dtype)
    tail = (2 * level - 6 * math.log(10) * behind / decay).exp()  # (B, 1, frames of echo)
    power = F.pad((2 * mel).exp(), (_LONGEST_ECHO, 0)).reshape(1, batch * rows, -1)
    kernel = F.pad(tail.flip(2), (0, 1)).repeat_interleave(rows, 0)  # the sound itself is added below
    echoed = F.conv1d(power, kernel, groups=batch * rows).view(batch, rows, frames)
    return 0.5 * torch.logaddexp(2 * mel, echoed.clamp(min=1e-20).log())
