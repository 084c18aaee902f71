"""Where each token of a text may lie in its mel, when the exact durations of its symbols are known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

MARGIN = 1  # frames by which a symbol's own interval is widened


def token_spans(is_blank: Sequence[bool], durations: np.ndarray, frames: int) -> np.ndarray | None:
    """Frames [start, end) in which each token may lie.

    A symbol may lie in its exact interval, widened by one frame; a blank between the middles of the symbols around it.

    is_blank: (N,), of the tokens in order; those that are not blank are the S symbols.
    durations: (S + 1,) boundaries of the symbols, in frames.

    Returns:
        (N, 2) int64; None if tokens of at least one frame each cannot be laid out in the spans.
    Raises:
        ValueError: the number of symbols differs from that of the durations.
    """
    blank = np.asarray(is_blank, dtype=bool)
    symbols = len(durations) - 1
    if (~blank).sum() != symbols or symbols == 0:
        raise ValueError(f"{(~blank).sum()} symbols but durations of {symbols}")
    begin, end = durations[:-1], durations[1:]
    middle = (begin + end) / 2
    before = np.cumsum(~blank)  # (N,) symbols up to and including the token
    own = before - 1  # the symbol, or for a blank the one before it
    following = np.minimum(before, symbols - 1)
    starts = np.where(blank, np.floor(middle[own]), np.floor(begin[own]) - MARGIN)
    ends = np.where(blank, np.ceil(middle[following]), np.ceil(end[own]) + MARGIN)
    starts[before == 0] = 0  # blanks in front of the first symbol
    ends[blank & (before == symbols)] = frames  # blanks behind the last one
    spans = np.stack([starts, ends], axis=1).clip(0, frames).astype(np.int64)  # (N, 2)
    spans[0, 0], spans[-1, 1] = 0, frames  # all frames belong to some token
    return spans if _can_be_laid_out(spans, frames) else None


def _can_be_laid_out(spans: np.ndarray, frames: int) -> bool:
    """Whether consecutive tokens of at least one frame can cover all frames: lay each as early as its span allows."""
    position = 0
    for (_, end), (next_start, _) in pairwise(spans):
        position = max(position + 1, next_start)
        if position > end:
            return False
    return position < frames
