"""Gaussian noise that a seed determines, on any device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from model.batch_share import drawn


def standard_normal(shape: Sequence[int], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """N(0, 1) of the given shape, in the dtype and on the device of `like`.

    It is drawn on the generator's own device, so that a CPU generator gives the same noise to every accelerator.
    """
    device = like.device if generator is None else generator.device
    options = {"generator": generator, "device": device, "dtype": like.dtype}
    return drawn(lambda size: torch.randn(size, **options), shape).to(like.device)


def frame_normal(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """N(0, 1) of the shape of `like`, (B, F, T), drawn frame after frame.

    The official code draws the start latent in this order, so a seed gives the same one.
    """
    batch, rows, frames = like.shape
    device = like.device if generator is None else generator.device
    noise = torch.empty(batch, frames, rows, device=device, dtype=like.dtype)
    return noise.transpose(1, 2).normal_(generator=generator).to(like.device)


def uniform(shape: Sequence[int], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """U[0, 1) of the given shape, drawn as `standard_normal` draws."""
    device = like.device if generator is None else generator.device
    options = {"generator": generator, "device": device, "dtype": like.dtype}
    return drawn(lambda size: torch.rand(size, **options), shape).to(like.device)
