"""Which cells of a mel a pitch occupies."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from model.mel_filters import mel_corners, mel_filters
from model.source_picture import hann_response
from params import Audio

_SPEECH_FORMANTS = 4
_MAIN_LOBE = 2.0  # of the Hann window, bins of its DFT to each side


class PitchMask:
    """Soft masks (n_mels, T) in [0, 1] of F0, of its resolved harmonics, or of F0 and formants.

    A component at nu Hz lights a mel row by the row's filter over the analysis window's main lobe about nu, relative to
    what the row shows of a component at its own centre. Unvoiced frames are empty.
    """

    def __init__(self, audio: Audio) -> None:
        self._filters = mel_filters(audio)  # (n_mels, n_fft / 2 + 1)
        self._bin_hz = audio.sample_rate / audio.n_fft
        self._window_bin_hz = audio.sample_rate / audio.win_length
        centres = mel_corners(audio)  # (n_mels + 2,)
        self._row_hz = centres[1:-1]  # (n_mels,)
        self._row_spacing = (centres[2:] - centres[:-2]) / 2  # (n_mels,) Hz from row to row
        self._best = np.diagonal(self._response(self._row_hz))  # (n_mels,): 1 in the mask

    def f0(self, f0: np.ndarray) -> Tensor:
        """f0 (T,) Hz, 0 where unvoiced."""
        return self._components(f0, np.ones(len(f0), int))

    def harmonics(self, f0: np.ndarray) -> Tensor:
        """F0 and every harmonic up to where rows are more than half of F0 apart: above, they cannot be told apart."""
        spacing = np.maximum.accumulate(self._row_spacing)  # equal below 1 kHz, but for rounding
        last = np.searchsorted(spacing, f0 / 2, side="right") - 1  # (T,) the highest row that resolves them
        highest = np.where(last >= 0, self._row_hz[last], 0.0)
        counts = np.floor(np.divide(highest, f0, out=np.zeros(len(f0)), where=f0 > 0)).astype(int)
        return self._components(f0, np.maximum(counts, 1))

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

    def _components(self, f0: np.ndarray, counts: np.ndarray) -> Tensor:
        """The first `counts` (T,) harmonics of every voiced frame -> (n_mels, T)."""
        counts = np.where(f0 > 0, counts, 0)
        mask = np.zeros((len(f0), len(self._row_hz)), np.float32)
        for k in range(1, counts.max(initial=0) + 1):
            frames = np.flatnonzero(counts >= k)
            shown = self._response(k * f0[frames]) / self._best  # (frames, n_mels)
            mask[frames] = np.maximum(mask[frames], np.clip(shown, 0, 1))
        return torch.from_numpy(mask.T.copy())

    def _response(self, hz: np.ndarray) -> np.ndarray:
        """(N,) Hz -> (N, n_mels) amplitude of a component there through window and filters."""
        reach = math.ceil(_MAIN_LOBE * self._window_bin_hz / self._bin_hz)
        nearest = np.rint(hz / self._bin_hz).astype(int)[:, None] + np.arange(-reach, reach + 1)  # (N, bins)
        offsets = (nearest * self._bin_hz - hz[:, None]) / self._window_bin_hz
        inside = (np.abs(offsets) <= _MAIN_LOBE) & (nearest >= 0) & (nearest < self._filters.shape[1])
        heights = np.where(inside, hann_response(offsets), 0.0)
        filters = self._filters.T[np.clip(nearest, 0, self._filters.shape[1] - 1)]  # (N, bins, n_mels)
        return np.einsum("nb,nbm->nm", heights, filters)


def union(mask_a: Tensor, mask_b: Tensor) -> Tensor:
    """The cells that either contour occupies: outside a's own, b's harmonics would stay beside a's."""
    return torch.maximum(mask_a, mask_b)
