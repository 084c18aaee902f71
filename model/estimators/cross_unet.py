"""This project's estimator: a 2-D U-Net whose cross-attention reads typed style tokens at every level."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.estimators.frame_network import FrameNetwork
from model.estimators.unet import TimeEmbedding
from model.lengths import masked
from model.style import TYPES, Style, mix
from model.style_attention import AttentionBlend, SiteCondition, StyleAttention
from model.style_pictures import FrameContours, Pictures, StylePictures, blend_pitch
from params import Audio, Params
from params import Estimator as EstimatorParams
from params import Style as StyleParams


class CellNorm(nn.Module):
    """Layer norm over the channels of each cell: independent of the utterance's length, padding and neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # channels last inside


class ResidualBlock(nn.Module):
    """Two convolutions with a residual; the noise level scales and shifts the second norm.

    x (B, C, F, T), embedding (B, E), mask (B, 1, 1, T) or None where every frame is valid -> (B, C, F, T).
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = CellNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * channels)
        self.norm2 = CellNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor, mask: Tensor | None) -> Tensor:
        hidden = self.conv1(masked(F.silu(self.norm1(x)), mask))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, 1)  # (B, C, 1, 1)
        hidden = self.norm2(hidden) * (1 + scale) + shift
        return x + self.conv2(masked(F.silu(hidden), mask))


class LinearAttention(nn.Module):
    """Attention over all valid cells, with cost linear in their number (Shen et al., arXiv 1812.01243)."""

    def __init__(self, channels: int, heads: int, head_channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = CellNorm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * heads * head_channels, 1)
        self.project = nn.Conv2d(heads * head_channels, channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        batch, _, rows, frames = x.shape
        query, key, value = self.to_qkv(self.norm(x)).view(batch, 3, self.heads, -1, rows * frames).unbind(1)
        key = key.to(torch.promote_types(key.dtype, torch.float32))  # (B, h, d, F * T)
        if mask is not None:
            cells = mask.expand(-1, 1, rows, -1).reshape(batch, 1, 1, rows * frames)
            key = key.masked_fill(cells == 0, -1e4)
        context = key.softmax(-1).to(value.dtype) @ value.transpose(-1, -2)  # (B, h, d_key, d_value)
        out = context.transpose(-1, -2) @ query.softmax(2)  # (B, h, d_value, F * T)
        return x + self.project(out.reshape(batch, -1, rows, frames))


class Downsample(nn.Module):
    """Halves both axes."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels_out, 3, stride=2, padding=1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.conv(masked(x, mask))


