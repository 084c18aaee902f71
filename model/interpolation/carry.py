"""A contour of one reading of a text, carried to another reading of the same text."""

from __future__ import annotations

import torch
from torch import Tensor


def carry_by_tokens(contour: Tensor, durations: Tensor, target_durations: Tensor) -> Tensor:
    """(T,) values at the frames of `durations` (S,) -> (T',) at the frames of `target_durations` (S,).

    Within a token time is mapped linearly, so every phone keeps its own stretch of the contour. A token that has no
    frames here or there is passed over.
    Raises ValueError if the two have different numbers of tokens, or the contour another length than its durations.
    """
    if len(durations) != len(target_durations):
        raise ValueError(f"{len(durations)} tokens cannot be carried to {len(target_durations)}")
    if int(durations.sum()) != len(contour):
        raise ValueError(f"durations of {int(durations.sum())} frames do not fit a contour of {len(contour)}")
    kept = (durations > 0) & (target_durations > 0)
    edges, target_edges = (
        torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).double() for lengths in (durations, target_durations)
    )
    token = torch.repeat_interleave(torch.arange(len(durations)), target_durations.cpu()).to(contour.device)  # (T',)
    centre = torch.arange(len(token), device=contour.device).double() + 0.5
    share = (centre - target_edges[token]) / target_durations[token]
    # A target token without source frames takes the value at the source's edge there.
    at = torch.where(kept[token], edges[token] + share * durations[token], edges[token]) - 0.5  # in source frames
    at = at.clamp(0, len(contour) - 1)
    left = at.floor().long().clamp(max=max(len(contour) - 2, 0))
    right = (left + 1).clamp(max=len(contour) - 1)
    part = (at - left).to(contour)
    return contour[left] * (1 - part) + contour[right] * part
