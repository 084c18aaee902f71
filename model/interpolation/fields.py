"""Weight fields: style a's share of every cell and type."""

from __future__ import annotations

import torch
from torch import Tensor


def crossing_by_token(durations: Tensor, cross: float, width: float) -> Tensor:
    """a's share of every token of a text, (S,): 1 before the crossing, 0 after it, linear across `width`.

    durations: (S,) frames. cross, width: as shares of the number of tokens. Token i is judged at its centre,
    (i + 1/2) / S, so a width of 0 is a step between two tokens.
    """
    count = len(durations)
    centre = (torch.arange(count, device=durations.device) + 0.5) / count
    if width == 0:
        return (centre < cross).float()
    return (0.5 - (centre - cross) / width).clamp(0, 1)


def spread_over_frames(by_token: Tensor, durations: Tensor, frames: int) -> Tensor:
    """(S,) values by token and their durations (S,) -> (frames,); frames past the end get the last token's."""
    values = by_token.repeat_interleave(durations)[:frames]  # (T,)
    if len(values) == frames:
        return values
    return torch.cat([values, by_token[-1:].expand(frames - len(values))])


def constant_over_rows(by_frame: Tensor, rows: int) -> Tensor:
    """(T,) -> a field (1, rows, T)."""
    return by_frame.expand(1, rows, -1)
