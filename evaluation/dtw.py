"""Dynamic time warping (Sakoe and Chiba, 1978), steps (1, 0), (0, 1), (1, 1), all of weight 1."""

from __future__ import annotations

import numpy as np


def dtw_path(cost: np.ndarray) -> np.ndarray:
    """(N, M) costs -> (L, 2) int: the cheapest path from (0, 0) to (N - 1, M - 1).

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
