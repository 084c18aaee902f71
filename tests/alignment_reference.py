"""Monotonic alignment search in plain NumPy, to test the compiled one against."""

from __future__ import annotations

import numpy as np


def alignment_durations(value: np.ndarray) -> np.ndarray:
    """Frames per token of the best monotone path (Glow-TTS, Kim et al. 2020, algorithm 1).

    value: (tokens, frames) with 1 <= tokens <= frames, scores of a token at a frame. Returns (tokens,) int64.
    Sums are float32. Of two equally good ways into a cell, the one that stays on its token is taken.
    """
    value = np.asarray(value, dtype=np.float32)
    tokens, frames = value.shape
    if not 1 <= tokens <= frames:
        raise ValueError(f"{tokens} tokens cannot be aligned with {frames} frames")

    best = np.full((tokens, frames), -np.inf, dtype=np.float32)  # score of the best path that ends in this cell
    best[0, 0] = value[0, 0]
    for y in range(1, frames):
        for x in range(min(tokens, y + 1)):
            stay = best[x, y - 1]
            move = best[x - 1, y - 1] if x > 0 else np.float32(-np.inf)
            best[x, y] = max(stay, move) + value[x, y]

    durations = np.zeros(tokens, dtype=np.int64)
    x = tokens - 1
    for y in range(frames - 1, -1, -1):
        durations[x] += 1
        # at x == y only moves are left, whatever the scores: that is also true when every score is -inf
        if x > 0 and (x == y or best[x, y - 1] < best[x - 1, y - 1]):
            x -= 1
    return durations


def maximum_path(value: np.ndarray) -> np.ndarray:
    """The same path as zeros and ones: (tokens, frames) -> (tokens, frames) float32."""
    tokens, frames = value.shape
    token_of_frame = np.repeat(np.arange(tokens), alignment_durations(value))
    path = np.zeros((tokens, frames), dtype=np.float32)
    path[token_of_frame, np.arange(frames)] = 1
    return path
