"""A contour of one reading of a text, carried to another reading of the same text."""

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
