"""The official Grad-TTS U-Net: same state dict, same numbers.

Its group norms and its attention see padded frames, so an item's output depends on the padding of its batch. Official
weights were trained so; for them, run items one by one or batch those of equal padded length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from model.lengths import masked
from model.style import Style, mix
from params import Params

GROUPS = 8  # of every group normalisation


class TimeEmbedding(nn.Module):
    """[sin | cos] of a time at geometrically spaced frequencies from 1 down to 1/10000, (B,) to (B, channels)."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.channels = channels
        self.scale = scale

    def extra_repr(self) -> str:
        return f"{self.channels}, scale={self.scale}"  # two that differ in no weight are told apart by it

    def forward(self, t: Tensor) -> Tensor:
        half = self.channels // 2
        exponent = torch.arange(half, device=t.device, dtype=t.dtype) * -(math.log(10000) / (half - 1))
        angle = self.scale * t[:, None] * exponent.exp()  # (B, channels / 2)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Block(nn.Module):
    """Convolution, group norm, Mish; masked before and after. The norm's statistics include padded frames."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.GroupNorm(GROUPS, channels_out), nn.Mish()
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return masked(self.block(masked(x, mask)), mask)


class ResnetBlock(nn.Module):
    """Two blocks with the time added between them, and a residual. x (B, C, F, T), mask (B, 1, 1, T), time (B, E)."""

    def __init__(self, channels_in: int, channels_out: int, time_channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(time_channels, channels_out))
        self.block1 = Block(channels_in, channels_out)
        self.block2 = Block(channels_out, channels_out)
        same = channels_in == channels_out
        self.res_conv = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, mask: Tensor, time: Tensor) -> Tensor:
        hidden = self.block1(x, mask) + self.mlp(time)[:, :, None, None]
        return self.block2(hidden, mask) + self.res_conv(masked(x, mask))


class LinearAttention(nn.Module):
    """Attention with cost linear in the number of cells (Shen et al., arXiv 1812.01243).

    Keys are normalised over all cells, padded ones included; queries are neither normalised nor scaled.
    """

    def __init__(self, channels: int, heads: int = 4, head_channels: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Conv2d(channels, 3 * heads * head_channels, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        qkv = self.to_qkv(x).view(batch, 3, self.heads, -1, height * width)
        query, key, value = qkv.unbind(1)  # (B, heads, C, F * T) each
        context = key.softmax(-1) @ value.transpose(-1, -2)  # (B, heads, C_key, C_value)
        out = context.transpose(-1, -2) @ query  # (B, heads, C_value, F * T)
        return self.to_out(out.reshape(batch, -1, height, width))


class Rezero(nn.Module):
    """A function times a learned gate that starts at 0 (Bachlechner et al., arXiv 2003.04887)."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.g = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(x) * self.g


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(x) + x


def gated_attention(channels: int) -> nn.Module:
    """The attention that closes every level."""
    return Residual(Rezero(LinearAttention(channels)))


class Downsample(nn.Module):
    """Halves both axes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Doubles both axes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


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

    def expected(self) -> Tensor:
        return self.mu * self.mask


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
    attends = expects = False

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
        self,
        a: UNetCondition,
        b: UNetCondition,
        weight: dict[str, Tensor],
        keep_mass: bool = False,
        drawn_share: Tensor | None = None,
    ) -> tuple[UNetCondition, None]:
        """The embeddings blended by the share of "speaker"; raises ValueError unless it is the same in all cells."""
        share = weight.get("speaker", torch.zeros_like(a.mu))
        if share.min() != share.max():
            raise ValueError("this model has no cross-attention, so it interpolates only linearly")
        embedding = mix(a.embedding, b.embedding, share.flatten()[0])
        return replace(a, speaker=self.spk_mlp(embedding), embedding=embedding), None

    def completed(self, condition: UNetCondition, attention: None = None) -> UNetCondition:
        return condition

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
