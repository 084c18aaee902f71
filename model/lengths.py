"""Masks, padded lengths, and the path that durations describe."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MOST_FRAMES = 12_288  # of a piece: more than two minutes, which take 1.5 GB; training utterances last seconds


def sequence_mask(lengths: Tensor, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(B,) lengths to (B, 1, size): 1 before each length, 0 from it on. Lengths may be fractional."""
    position = torch.arange(size, device=lengths.device, dtype=lengths.dtype)
    return (position < lengths[:, None])[:, None].to(dtype)


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """x * mask in the precision of x: under autocast a float32 mask would turn everything after it to float32.

    None: every frame is valid, and x is returned itself.
    """
    return x if mask is None else x * mask.to(x.dtype)


def padded_length(length: int, multiple: int) -> int:
    """The next multiple."""
    return -(-length // multiple) * multiple


def check_frames(expected: Tensor) -> None:
    """expected: (B, S) frames of each token, before anything of their sum is made.

    Raises ValueError if a text would be longer than `MOST_FRAMES`, or its length is not finite.
    """
    longest = float(expected.sum(1).max())
    if not longest <= MOST_FRAMES:
        raise ValueError(
            f"it would last {longest:.6g} frames in one piece, more than {MOST_FRAMES}; shorten it, lower the length "
            "scale, or use another checkpoint"
        )


def duration_path(durations: Tensor, text_mask: Tensor, frame_mask: Tensor) -> Tensor:
    """The monotonic alignment of given durations.

    Token i has the frames whose number is in [c_(i-1), c_i), c the cumulative durations; with fractional durations a
    token may get none.

    Args:
        durations: (B, T_text), frames, may be fractional.
        text_mask: (B, 1, T_text). frame_mask: (B, 1, T).

    Returns:
        (B, T_text, T) of 0 and 1.
    """
    ends = durations.cumsum(1)  # (B, T_text)
    position = torch.arange(frame_mask.shape[-1], device=durations.device, dtype=durations.dtype)
    before = (position < ends[:, :, None]).to(frame_mask.dtype)  # (B, T_text, T): frames before the token's end
    path = before - F.pad(before, (0, 0, 1, 0))[:, :-1]
    return path * text_mask.transpose(1, 2) * frame_mask
