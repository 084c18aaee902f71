"""F0 contours between texts: filled across unvoiced stretches and carried to another length."""

from __future__ import annotations

import torch
from torch import Tensor


def fill_unvoiced(log_f0: Tensor, voicing: Tensor) -> Tensor:
    """Interpolate log F0 (T,) linearly across frames whose voicing (T,) is below 1/2, and hold it at both ends.

    Raises ValueError if nothing is voiced.
    """
    voiced = torch.nonzero(voicing >= 0.5).squeeze(1)  # (V,)
    if len(voiced) == 0:
        raise ValueError("the contour has no voiced frame")
    at = torch.arange(len(log_f0), device=log_f0.device)
    return _interpolate(at.to(log_f0), voiced.to(log_f0), log_f0[voiced])


def carry_by_position(contour: Tensor, frames: int) -> Tensor:
    """A contour (T,) at `frames` frames of another utterance, by relative position: centres onto centres."""
    source = torch.arange(len(contour), device=contour.device).to(contour) + 0.5
    target = (torch.arange(frames, device=contour.device).to(contour) + 0.5) * len(contour) / frames
    return _interpolate(target, source, contour)


def _interpolate(at: Tensor, points: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear through (points, values), constant outside them; points ascend."""
    if len(points) == 1:
        return values.expand(len(at)).clone()
    right = torch.searchsorted(points, at).clamp(1, len(points) - 1)
    left = right - 1
    share = ((at - points[left]) / (points[right] - points[left])).clamp(0, 1)
    return values[left] * (1 - share) + values[right] * share
