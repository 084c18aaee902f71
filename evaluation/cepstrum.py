"""Mel cepstrum and mel-cepstral distortion."""

from __future__ import annotations

import math

import numpy as np

from evaluation.dtw import distances, dtw_path
from evaluation.speech import Speech

ORDER = 13


def mel_cepstrum(mel: np.ndarray, order: int = ORDER) -> np.ndarray:
    """Log-mel (n_mels, T) -> coefficients 1 to `order`, (order, T): log amplitude = c_0 / 2 + sum c_k cos(k w)."""
    rows = mel.shape[0]
    k = np.arange(1, order + 1)[:, None]
    basis = 2 / rows * np.cos(math.pi * k * (np.arange(rows) + 0.5) / rows)  # (order, n_mels)
    return basis @ mel.astype(np.float64)


def mel_cepstral_distortion(speech: Speech, reference: Speech) -> float:
    """dB, 10 / ln 10 * sqrt(2 sum_1^13 (c_k - c'_k)^2), averaged along the DTW path between the spoken parts.

    The cepstrum is that of the 80-band mel: values are comparable among runs of this project, not with those of
    papers that use another analysis. c_0, the loudness, is left out.
    Source: Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", 1993.
    """
    a, b = (mel_cepstrum(x.mel[:, slice(*x.span)]) for x in (speech, reference))
    cost = np.sqrt(2.0) * 10 / math.log(10) * distances(a, b)
    path = dtw_path(cost)
    differences = a[:, path[:, 0]] - b[:, path[:, 1]]  # exact where the quick distances are not: 0 for two copies
    return float(10 / math.log(10) * np.sqrt(2 * (differences**2).sum(0)).mean())
