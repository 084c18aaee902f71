"""Contours drawn as images beside x and mu: the voiced source at the frame's F0, and the frame's energy.

Attention carries each contour to the frames first, and only then is it drawn: averaging pictures would smear two combs
into none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from model.local_window import local_window
from model.source_picture import SourcePicture
from model.style import CONTOUR_TYPES, Style, TypedTokens
from model.style_attention import POSITION_FEATURES, position_features
from params import Audio

_QUERY_CHANNELS = 16


@dataclass(frozen=True)
class FrameContours:
    """Contours at the target's frames, each (B, T); known_* are (B,) bool."""

    log_f0: Tensor
    voicing: Tensor
    energy: Tensor
    pitch_known: Tensor
    energy_known: Tensor


@dataclass(frozen=True)
class Pictures:
    """What the decoder sees beside x, each (B, n_mels, T) but content, (B, pictures, n_mels, T)."""

    mu: Tensor
    pitch: Tensor  # the voiced source at the frame's F0
    energy: Tensor
    content: Tensor

    def stacked(self) -> Tensor:
        """(B, 3 + content, n_mels, T), in the order of the fields."""
        return torch.cat([self.mu[:, None], self.pitch[:, None], self.energy[:, None], self.content], 1)


class StylePictures(nn.Module):
    """Carries the pitch and energy types to the frames and draws them.

    The queries see mu and the frame's place in the utterance, so the pictures are drawn once per utterance.
    """

    def __init__(self, audio: Audio, token_channels: int, prior_width: float) -> None:
        super().__init__()
        self.source = SourcePicture(audio)
        self.mu_query = nn.ModuleDict({name: nn.Linear(audio.n_mels, _QUERY_CHANNELS) for name in CONTOUR_TYPES})
        self.position_query = nn.Linear(POSITION_FEATURES, _QUERY_CHANNELS, bias=False)
        self.to_key = nn.ModuleDict({name: nn.Linear(token_channels, _QUERY_CHANNELS) for name in CONTOUR_TYPES})
        self.position_key = nn.Linear(POSITION_FEATURES, _QUERY_CHANNELS, bias=False)
        self.log_prior_width = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(math.log(prior_width))) for name in CONTOUR_TYPES}
        )
        # What the images show where the type is unknown.
        self.unknown = nn.ParameterDict({name: nn.Parameter(torch.zeros(audio.n_mels)) for name in CONTOUR_TYPES})

    def contours(self, style: Style, mu: Tensor, frame_position: Tensor) -> FrameContours:
        """The style's contours carried to the frames of mu (B, n_mels, T); frame_position (B, T)."""
        pitch, energy = style.types["pitch"], style.types["energy"]
        pitch_values = self._carry("pitch", pitch, mu, frame_position)  # (B, T, 2): voicing * log F0, voicing
        voicing = pitch_values[..., 1]
        return FrameContours(
            log_f0=pitch_values[..., 0] / voicing.clamp(min=1e-4),
            voicing=voicing,
            energy=self._carry("energy", energy, mu, frame_position)[..., 0],
            pitch_known=pitch.known,
            energy_known=energy.known,
        )

    def draw_pitch(self, contours: FrameContours) -> Tensor:
        """The source at the frames' F0, (B, n_mels, T)."""
        source = self.source(contours.log_f0, contours.voicing)
        return self._where_known(source, contours.pitch_known, "pitch")

    def draw_energy(self, contours: FrameContours) -> Tensor:
        """The frames' energy in every row, (B, n_mels, T)."""
        energy = contours.energy[:, None].expand(-1, len(self.unknown["energy"]), -1)
        return self._where_known(energy, contours.energy_known, "energy")

    def _where_known(self, picture: Tensor, known: Tensor, name: str) -> Tensor:
        return torch.where(known[:, None, None], picture, self.unknown[name][:, None].to(picture.dtype))

    def _carry(self, name: str, tokens: TypedTokens, mu: Tensor, frame_position: Tensor) -> Tensor:
        """The tokens' values at the frames, (B, T, V), by attention to the tokens near each frame."""
        query = self.mu_query[name](mu.transpose(1, 2)) + self.position_query(position_features(frame_position))
        key = self.to_key[name](tokens.tokens) + self.position_key(position_features(tokens.positions))
        window = local_window(tokens, frame_position)
        logits = (window.gather(key) * query[:, :, None]).sum(-1) / math.sqrt(_QUERY_CHANNELS)  # (B, T, W)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        weights = (logits + window.bias(self.log_prior_width[name].exp())).softmax(-1)
        return (weights[..., None] * window.gather(tokens.values)).sum(2)


def blend_pitch(a: FrameContours, b: FrameContours, share: Tensor) -> FrameContours:
    """A pitch in between, frame by frame: log F0 is sum w v log F0 / sum w v, v voicing, and voicing sum w v.

    share: a's (1 or B, T). The rest is a's; so is everything where the two are equal, to the bit.
    """
    voiced_a, voiced_b = share * a.voicing, (1 - share) * b.voicing
    voicing = voiced_a + voiced_b
    # Where nothing is voiced the picture is empty, whatever the F0.
    log_f0 = (voiced_a * a.log_f0 + voiced_b * b.log_f0) / voicing.clamp(min=torch.finfo(voicing.dtype).tiny)
    same = (a.log_f0 == b.log_f0) & (a.voicing == b.voicing)
    return replace(a, log_f0=torch.where(same, a.log_f0, log_f0), voicing=torch.where(same, a.voicing, voicing))
