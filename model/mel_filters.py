"""Slaney's mel filters, as `librosa.filters.mel` makes them, to the bit.

Written out because that import takes a second (SciPy's signal package and a compiler), which every start of a program
that speaks would pay for one small table.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from params import Audio

_BREAK_HZ = 1000.0  # the scale is linear below it and logarithmic above
_HZ_PER_MEL = 200.0 / 3  # below it
_LOG_STEP = math.log(6.4) / 27.0  # of a mel above it


@functools.lru_cache(maxsize=8)
def mel_filters(audio: Audio) -> np.ndarray:
    """Triangular filters of equal area, (n_mels, n_fft // 2 + 1) float32, read-only.

    Source: Slaney, Auditory Toolbox, 1998.
    """
    frequencies = np.fft.rfftfreq(audio.n_fft, 1.0 / audio.sample_rate)  # (n_fft // 2 + 1,)
    corners = mel_corners(audio)
    widths = np.diff(corners)
    above = corners[:, None] - frequencies  # (n_mels + 2, n_fft // 2 + 1): of the corner over the frequency
    rising = -above[:-2] / widths[:-1, None]
    falling = above[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    triangles *= (2.0 / (corners[2:] - corners[:-2]))[:, None]
    triangles.setflags(write=False)
    return triangles


def mel_corners(audio: Audio) -> np.ndarray:
    """Hz where the triangles begin and end, (n_mels + 2,), equally spaced in mels; all but the ends are the centres."""
    return _to_hz(np.linspace(_to_mel(audio.fmin), _to_mel(audio.fmax), audio.n_mels + 2))


def _to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _BREAK_HZ else _BREAK_HZ / _HZ_PER_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _to_hz(mels: np.ndarray) -> np.ndarray:
    first = _BREAK_HZ / _HZ_PER_MEL  # mels at the break
    return np.where(mels < first, _HZ_PER_MEL * mels, _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mels, first) - first)))
