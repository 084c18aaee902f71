"""Contours of F0 and energy: predicted from a text, spread over its frames, filled and carried to another length."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.randomness import Dropout
from model.text_layers import LayerNorm

KERNEL = 5


class ContourPredictor(nn.Module):
    """log F0 and energy of every token, as the variance predictors of FastSpeech 2 (arXiv 2006.04558, section 2.3).

    Both in units of about one standard deviation, and 0 before training.
    """

    def __init__(self, channels: int, filter_channels: int, dropout: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, filter_channels, KERNEL, padding=KERNEL // 2)
        self.norm_1 = LayerNorm(filter_channels)
        self.conv_2 = nn.Conv1d(filter_channels, filter_channels, KERNEL, padding=KERNEL // 2)
        self.norm_2 = LayerNorm(filter_channels)
        self.project = nn.Conv1d(filter_channels, 2, 1)
        self.drop = Dropout(dropout)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, S) and (B, 1, S) -> log F0 and energy, (B, S) each, 0 outside the mask."""
        x = self.drop(self.norm_1(F.silu(self.conv_1(x * mask))))
        x = self.drop(self.norm_2(F.silu(self.conv_2(x * mask))))
        log_f0, energy = (self.project(x * mask) * mask).unbind(1)
        return log_f0, energy


def spread_smoothly(values: Tensor, durations: Tensor, text_mask: Tensor, frames: int) -> Tensor:
    """Values of tokens at their middles, linear between two, at `frames` frames; constant before the first and after
    the last.

    values (B, S, V); durations (B, S) in frames; text_mask (B, 1, S) -> (B, frames, V).
    """
    durations = durations.to(values.dtype)
    centres = durations.cumsum(1) - durations / 2  # (B, S)
    far = torch.finfo(values.dtype).max / 4  # nothing is interpolated towards padding
    centres = torch.where(text_mask.squeeze(1) > 0, centres, far)
    at = torch.arange(frames, device=values.device, dtype=values.dtype) + 0.5
    right = torch.searchsorted(centres, at.expand(len(values), -1).contiguous())  # (B, frames)
    right = right.clamp(1, max(values.shape[1] - 1, 1))
    left = (right - 1).clamp(max=values.shape[1] - 1)
    right = right.clamp(max=values.shape[1] - 1)
    start, end = centres.gather(1, left), centres.gather(1, right)
    share = ((at - start) / (end - start).clamp(min=1e-3)).clamp(0, 1)[..., None]  # (B, frames, 1)

    def take(index: Tensor) -> Tensor:
        return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))

    return take(left) * (1 - share) + take(right) * share


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
