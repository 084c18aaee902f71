"""The official Grad-TTS U-Net: same state dict, same numbers.

Its group norms and its attention see padded frames, so an item's output depends on the padding of its batch. Official
weights were trained so; for them, run items one by one or batch those of equal padded length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from model.estimators.unet_blocks import (
    Block,
    Downsample,
    ResnetBlock,
    TimeEmbedding,
    Upsample,
    gated_attention,
    masked,
)
from model.style import Style
from model.text_to_mel import mix
from params import Params

LEVELS = (1, 2, 4)  # multiples of `channels`


@dataclass(frozen=True)
class UNetCondition:
    """mu (B, 80, T), mask (B, 1, T), the speaker as an image row (B, 80), and its embedding (B, speaker_channels).

    The last two are None for one speaker.
    """

    mu: Tensor
    mask: Tensor
    speaker: Tensor | None
    embedding: Tensor | None = None


class UNet(nn.Module):
    """Three levels over (mel bin, frame), with linear attention (Grad-TTS, arXiv 2105.06337, section 3.4).

    Args:
        channels: of the finest level, a multiple of 8; doubled at each of the next two.
        n_mels: rows of the mel; only the speaker's row depends on it.
        speaker_channels: width of the speaker embedding, or 0 for a model of one speaker.
        time_scale: factor of the time in its embedding (`pe_scale`).
    """

    length_multiple = 2 ** (len(LEVELS) - 1)
    types = ("speaker", "emotion")
    attends = False

    def __init__(self, channels: int, n_mels: int = 80, speaker_channels: int = 0, time_scale: float = 1000.0) -> None:
        super().__init__()
        if speaker_channels:
            self.spk_mlp = nn.Sequential(
                nn.Linear(speaker_channels, 4 * speaker_channels),
                nn.Mish(),
                nn.Linear(4 * speaker_channels, n_mels),
            )
        self.speaker_channels = speaker_channels
        self.time_pos_emb = TimeEmbedding(channels, time_scale)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.Mish(), nn.Linear(4 * channels, channels))

        images = 3 if speaker_channels else 2  # mu, x and perhaps the speaker
        widths = [images, *(channels * level for level in LEVELS)]
        self.downs = nn.ModuleList(
            nn.ModuleList(
                [
                    ResnetBlock(inner, outer, channels),
                    ResnetBlock(outer, outer, channels),
                    gated_attention(outer),
                    nn.Identity() if outer == widths[-1] else Downsample(outer),
                ]
            )
            for inner, outer in pairwise(widths)
        )
        self.mid_block1 = ResnetBlock(widths[-1], widths[-1], channels)
        self.mid_attn = gated_attention(widths[-1])
        self.mid_block2 = ResnetBlock(widths[-1], widths[-1], channels)
        self.ups = nn.ModuleList(
            nn.ModuleList(
                [
                    ResnetBlock(2 * outer, inner, channels),
                    ResnetBlock(inner, inner, channels),
                    gated_attention(inner),
                    Upsample(inner),
                ]
            )
            for inner, outer in zip(widths[-2:0:-1], widths[:1:-1], strict=True)
        )
        self.final_block = Block(channels, channels)
        self.final_conv = nn.Conv2d(channels, 1, 1)

    @classmethod
    def of(cls, params: Params) -> UNet:
        estimator = params.estimator
        return cls(estimator.channels, params.audio.n_mels, params.style.token_channels, estimator.pe_scale)

    def prepare(
        self,
        mu: Tensor,
        mask: Tensor,
        style: Style,
        frame_position: Tensor | None = None,
        content: Tensor | None = None,
    ) -> UNetCondition:
        """mu (B, 80, T), mask (B, 1, T); of the style, the sum of the one token of each type it reads.

        Positions and content are unused: this network has neither.
        Raises ValueError if T is not a multiple of 4, or if a speaker is missing or not wanted.
        """
        if mu.shape[-1] % self.length_multiple:
            raise ValueError(f"the number of frames must be a multiple of {self.length_multiple}, not {mu.shape[-1]}")
        tokens = [style.types[name].tokens[:, 0] for name in self.types if name in style.types]  # (B, channels) each
        if bool(tokens) != bool(self.speaker_channels):
            wanted = f"a speaker embedding (B, {self.speaker_channels})" if self.speaker_channels else "no speaker"
            raise ValueError(f"this U-Net takes {wanted}, but was given {'one' if tokens else 'none'}")
        if not tokens:
            return UNetCondition(mu, mask, None)
        embedding = torch.stack(tokens).sum(0)
        return UNetCondition(mu, mask, self.spk_mlp(embedding), embedding)

    def blend(
        self, a: UNetCondition, b: UNetCondition, weight: dict[str, Tensor], keep_mass: bool = False
    ) -> tuple[UNetCondition, None]:
        """The embeddings blended by the share of "speaker"; raises ValueError unless it is the same in all cells."""
        share = weight.get("speaker", torch.zeros_like(a.mu))
        if share.min() != share.max():
            raise ValueError("this checkpoint has no cross-attention, so it interpolates only linearly")
        embedding = mix(a.embedding, b.embedding, share.flatten()[0])
        return replace(a, speaker=self.spk_mlp(embedding), embedding=embedding), None

    def attention_sites(self) -> dict[str, Any]:
        return {}

    def forward(self, x: Tensor, t: Tensor, condition: UNetCondition, attention: None = None) -> Tensor:
        """Score of the noisy mel x at the times t; (B, 80, T), (B,) to (B, 80, T), zero outside the mask.

        Raises:
            ValueError: if attention is given: this network has no style attention to edit or record.
        """
        if attention is not None:
            raise ValueError("the `unet` estimator has no style attention; use `cross_unet`")
        time = self.mlp(self.time_pos_emb(t))
        images = [condition.mu, x]
        if condition.speaker is not None:
            images.append(condition.speaker[:, :, None].expand_as(x))
        hidden = torch.stack(images, 1)  # (B, 2 or 3, 80, T)
        # Level i sees every 2^i-th frame of the mask.
        masks = [condition.mask[:, None, :, :: 2**level] for level in range(len(self.downs))]  # (B, 1, 1, T / 2^i)

        skips = []
        for (resnet1, resnet2, attend, downsample), mask in zip(self.downs, masks, strict=True):
            hidden = attend(resnet2(resnet1(hidden, mask, time), mask, time))
            skips.append(hidden)
            hidden = downsample(masked(hidden, mask))
        hidden = self.mid_block1(hidden, masks[-1], time)
        hidden = self.mid_block2(self.mid_attn(hidden), masks[-1], time)
        for resnet1, resnet2, attend, upsample in self.ups:  # two levels up: the finest skip is never used
            mask = masks.pop()
            hidden = torch.cat([hidden, skips.pop()], dim=1)
            hidden = attend(resnet2(resnet1(hidden, mask, time), mask, time))
            hidden = upsample(masked(hidden, mask))

        mask = masks[0]
        output = masked(self.final_conv(self.final_block(hidden, mask)), mask)  # (B, 1, 80, T)
        return output.squeeze(1)
