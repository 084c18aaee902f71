"""The source picture: what an F0 looks like in a mel, drawn from a table and not learned.

For an F0, the picture is the log-mel of a voiced source with a flat envelope: single harmonics in the low rows, flat
where the bins no longer resolve them. Raising F0 moves the picture as the true mel moves, so a decoder that sees it
need not learn transposition.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor, nn

from model.mel_filters import mel_filters
from params import Audio

STEPS_PER_OCTAVE = 48
_FLOOR = 1e-4  # of the relative amplitude, before the log
_STANDARD_DEVIATION = 1.5  # of the log picture over speech
_HIGHEST = 1.075  # of the harmonics drawn, in units of the mel's highest frequency
_SIDE_LOBES = 3.0  # DFT bins from a harmonic: the Hann window's main lobe and first side lobes


class SourcePicture(nn.Module):
    """Draws (log F0, voicing) contours as images (B, n_mels, T)."""

    def __init__(self, audio: Audio) -> None:
        super().__init__()
        self.lowest = math.log(audio.f0_min)
        self.steps = STEPS_PER_OCTAVE / math.log(2)  # table rows per unit of log F0
        # It follows from the audio parameters, so it is not part of a checkpoint.
        self.register_buffer("table", torch.tensor(_table(audio)), persistent=False)

    def forward(self, log_f0: Tensor, voicing: Tensor) -> Tensor:
        """log_f0 (B, T) natural log of Hz, any finite value where unvoiced; voicing (B, T) in [0, 1] -> (B, n_mels, T).

        F0 outside the table's range is drawn at its end.
        """
        row = ((log_f0 - self.lowest) * self.steps).clamp(0, len(self.table) - 1)
        below = row.floor().clamp(max=len(self.table) - 2)
        share = (row - below).unsqueeze(-1)  # (B, T, 1)
        index = below.long()
        picture = self.table[index] * (1 - share) + self.table[index + 1] * share  # (B, T, n_mels)
        return (picture * voicing.unsqueeze(-1)).transpose(1, 2)  # (B, n_mels, T)


@functools.lru_cache(maxsize=8)
def _table(audio: Audio) -> np.ndarray:
    """(rows, n_mels) float32: pictures of F0s from the lowest to the highest, equally spaced in their logarithm."""
    octaves = math.log2(audio.f0_max / audio.f0_min)
    f0 = audio.f0_min * 2 ** (np.arange(math.ceil(octaves * STEPS_PER_OCTAVE) + 1) / STEPS_PER_OCTAVE)
    return np.stack([flat_source(value, audio) for value in f0]).astype(np.float32)


def flat_source(f0: float, audio: Audio) -> np.ndarray:
    """Log-mel picture (n_mels,) of a voiced source with a flat envelope: zero mean over rows, in units of 1.5."""
    frequencies = np.arange(audio.n_fft // 2 + 1) * audio.sample_rate / audio.n_fft  # Hz
    harmonics = np.arange(1, int(_HIGHEST * audio.fmax / f0) + 1) * f0
    offsets = (frequencies[:, None] - harmonics) * audio.win_length / audio.sample_rate  # in bins of the window's DFT
    amplitude = hann_response(offsets).sum(axis=1)
    filters = mel_filters(audio)
    relative = (filters @ amplitude) / filters.sum(axis=1)
    picture = np.log(np.maximum(relative, _FLOOR))
    return (picture - picture.mean()) / _STANDARD_DEVIATION


def hann_response(offset: np.ndarray) -> np.ndarray:
    """Amplitude response of the Hann window at an offset in DFT bins, 1 at the centre; 0 past the first side lobes."""
    # sinc(x) / (1 - x^2), whose limit at |x| = 1 is 1/2.
    near_one = np.isclose(np.abs(offset), 1.0)
    safe = np.where(near_one, 0.0, offset)
    response = np.where(near_one, 0.5, np.abs(np.sinc(safe) / (1 - safe**2)))
    return np.where(np.abs(offset) <= _SIDE_LOBES, response, 0.0)
