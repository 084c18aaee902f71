"""The two discriminators: one looks at the audio folded by five periods, one at three scales of it.

Source: Kong, Kim, Bae, "HiFi-GAN", 2020, section 2.3. Under the published names (`hifigan.checkpoint`) their state
dicts are those of the published `do_*` files.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from hifigan.generator import leaky

PERIODS = (2, 3, 5, 7, 11)
CHANNELS = 1024  # of the widest layer in the paper
CHANNEL_STEP = 128  # the groups of the scale discriminator divide all layers only at multiples of it

Judgement = tuple[list[Tensor], list[list[Tensor]]]  # scores, and the features of every layer, by sub-discriminator


def _judge(convs: nn.ModuleList, conv_post: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    features = []
    for conv in convs:
        x = leaky(conv(x))
        features.append(x)
    x = conv_post(x)
    features.append(x)
    return x.flatten(1), features  # (B, positions)


class PeriodDiscriminator(nn.Module):
    """2-D convolutions along time over audio folded into rows of `period` samples."""

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = (1, channels // 32, channels // 8, channels // 2, channels, channels)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (5, 1), (stride, 1), padding=(2, 0)))
            for before, after, stride in zip(widths[:-1], widths[1:], (3, 3, 3, 3, 1), strict=True)
        )
        self.conv_post = weight_norm(nn.Conv2d(channels, 1, (3, 1), padding=(1, 0)))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, N) -> scores (B, positions) and the features of each layer."""
        batch, _, samples = audio.shape
        audio = functional.pad(audio, (0, -samples % self.period), "reflect")
        folded = audio.view(batch, 1, -1, self.period)  # (B, 1, N / period, period)
        return _judge(self.convs, self.conv_post, folded)


class ScaleDiscriminator(nn.Module):
    """Grouped, strided 1-D convolutions."""

    def __init__(self, channels: int, spectral: bool) -> None:
        super().__init__()
        norm = spectral_norm if spectral else weight_norm
        c = channels
        layers = (  # channels in, channels out, kernel, stride, groups
            (1, c // 8, 15, 1, 1),
            (c // 8, c // 8, 41, 2, 4),
            (c // 8, c // 4, 41, 2, 16),
            (c // 4, c // 2, 41, 4, 16),
            (c // 2, c, 41, 4, 16),
            (c, c, 41, 1, 16),
            (c, c, 5, 1, 1),
        )
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(before, after, kernel, stride, groups=groups, padding=kernel // 2))
            for before, after, kernel, stride, groups in layers
        )
        self.conv_post = norm(nn.Conv1d(c, 1, 3, padding=1))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, N) -> scores (B, positions) and the features of each layer."""
        return _judge(self.convs, self.conv_post, audio)


def _check_channels(channels: int) -> None:
    if channels < CHANNEL_STEP or channels % CHANNEL_STEP:
        raise ValueError(f"the discriminators' channels must be a multiple of {CHANNEL_STEP}, not {channels}")


class MultiPeriodDiscriminator(nn.Module):
    """One `PeriodDiscriminator` for each of `PERIODS`."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        _check_channels(channels)
        self.discriminators = nn.ModuleList(PeriodDiscriminator(period, channels) for period in PERIODS)

    def forward(self, audio: Tensor) -> Judgement:
        """(B, 1, N) -> scores and features, a list entry for each period."""
        judged = [discriminator(audio) for discriminator in self.discriminators]
        return [scores for scores, _ in judged], [features for _, features in judged]


class MultiScaleDiscriminator(nn.Module):
    """A `ScaleDiscriminator` for the audio as it is, and for its averages by 2 and by 4."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        _check_channels(channels)
        self.discriminators = nn.ModuleList(ScaleDiscriminator(channels, spectral=scale == 0) for scale in range(3))
        self.pool = nn.AvgPool1d(4, 2, padding=2)

    def forward(self, audio: Tensor) -> Judgement:
        """(B, 1, N) -> scores and features, a list entry for each scale."""
        scores, features = [], []
        for scale, discriminator in enumerate(self.discriminators):
            audio = self.pool(audio) if scale else audio  # (B, 1, about N / 2 ** scale)
            score, feature = discriminator(audio)
            scores.append(score)
            features.append(feature)
        return scores, features
