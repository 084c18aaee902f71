"""A critic: which mel is a recording's and which one a decoder made, patch by patch.

After the discriminators of image translation (Isola et al., arXiv 1611.07004) with the losses of least squares (Mao et
al., arXiv 1611.04076) and, for the decoder, the distance between what its layers make of the two (Larsen et al., arXiv
1512.09300). It sees mu beside the mel, and with it what is being said.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from model.lengths import masked

_SLOPE = 0.1  # of the leaky rectifier
# Of each layer: its channels in units of the first one's, its kernel and its stride, each (rows, frames).
_LAYERS = (
    (1, (5, 5), (2, 1)),
    (2, (3, 3), (2, 2)),
    (3, (3, 3), (2, 1)),
    (3, (3, 5), (1, 2)),
    (3, (3, 3), (1, 1)),
)


@dataclass(frozen=True)
class Judgement:
    """scores (B, 1, F', T'), near 1 for a recording; features: of every layer, (B, C, F", T"); mask (B, 1, 1, T'), of
    the frames that are valid.
    """

    scores: Tensor
    features: list[Tensor]
    mask: Tensor

    def distance(self, wanted: float) -> Tensor:
        """Of every item (B,), the mean square of what the scores lack of the one that is wanted."""
        lacking = (self.scores.float() - wanted).square() * self.mask
        return lacking.sum((1, 2, 3)) / (self.mask.sum((1, 2, 3)) * self.scores.shape[2]).clamp(min=1)

    def unlike(self, other: Judgement) -> Tensor:
        """Of every item (B,), how far its features are from another's, over their size; summed over the layers."""
        parts = [
            (own.float() - wanted.float()).abs().mean((1, 2, 3)) / wanted.float().abs().mean((1, 2, 3)).clamp(min=1e-6)
            for own, wanted in zip(self.features, other.features, strict=True)
        ]
        return torch.stack(parts).sum(0)


class Critic(nn.Module):
    """Convolutions over (mel bin, frame); a score sees 35 frames."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        widths = [3, *(times * channels for times, _, _ in _LAYERS)]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, width, kernel, stride, padding=(kernel[0] // 2, kernel[1] // 2)))
            for before, width, (_, kernel, stride) in zip(widths, widths[1:], _LAYERS, strict=False)
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, mel: Tensor, mu: Tensor, mask: Tensor) -> Judgement:
        """mel and mu (B, n_mels, T), normalised; mask (B, 1, T)."""
        place = torch.linspace(-1, 1, mel.shape[1]).to(mel)[None, :, None].expand_as(mel)
        hidden = torch.stack([mel * mask, mu * mask, place * mask], 1)  # (B, 3, n_mels, T)
        features, mask = [], mask[:, None]  # (B, 1, 1, T)
        for layer, (_, _, (_, stride)) in zip(self.layers, _LAYERS, strict=True):
            mask = mask[..., ::stride]
            hidden = masked(F.leaky_relu(layer(hidden), _SLOPE), mask)
            features.append(hidden)
        return Judgement(self.score(hidden), features, mask)