class Upsample(nn.Module):
    """Doubles both axes."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels_out, 4, stride=2, padding=1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.conv(masked(x, mask))


# Residual blocks of the way down, by level; the way up has the same, the middle two. A convolution costs about the same
# at every level, what goes with it costs four times more at each finer one.
BLOCKS = (1, 2, 1)
FRAME_SITE = "frames"  # the attention of the network along the frames, which has one row of cells
_TIME_SCALE = 16.0  # of log s, which lies in about [-4, 2]


@dataclass(frozen=True)
class CrossUNetCondition:
    """What does not depend on the latent or the noise level.

    mu (B, n_mels, T); mask (B, 1, T); sites: keys of the style by site; padded: whether any frame is masked; pictures:
    of text and style, zero outside the mask; contours: what they were drawn from. `CrossUNet.completed` adds cells
    (B, C, n_mels, T), which join the latent's first ones, and mean (B, n_mels, T), of an `Expectation`.
    """

    mu: Tensor
    mask: Tensor
    sites: dict[str, SiteCondition]
    padded: bool
    pictures: Pictures | None = None
    contours: FrameContours | None = None
    cells: Tensor | None = None
    mean: Tensor | None = None

    def expected(self) -> Tensor:
        """x_0 without a latent, (B, n_mels, T): mu, and if it is known, the mean."""
        residual = 0 if self.mean is None else self.mean.to(self.mu.dtype)
        return (self.mu + residual) * self.mask


class CrossUNet(nn.Module):
    """Three levels over (mel bin, frame); style attention on the way down, in the middle and on the way up. Before
    them, if `params.estimator.frame_channels` is not 0, a network over frames alone.

    The noise level modulates every residual block; the style enters through attention and the pictures alone, so that
    whatever is blended there is blended everywhere.
    """

    length_multiple = 4
    types = TYPES
    attends = True

    def __init__(
        self, params: EstimatorParams, style: StyleParams, audio: Audio, content_pictures: int, residual_std: float
    ) -> None:
        """residual_std: of x_0 - mu (`params.diffusion`)."""
        super().__init__()
        self.residual_std = residual_std
        widths = [params.channels * 2**level for level in range(len(BLOCKS))]
        embedding = 4 * params.channels
        types = TYPES if style.kind == "typed" else ("bundled",)

        def attention(level: int, channels: int | None = None) -> StyleAttention:
            return StyleAttention(
                widths[level] if channels is None else channels,
                style.token_channels,
                params.heads[level],
                params.head_channels,
                types,
                style.prior_width,
            )

        def blocks(level: int) -> nn.ModuleList:
            return nn.ModuleList(ResidualBlock(widths[level], embedding) for _ in range(BLOCKS[level]))

        self.pictures = StylePictures(audio, style.token_channels, style.prior_width)
        self.time = nn.Sequential(
            TimeEmbedding(params.channels, _TIME_SCALE),
            nn.Linear(params.channels, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
            nn.SiLU(),
        )
        pictures, width = 3 + content_pictures, params.frame_channels
        self.frames = None
        if width:
            self.frames = FrameNetwork(pictures, audio.n_mels, width, widths[0], attention(-1, width))
        self.conv_in = nn.Conv2d(1 + pictures, widths[0], 3, padding=1)
        levels = range(len(BLOCKS))
        self.down_blocks = nn.ModuleList(blocks(i) for i in levels)
        self.down_attention = nn.ModuleList(attention(i) for i in levels)
        self.downsample = nn.ModuleList(Downsample(widths[i], widths[i + 1]) for i in levels[:-1])
        self.middle_in = ResidualBlock(widths[-1], embedding)
        self.middle_self = LinearAttention(widths[-1], params.heads[-1], 32)
        self.middle_attention = attention(len(BLOCKS) - 1)
        self.middle_out = ResidualBlock(widths[-1], embedding)
        self.merge = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths)
        self.up_blocks = nn.ModuleList(blocks(i) for i in levels)
        # Not at the finest level again, where cells are many and attention is expensive.
        self.up_attention = nn.ModuleDict({str(i): attention(i) for i in levels[1:]})
        self.upsample = nn.ModuleList(Upsample(widths[i + 1], widths[i]) for i in levels[:-1])
        self.norm_out = CellNorm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 1, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    @property
    def expects(self) -> bool:
        return self.frames is not None

    @classmethod
    def of(cls, params: Params) -> CrossUNet:
        residual_std = params.diffusion.residual_std
        return cls(params.estimator, params.style, params.audio, params.encoder.content_pictures, residual_std)

    def attention_sites(self) -> dict[str, tuple[int, StyleAttention]]:
        """Every style attention by name, with its level (0: finest)."""
        sites = {} if self.frames is None else {FRAME_SITE: (0, self.frames.attention)}
        sites |= {f"down{level}": (level, site) for level, site in enumerate(self.down_attention)}
        sites["middle"] = (len(BLOCKS) - 1, self.middle_attention)
        sites |= {f"up{level}": (int(level), site) for level, site in self.up_attention.items()}
        return sites

    def prepare(
        self, mu: Tensor, mask: Tensor, style: Style, frame_position: Tensor, content: Tensor
    ) -> CrossUNetCondition:
        """Draw the pictures and make the keys, once per utterance.

        mu (B, n_mels, T); mask (B, 1, T); frame_position (B, T) in [0, 1] of the whole utterance; content
        (B, content_pictures, n_mels, T), drawn from the text encoder.
        Raises ValueError if T is not a multiple of 4.
        """
        if mu.shape[-1] % self.length_multiple:
            raise ValueError(f"the number of frames must be a multiple of {self.length_multiple}, not {mu.shape[-1]}")
        pictures, contours = self._draw(mu, mask, style, frame_position, content)
        sites = {
            name: site.prepare(style, frame_position[:, :: 2**level])
            for name, (level, site) in self.attention_sites().items()
        }
        return CrossUNetCondition(mu, mask, sites, bool((mask == 0).any()), pictures, contours)

    def mean(self, mu: Tensor, mask: Tensor, style: Style, frame_position: Tensor, content: Tensor) -> Tensor:
        """The mean alone of `FrameNetwork`, (B, n_mels, T); arguments as of `prepare`."""
        pictures, _ = self._draw(mu, mask, style, frame_position, content)
        keys = self.frames.attention.prepare(style, frame_position)
        return self.frames(pictures.stacked(), mask, lambda hidden: self.frames.attention(hidden, keys)).mean

    def _draw(
        self, mu: Tensor, mask: Tensor, style: Style, frame_position: Tensor, content: Tensor
    ) -> tuple[Pictures, FrameContours]:
        contours = self.pictures.contours(style, mu, frame_position)
        pictures = Pictures(
            mu=mu * mask,
            pitch=self.pictures.draw_pitch(contours) * mask,
            energy=self.pictures.draw_energy(contours) * mask,
            content=content * mask[:, None],
        )
        return pictures, contours

    def completed(self, condition: CrossUNetCondition, attention: AttentionBlend | None = None) -> CrossUNetCondition:
        """The condition with cells and mean, made of its pictures and keys."""
        images = condition.pictures.stacked()
        weight = self.conv_in.weight[:, 1:]
        cells = F.conv2d(images.contiguous(memory_format=torch.channels_last), weight, padding=1)
        if self.frames is None:
            return replace(condition, cells=cells)
        expected = self.frames(
            images,
            condition.mask if condition.padded else None,
            lambda hidden: self._attend(FRAME_SITE, self.frames.attention, hidden, condition, attention),
        )
        return replace(condition, cells=cells + self.frames.cells(expected), mean=expected.mean)

    @staticmethod
    def _attend(
        name: str,
        site: StyleAttention,
        hidden: Tensor,
        condition: CrossUNetCondition,
        attention: AttentionBlend | None,
    ) -> Tensor:
        other = attention.other.sites[name] if attention is not None else None
        return site(hidden, condition.sites[name], attention, other, name)

    def blend(
        self,
        a: CrossUNetCondition,
        b: CrossUNetCondition,
        weight: dict[str, Tensor],
        keep_mass: bool = False,
        drawn_share: Tensor | None = None,
    ) -> tuple[CrossUNetCondition, AttentionBlend]:
        """Two styles over the same frames as one condition (a's keys, blended pictures) and the edit that brings in b.

        weight: for each type, a's share of the cells, (1, n_mels, T); types left out are b's. A model of bundled style
        has one attention, which takes the pitch's field.
        A pitch field that is the same in all rows of every frame blends contours (one pitch in between, one comb), if
        both are known; any other blends the two pictures. So does energy, whose picture is the same in all rows.
        drawn_share: a's share (1, T) of the contour that is drawn, whatever the field says.
        """
        zeros = torch.zeros_like(a.mu)
        fields = {name: weight.get(name, zeros) for name in TYPES}
        pitch, energy = (
            mix(getattr(a.pictures, name), getattr(b.pictures, name), fields[name]) for name in ("pitch", "energy")
        )
        share = fields["pitch"][:, 0] if drawn_share is None else drawn_share  # (1, T)
        even = drawn_share is not None or torch.equal(fields["pitch"], share[:, None].expand_as(fields["pitch"]))
        if even and bool((a.contours.pitch_known & b.contours.pitch_known).all()):
            pitch = self.pictures.draw_pitch(blend_pitch(a.contours, b.contours, share)) * a.mask
        attended = {"bundled": fields["pitch"]} if "bundled" in a.sites["middle"].keys else weight
        pictures = replace(b.pictures, pitch=pitch, energy=energy)
        attention = AttentionBlend(b, attended, keep_mass)
        return replace(a, pictures=pictures), attention

    def forward(
        self, x: Tensor, t: Tensor, condition: CrossUNetCondition, attention: AttentionBlend | None = None
    ) -> Tensor:
        """EDM's F (B, n_mels, T), zero outside the mask; x (B, n_mels, T) scaled noisy residual, t (B,) log s."""

        def attend(name: str, site: StyleAttention, hidden: Tensor) -> Tensor:
            return self._attend(name, site, hidden, condition, attention)

        mask = condition.mask[:, None]  # (B, 1, 1, T)
        masks = [mask[..., :: 2**level] if condition.padded else None for level in range(len(BLOCKS))]
        embedding = self.time(t)
        x = (x * condition.mask)[:, None]  # (B, 1, n_mels, T)
        weight = self.conv_in.weight[:, :1]
        hidden = F.conv2d(x, weight, self.conv_in.bias, padding=1)  # of one channel, so its order says nothing
        hidden = hidden.contiguous(memory_format=torch.channels_last) + condition.cells.to(hidden.dtype)
        skips = []
        for level, blocks in enumerate(self.down_blocks):
            for block in blocks:
                hidden = block(hidden, embedding, masks[level])
            hidden = attend(f"down{level}", self.down_attention[level], hidden)
            skips.append(hidden)
            if level < len(self.downsample):
                hidden = self.downsample[level](hidden, masks[level])
        hidden = self.middle_self(self.middle_in(hidden, embedding, masks[-1]), masks[-1])
        hidden = self.middle_out(attend("middle", self.middle_attention, hidden), embedding, masks[-1])
        for level in reversed(range(len(BLOCKS))):
            hidden = self.merge[level](torch.cat([hidden, skips.pop()], 1))
            for block in self.up_blocks[level]:
                hidden = block(hidden, embedding, masks[level])
            if level:
                hidden = attend(f"up{level}", self.up_attention[str(level)], hidden)
                hidden = self.upsample[level - 1](hidden, masks[level])
        output = self.conv_out(masked(F.silu(self.norm_out(hidden)), masks[0]))  # (B, 1, n_mels, T)
        output = output[:, 0]
        if condition.mean is not None:
            output = output + self._share_of_mean(t)[:, None, None] * condition.mean
        return output * condition.mask

    def _share_of_mean(self, t: Tensor) -> Tensor:
        """What the expected residual counts in F where no latent is known, (B,): s / (sd sqrt(sd^2 + s^2))."""
        s = t.exp()
        return s / (self.residual_std * (self.residual_std**2 + s**2).sqrt())
