"""For every frame, the few contour tokens near its own place in the utterance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.style import TypedTokens

REACH = 4  # tokens to each side


@dataclass(frozen=True)
class LocalWindow:
    """index (B, T, W) of tokens, W = 2 REACH + 1; distance (B, T, W) to the frame, in tokens; valid (B, T, W) bool."""

    index: Tensor
    distance: Tensor
    valid: Tensor

    def gather(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, T, W, D)."""
        batch, frames, width = self.index.shape
        at = self.index.reshape(batch, frames * width, 1).expand(-1, -1, tokens.shape[-1])
        return tokens.gather(1, at).unflatten(1, (frames, width))

    def bias(self, width: Tensor) -> Tensor:
        """The positional prior -(p_frame - p_token)^2 / (2 sigma^2), (B, T, W); width: sigma in tokens.

        In tokens, so that its reach in seconds does not depend on the utterance's length.
        """
        prior = -self.distance.square() / (2 * width.square())
        return torch.where(self.valid, prior, torch.full_like(prior, -1e4))


def local_window(tokens: TypedTokens, frame_position: Tensor) -> LocalWindow:
    """Tokens around each frame by relative position, so that a contour transfers to a text of another length.

    frame_position: (B, T) in [0, 1]. The cost of attention grows linearly with the utterance.
    """
    count = tokens.mask.sum(1)[:, None, None]  # (B, 1, 1)
    centre = (frame_position[..., None] * count).long()  # (B, T, 1)
    # A window that would stick out is shifted inside; what is too short for it is masked.
    first = (centre - REACH).clamp(min=0).minimum((count - 2 * REACH - 1).clamp(min=0))
    index = first + torch.arange(2 * REACH + 1, device=first.device)  # (B, T, W)
    valid = index < count
    index = index.clamp(max=tokens.mask.shape[1] - 1)
    batch, frames, width = index.shape
    position = tokens.positions.gather(1, index.reshape(batch, -1)).view(batch, frames, width)
    return LocalWindow(index, (frame_position[..., None] - position) * count, valid)
