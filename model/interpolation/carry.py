"""What belongs to tokens or to frames of one reading of a text, at the frames of another."""

from __future__ import annotations

import torch
from torch import Tensor


def carry_by_tokens(contour: Tensor, durations: Tensor, target_durations: Tensor) -> Tensor:
    """(T,) values at the frames of `durations` (S,) -> (T',) at the frames of `target_durations` (S,).

    Within a token time is mapped linearly, so every phone keeps its own stretch of the contour; between the centres of
    two frames values are interpolated. A token that has no frames here takes the value at its place between its
    neighbours; one that has none there is passed over.
    Raises ValueError if the two have different numbers of tokens, or the contour another length than its durations or
    no frame at all.
    """
    if int(durations.sum()) != len(contour):
        raise ValueError(f"durations of {int(durations.sum())} frames do not fit a contour of {len(contour)}")
    at = source_places(durations, target_durations)
    left = at.floor().long().clamp(max=max(len(contour) - 2, 0))
    right = (left + 1).clamp(max=len(contour) - 1)
    part = (at - left).to(contour)
    return contour[left] * (1 - part) + contour[right] * part


def source_places(durations: Tensor, target_durations: Tensor) -> Tensor:
    """Where each target frame lies in the source, (T',) in frames from the first to the last; both arguments (S,).

    Whatever cannot be interpolated, such as formants with gaps, is read at the nearest of these frames.
    """
    if len(durations) != len(target_durations):
        raise ValueError(f"{len(durations)} tokens cannot be carried to {len(target_durations)}")
    total = int(durations.sum())
    if total == 0:
        raise ValueError("a text without frames cannot be carried")
    starts, target_starts = (lengths.cumsum(0) - lengths for lengths in (durations, target_durations))  # (S,)
    token = torch.arange(len(durations), device=durations.device).repeat_interleave(target_durations)  # (T',)
    frame = torch.arange(len(token), device=durations.device)
    share = (frame - target_starts[token] + 0.5).double() / target_durations[token]
    return (starts[token] + share * durations[token] - 0.5).clamp(0, total - 1)


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
