"""How somebody speaks in general: a few numbers, too few to carry words.

Of an utterance: how high and how lively its F0 is, how fast it goes, how loud and how dynamic it is, and with how much
effort it is spoken (loud voices have more of their energy above 1 kHz). An emotion's name stands for such numbers, a
recording has its own, and a user may give them. F0's level is what a recording has beyond what its voice predicts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.lengths import sequence_mask
from model.voice import without_gain

_SPEECH = 3.0  # natural log of amplitude below an utterance's loud frames: what is quieter is a pause
_HEARD = 4.1  # likewise, 36 dB: what is quieter is not heard
_EFFORT_HZ = 1000.0
_MOST_LOUDER = 1.4  # natural log of amplitude, 12 dB: an energy that lies farther off fits the text badly
_SMOOTHING = tuple(i / 16 for i in (1, 2, 3, 4, 3, 2, 1))  # weights of neighbouring frames
_MOVES, _MOST_WIDER = 0.02, 3.0  # natural log of Hz, a third of a semitone; factor


@dataclass(frozen=True)
class Manner:
    """Each (B,): f0_level, natural log of Hz (of the median, or beyond what the voice predicts); f0_range, natural log,
    half of what lies between the 10th and the 90th percentile; rate, natural log of phones a second of speech; level
    and dynamics, natural log of amplitude: the mean of what is heard, and from the median of the voiced frames up to
    the loud ones; effort, natural log: the energy above 1 kHz beside that below.
    """

    f0_level: Tensor
    f0_range: Tensor
    rate: Tensor
    level: Tensor
    dynamics: Tensor
    effort: Tensor

    def vector(self) -> Tensor:
        """(B, 6), in the order of `MANNER`."""
        return torch.stack([getattr(self, name) for name in MANNER], 1)


MANNER = tuple(field.name for field in fields(Manner))


@torch.no_grad()
def measure_manner(
    mel: Tensor, log_f0: Tensor, voicing: Tensor, energy: Tensor, lengths: Tensor, rate: Tensor, row_hz: Tensor
) -> Manner:
    """The manner of utterances.

    mel (B, n_mels, T), natural log; log_f0 (B, T), any value where voicing (B, T) is 0; energy (B, T), natural log of
    amplitude (`data.mel`); lengths (B,); rate (B,), phones a second; row_hz (n_mels,), centres of the mel's rows.
    An utterance without a voiced frame has the F0 of none: 0 in level and range.
    """
    inside = sequence_mask(lengths, mel.shape[2]).squeeze(1) > 0  # (B, T)
    voiced = inside & (voicing > 0.5)
    low, middle, high = _quantiles(log_f0, voiced, (0.1, 0.5, 0.9))
    (loud,) = _quantiles(energy, inside, (0.9,))
    speech = voiced & (energy > loud[:, None] - _SPEECH)
    (usual,) = _quantiles(energy, speech, (0.5,))
    above = row_hz > _EFFORT_HZ
    tilt = mel[:, above].logsumexp(1) - mel[:, ~above].logsumexp(1)  # (B, T)
    (effort,) = _quantiles(tilt, speech, (0.5,))
    return Manner(
        f0_level=middle,
        f0_range=0.5 * (high - low),
        rate=rate.clamp(min=0.1).log(),
        level=_level(energy, inside, loud),
        dynamics=loud - usual,
        effort=effort,
    )


def contours_in_manner(
    log_f0: Tensor, energy: Tensor, voicing: Tensor, inside: Tensor, manner: Manner
) -> tuple[Tensor, Tensor]:
    """Predicted contours (B, T) with the F0 range and the level of a manner: log_f0 stretched about the median of its
    voiced frames, energy (natural log of amplitude) moved.

    A prediction is a mean of what could be said, so its melody is flatter than anybody's, and a livelier manner moves
    it by half. voicing (B, T); inside (B, T) bool. A contour that hardly moves is no melody, and stays.
    """
    low, middle, high = _quantiles(log_f0, inside & (voicing > 0.5), (0.1, 0.5, 0.9))
    half = 0.5 * (high - low)
    wider = (manner.f0_range / half.clamp(min=_MOVES)).clamp(1 / _MOST_WIDER, _MOST_WIDER)
    wider = torch.where(half > _MOVES, wider, 1.0)[:, None]
    middle = middle[:, None]
    (loud,) = _quantiles(energy, inside, (0.9,))
    louder = manner.level - _level(energy, inside, loud)
    return middle + (log_f0 - middle) * wider, energy + louder[:, None]


def speech_frames(energy: Tensor, lengths: Tensor) -> Tensor:
    """(B,): how many frames from the first to the last that is no pause, by energy (B, T)."""
    inside = sequence_mask(lengths, energy.shape[1]).squeeze(1) > 0
    (loud,) = _quantiles(energy, inside, (0.9,))
    heard = inside & (energy > loud[:, None] - _SPEECH)
    frame = torch.arange(energy.shape[1], device=energy.device)
    last = torch.where(heard, frame, -1).amax(1)
    first = torch.where(heard, frame, energy.shape[1]).amin(1)
    return (last - first + 1).clamp(min=1)


def level_of_mel(mel: Tensor, lengths: Tensor) -> Tensor:
    """The level of a natural-log mel (B, n_mels, T); lengths (B,) -> (B,)."""
    return level_of_energy(energy_of_mel(mel), lengths)


def energy_of_mel(mel: Tensor) -> Tensor:
    """Natural-log mel (B, n_mels, T) -> energy (B, T), natural log of amplitude, as `data.mel.frame_energy`."""
    return 0.5 * (2 * mel).logsumexp(1)


def lacking_energy(mel: Tensor, energy: Tensor, lengths: Tensor) -> Tensor:
    """How much louder, (B, T) in natural log of amplitude, a mel (B, n_mels, T) must be to have an energy (B, T).

    Bounded, smoothed over neighbouring frames; 0 inside a pause, which keeps its noise, and where the energy is NaN.
    """
    inside = sequence_mask(lengths, mel.shape[2]).squeeze(1) > 0  # (B, T)
    present = energy_of_mel(mel)
    (loud,) = _quantiles(energy, inside, (0.9,))
    heard = inside & (torch.maximum(energy, present) > loud[:, None] - _HEARD)
    lacking = ((energy - present) * heard).nan_to_num(0.0).clamp(-_MOST_LOUDER, _MOST_LOUDER)
    kernel = lacking.new_tensor(_SMOOTHING)[None, None]
    return F.conv1d(lacking[:, None], kernel, padding=len(_SMOOTHING) // 2).squeeze(1) * inside


def level_of_energy(energy: Tensor, lengths: Tensor) -> Tensor:
    """The level, as manners have it, of energies (B, T), natural log of amplitude; lengths (B,) -> (B,)."""
    inside = sequence_mask(lengths, energy.shape[1]).squeeze(1) > 0
    (loud,) = _quantiles(energy, inside, (0.9,))
    return _level(energy, inside, loud)


def _level(energy: Tensor, inside: Tensor, loud: Tensor) -> Tensor:
    """(B, T), (B, T) bool, (B,): of the loud frames -> (B,): the mean energy of what is heard."""
    heard = inside & (energy > loud[:, None] - _HEARD)
    return (energy * heard).sum(1) / heard.sum(1).clamp(min=1)


def _quantiles(values: Tensor, chosen: Tensor, shares: tuple[float, ...]) -> Tensor:
    """(B, T), (B, T) bool -> (shares, B); 0 for an item with nothing chosen."""
    found = values.masked_fill(~chosen, torch.nan).nanquantile(values.new_tensor(shares), dim=1)
    return found.nan_to_num(0.0)


class RateEstimator(nn.Module):
    """How many phones a second a recording has, without its words: their density in every frame, added up."""

    def __init__(self, n_mels: int, width: int = 64) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(channels, width, 5, padding=2) for channels in (n_mels, width, width))
        self.density = nn.Conv1d(width, 1, 1)

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """mel (B, n_mels, T), natural log; lengths (B,) -> (B, T): phones a frame, 0 past the end.

        Its sum is the number of phones; learned from that number alone, by Poisson deviance.
        """
        mask = sequence_mask(lengths, mel.shape[2], mel.dtype)  # (B, 1, T)
        hidden = 0.5 * without_gain(mel, mask)
        for conv in self.convs:
            hidden = F.silu(conv(hidden)) * mask
        return (F.softplus(self.density(hidden)) * mask).squeeze(1)
