"""Monotonic alignment search (Glow-TTS, Kim et al. 2020, algorithm 1), compiled.

Given a score for every token at every frame, finds the monotone path with the greatest sum: every frame has one token,
every token at least one frame, the first frame is the first token's and the last frame the last token's.

Sums are float32, in the order of the recurrence, and of two equally good ways into a cell the one that stays on its
token is taken: paths are those of the official Grad-TTS search. Scores may be -inf or hugely negative (forbidden
cells); a path crosses them where no other exists. NaN and +inf are errors. Results do not depend on the number of
threads.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

try:
    from monotonic_align.search import search as _search
except ImportError as error:
    raise ImportError(
        f"the alignment search is not built ({error}): run `pip install -e .` or `python setup.py build_ext --inplace`"
    ) from error

__all__ = ["alignment_durations", "maximum_path"]


def maximum_path(value: Tensor, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
    """The best path of every item as zeros and ones.

    value: (B, T_text, T_mel), any float dtype, layout and device; text_lengths, frame_lengths: (B,) integers.
    Scores past an item's lengths do not matter. Returns (B, T_text, T_mel), dtype and device of `value`, no gradient.

    Raises ValueError, naming the item, if it has no token or no frame, more tokens than frames, lengths beyond the
    tensor, or NaN or +inf within its lengths.
    """
    path = torch.empty(value.shape, dtype=torch.float32)
    _align(value, text_lengths, frame_lengths, path)
    return path.to(device=value.device, dtype=value.dtype)


def alignment_durations(value: Tensor, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
    """Frames per token of the best path: (B, T_text) int64 on the device of `value`, 0 past an item's tokens.

    Arguments and errors are those of `maximum_path`.
    """
    return _align(value, text_lengths, frame_lengths, None).to(value.device)


def _align(value: Tensor, text_lengths: Tensor, frame_lengths: Tensor, path: Tensor | None) -> Tensor:
    if value.dim() != 3 or not value.is_floating_point():
        raise ValueError(f"value must be a float (B, T_text, T_mel), not {value.dtype} {tuple(value.shape)}")
    batch, rows, width = value.shape
    tokens = _lengths("text_lengths", text_lengths, batch)
    frames = _lengths("frame_lengths", frame_lengths, batch)
    for item, (n_tokens, n_frames) in enumerate(zip(tokens.tolist(), frames.tolist(), strict=True)):
        if n_tokens < 1 or n_frames < 1:
            raise ValueError(f"batch item {item} has {n_tokens} tokens and {n_frames} frames: nothing to align")
        if n_tokens > rows or n_frames > width:
            raise ValueError(
                f"batch item {item} has {n_tokens} tokens and {n_frames} frames, beyond the tensor's {rows} and {width}"
            )
        if n_tokens > n_frames:
            raise ValueError(
                f"batch item {item} has {n_tokens} tokens but only {n_frames} frames: each token needs at least one"
            )

    durations = torch.zeros(batch, rows, dtype=torch.int64)
    if batch == 0:
        return durations
    scores = value.detach().to(device="cpu", dtype=torch.float32)
    if scores.stride(2) != 1:
        scores = scores.contiguous()
    scores = scores.numpy()
    dense = None if path is None else path.numpy()
    if _search(scores, tokens, frames, durations.numpy(), dense, min(batch, torch.get_num_threads())):
        raise ValueError(_first_unusable(scores, tokens, frames))
    return durations


def _lengths(name: str, lengths: Tensor, batch: int) -> np.ndarray:
    if lengths.shape != (batch,) or lengths.is_floating_point():
        raise ValueError(f"{name} must be {batch} integers, one an item, not {lengths.dtype} {tuple(lengths.shape)}")
    return lengths.to(device="cpu", dtype=torch.int64).contiguous().numpy()


def _first_unusable(scores: np.ndarray, tokens: np.ndarray, frames: np.ndarray) -> str:
    """Which cell made the search give up."""
    for item, (n_tokens, n_frames) in enumerate(zip(tokens, frames, strict=True)):
        inside = scores[item, :n_tokens, :n_frames]
        cells = np.argwhere(~(inside < np.inf))
        if len(cells):
            token, frame = cells[0].tolist()
            return (
                f"batch item {item} ({n_tokens} tokens, {n_frames} frames): value is {inside[token, frame]} "
                f"at token {token}, frame {frame}"
            )
    raise AssertionError("the search found NaN or +inf where there is none")
