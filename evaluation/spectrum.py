"""What mels are compared by: their cepstrum along a time warp, and how much detail they have."""

from __future__ import annotations

import math

import numpy as np

from evaluation.speech import Speech

ORDER = 13  # of the cepstrum


def dtw_path(cost: np.ndarray) -> np.ndarray:
    """(N, M) costs -> (L, 2) int: the cheapest path from (0, 0) to (N - 1, M - 1).

    Dynamic time warping (Sakoe and Chiba, 1978), steps (1, 0), (0, 1), (1, 1), all of weight 1.

    Raises:
        ValueError: a side is empty.
    """
    rows, columns = cost.shape
    if rows == 0 or columns == 0:
        raise ValueError(f"nothing to align in costs of shape {cost.shape}")
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, rows + columns + 1):  # along an anti-diagonal every cell is independent
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(np.minimum(total[i - 1, j], total[i, j - 1]), total[i - 1, j - 1])
        total[i, j] = cost[i - 1, j - 1] + before
    path = []
    i, j = rows, columns
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        i, j = min(steps, key=lambda cell: total[cell])
    return np.array(path[::-1])


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances of the columns of (D, N) and (D, M): (N, M)."""
    squares = (a**2).sum(0)[:, None] + (b**2).sum(0)[None] - 2 * a.T @ b
    return np.sqrt(np.maximum(squares, 0.0))


def mel_cepstrum(mel: np.ndarray) -> np.ndarray:
    """Log-mel (n_mels, T) -> coefficients 1 to `ORDER`, (ORDER, T): log amplitude = c_0 / 2 + sum c_k cos(k w)."""
    rows = mel.shape[0]
    k = np.arange(1, ORDER + 1)[:, None]
    basis = 2 / rows * np.cos(math.pi * k * (np.arange(rows) + 0.5) / rows)  # (ORDER, n_mels)
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


def fine_structure(speech: Speech) -> tuple[float, float]:
    """Standard deviation of the differences between neighbouring mel rows, and between neighbouring frames.

    Natural-log units, over the spoken part. Compared as a share of that of recordings.
    """
    mel = speech.mel[:, slice(*speech.span)].astype(np.float64)
    if mel.shape[1] < 2:
        return float("nan"), float("nan")
    return float(np.diff(mel, axis=0).std()), float(np.diff(mel, axis=1).std())
