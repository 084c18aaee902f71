"""a's share of tokens, frames and cells."""

from __future__ import annotations

import torch
from torch import Tensor


def crossing_by_token(tokens: Tensor, cross: float, width: float) -> Tensor:
    """a's share of every token of a text, (S,): 1 before the crossing, 0 after it, linear across `width`.

    tokens: (S,), anything by token. cross, width: as shares of the number of tokens; the transition has the crossing in
    its middle. Token i is judged at its centre, (i + 1/2) / S, so a width of 0 is a step between two tokens.
    """
    count = len(tokens)
    centre = (torch.arange(count, device=tokens.device) + 0.5) / count
    if width == 0:
        return (centre < cross).float()
    return (0.5 - (centre - cross) / width).clamp(0, 1)


def spread_over_frames(by_token: Tensor, alignment: Tensor, length: int) -> Tensor:
    """(S,) values by token and the alignment (S, T) of `length` frames -> (T,); frames past the end get the last's."""
    return hold_past_end(by_token.to(alignment) @ alignment, length)


def hold_past_end(values: Tensor, length: int) -> Tensor:
    """(..., T), with the last valid frame's values from frame `length` on, so that no padding is pooled into a cell."""
    return values[..., torch.arange(values.shape[-1], device=values.device).clamp(max=length - 1)]


def constant_over_rows(by_frame: Tensor, rows: int) -> Tensor:
    """(T,) -> a field (1, rows, T)."""
    return by_frame.expand(1, rows, -1)
