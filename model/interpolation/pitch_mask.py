"""Which cells of a mel a pitch occupies."""

from __future__ import annotations

import librosa
import numpy as np
import torch
from torch import Tensor

from model.source_picture import hann_response
from params import Audio

_SPEECH_FORMANTS = 4


class PitchMask:
    """Soft masks (n_mels, T) in [0, 1] of F0, of its resolved harmonics, or of F0 and formants.

    A component at nu Hz lights a mel row by the row's filter over the analysis window's main lobe about nu, relative to
    the best that row can have. Unvoiced frames are empty.
    """

    def __init__(self, audio: Audio) -> None:
        self._filters = librosa.filters.mel(
            sr=audio.sample_rate, n_fft=audio.n_fft, n_mels=audio.n_mels, fmin=audio.fmin, fmax=audio.fmax
        )
        self._hz = np.arange(audio.n_fft // 2 + 1) * audio.sample_rate / audio.n_fft
        self._bins_per_hz = audio.win_length / audio.sample_rate
        centres = librosa.mel_frequencies(audio.n_mels + 2, fmin=audio.fmin, fmax=audio.fmax)
        self._row_hz = centres[1:-1]  # (n_mels,)
        self._row_spacing = (centres[2:] - centres[:-2]) / 2  # (n_mels,) Hz from row to row
        # What a row shows of a component at its own centre: 1 in the mask.
        self._best = np.array([self._response(hz)[row] for row, hz in enumerate(self._row_hz)])

    def f0(self, f0: np.ndarray) -> Tensor:
        """f0 (T,) Hz, 0 where unvoiced."""
        return self._columns(f0, lambda hz: self._component(hz))

    def harmonics(self, f0: np.ndarray) -> Tensor:
        """Every harmonic up to where two of them fall on neighbouring rows."""
        return self._columns(f0, self._resolved)

    def f0_and_formants(self, f0: np.ndarray, frequency: np.ndarray, bandwidth: np.ndarray) -> Tensor:
        """f0 (T,); formants' frequency and bandwidth (4, T) in Hz, 0 where unknown."""
        mask = self.f0(f0)
        for formant in range(_SPEECH_FORMANTS):
            hz, width = frequency[formant], bandwidth[formant]
            known = (f0 > 0) & (hz > 0) & (width > 0)
            # Half power at half the bandwidth to each side; never narrower than a row.
            half = np.maximum(width / 2, self._row_spacing[:, None])  # (n_mels, T)
            distance = (self._row_hz[:, None] - hz) / np.where(known, half, 1.0)
            mask = torch.maximum(mask, torch.from_numpy(np.where(known, 2.0 ** -(distance**2), 0.0)).float())
        return mask

    def _columns(self, f0: np.ndarray, column) -> Tensor:
        mask = np.zeros((len(self._row_hz), len(f0)), np.float32)
        for frame in np.flatnonzero(f0 > 0):
            mask[:, frame] = column(float(f0[frame]))
        return torch.from_numpy(mask)

    def _resolved(self, f0: float) -> np.ndarray:
        count = max(int(self._row_hz[self._row_spacing <= f0 / 2].max(initial=0.0) / f0), 1)
        return np.max([self._component(k * f0) for k in range(1, count + 1)], axis=0)

    def _component(self, hz: float) -> np.ndarray:
        return np.clip(self._response(hz) / self._best, 0, 1)

    def _response(self, hz: float) -> np.ndarray:
        """(n_mels,) amplitude of a component at hz through window and filters."""
        offsets = (self._hz - hz) * self._bins_per_hz
        main_lobe = np.abs(offsets) <= 2
        return self._filters @ (hann_response(offsets) * main_lobe)


def union(mask_a: Tensor, mask_b: Tensor) -> Tensor:
    """The cells that either contour occupies: outside a's own, b's harmonics would stay beside a's."""
    return torch.maximum(mask_a, mask_b)
