"""What a model hears in a recording, who speaks and how, and the voices and manners that it knows by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from model.manner import MANNER, Manner, RateEstimator, measure_manner, speech_frames
from model.mel_filters import mel_corners
from model.style import StyleSource
from model.voice import VoiceEncoder
from params import Audio

_MOST = 4.0  # standard deviations of a manner: beyond lies nothing that was learned from


class Hearing(nn.Module):
    """Voice vectors (B, channels) and manners (B, 6), standardised, from mels and contours.

    Nothing downstream can tell whether they come from a recording or stand for a name. F0's level is in a manner as
    what is beyond the F0 that the voice leads to expect, `expected_log_f0`.
    """

    def __init__(self, audio: Audio, channels: int, speakers: int, emotions: int) -> None:
        """speakers, emotions: how many are known by name."""
        super().__init__()
        self.voice = VoiceEncoder(audio.n_mels, channels)
        self.rate = RateEstimator(audio.n_mels)
        self._frames_per_second = audio.sample_rate / audio.hop_length
        self._row_hz = torch.from_numpy(mel_corners(audio)[1:-1]).float()  # (n_mels,)
        self.requires_grad_(False)  # they learn before the rest, by `training.recordings`
        self.register_buffer("f0_of_voice", torch.zeros(channels + 1))  # a weight for each number, and a constant
        self.register_buffer("manner_mean", torch.zeros(len(MANNER)))
        self.register_buffer("manner_std", torch.ones(len(MANNER)))
        self.register_buffer("voices", torch.zeros(speakers, channels))
        self.register_buffer("manners", torch.zeros(speakers, emotions, len(MANNER)))
        self.register_buffer("usual_manners", torch.zeros(emotions, len(MANNER)))  # of any voice

    def load_networks(self, networks: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take over trained networks: `load_networks` of this module, with its own."""
        load_networks(networks, self.voice, self.rate)

    def expected_log_f0(self, voice: Tensor) -> Tensor:
        """(B, channels) -> (B,), natural log of Hz: the median that such a voice has as a rule."""
        return voice @ self.f0_of_voice[:-1] + self.f0_of_voice[-1]

    @torch.no_grad()
    def measured(
        self, mel: Tensor, log_f0: Tensor, voicing: Tensor, energy: Tensor, lengths: Tensor, phones: Tensor | None
    ) -> Manner:
        """The manner as it is measured, F0's level in natural log of Hz; arguments as of `measure_manner`.

        phones (B,): how many were spoken; None: estimated from the mel.
        """
        count = self.rate(mel, lengths).sum(1) if phones is None else phones
        rate = count / speech_frames(energy, lengths) * self._frames_per_second
        return measure_manner(mel, log_f0, voicing, energy, lengths, rate, self._row_hz.to(mel.device))

    def manner(self, measured: Manner, voice: Tensor) -> Tensor:
        """(B, 6), standardised, of a measured manner and the voice that it is spoken with."""
        beyond = replace(measured, f0_level=measured.f0_level - self.expected_log_f0(voice))
        return self.standardised(beyond.vector())

    def standardised(self, manner: Tensor) -> Tensor:
        """(B, 6), kept within what speech has."""
        return ((manner - self.manner_mean) / self.manner_std).clamp(-_MOST, _MOST)

    def natural(self, manner: Tensor) -> Manner:
        """The manner that standardised numbers (B, 6) stand for; its F0 level is beyond the voice's."""
        return Manner(*(manner * self.manner_std + self.manner_mean).unbind(1))

    def usual_log_f0(self, style: StyleSource) -> Tensor:
        """(B,), natural log of Hz: the median that a style's voice has in its manner."""
        style = self.named(style)
        index = MANNER.index("f0_level")
        beyond = style.emotion[:, index] * self.manner_std[index] + self.manner_mean[index]
        return self.expected_log_f0(style.speaker) + beyond

    def named(self, style: StyleSource) -> StyleSource:
        """The style with vectors in the place of ids (B,); vectors stay.

        A named emotion is the speaker's own where the speaker has a name too, else the usual one.
        """
        speaker, emotion = style.speaker, style.emotion
        if emotion is not None and not emotion.is_floating_point():
            own = speaker is not None and not speaker.is_floating_point()
            style = replace(style, emotion=self.manners[speaker, emotion] if own else self.usual_manners[emotion])
        if speaker is not None and not speaker.is_floating_point():
            style = replace(style, speaker=self.voices[speaker])
        return style


def load_networks(networks: Mapping[str, Mapping[str, Tensor]], voice: VoiceEncoder, rate: RateEstimator) -> None:
    """Give both the trained weights of "voice" and "rate". Raises ValueError if they do not fit."""
    try:
        voice.load_state_dict(networks["voice"])
        rate.load_state_dict(networks["rate"])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        what = "these are not networks of training.recordings, or not the networks of a model that hears like this one"
        raise ValueError(f"{what} ({reason})") from error
