"""The text encoder of CondGradTTS: the official layers, told the speaker, with more to say to the decoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import params
from model.contour import ContourPredictor
from model.manner import MANNER, Manner
from model.style import label_widths
from model.text_encoder import TextEncoder

LOUDNESS = [MANNER.index(name) for name in ("level", "effort")]  # what mu reads of a manner


@dataclass(frozen=True)
class CondTextEncoding:
    """What each token is, before it is spread over frames; all zero outside the mask.

    mu (B, n_mels, S); log_durations (B, S), natural log of the expected frames; voicing (B, S), logit of the share of
    voiced frames; log_f0, energy (B, S), standardised; content (B, pictures * n_mels, S); mask (B, 1, S). manner: what
    the contours are to have, where the model hears.
    """

    mu: Tensor
    log_durations: Tensor
    voicing: Tensor
    log_f0: Tensor
    energy: Tensor
    content: Tensor
    mask: Tensor
    manner: Manner | None = None

    def to(self, dtype: torch.dtype) -> CondTextEncoding:
        """The same in another precision; the manner stays as it is."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{name: value.to(dtype) for name, value in tensors.items()})


class CondTextEncoder(nn.Module):
    """mu, content and voicing see the text and the speaker; durations, F0 and energy see the emotion too.

    Where the emotion is a manner, mu sees its level and effort besides, and nothing of its F0.
    speakers, emotions: sizes of the tables; not used where `style` asks for vectors.
    """

    def __init__(
        self, n_symbols: int, n_mels: int, config: params.Encoder, style: params.Style, speakers: int, emotions: int
    ) -> None:
        super().__init__()
        self.text = TextEncoder(n_symbols, n_mels, config)
        speaker_width, emotion_width = label_widths(style)
        self.speaker = _label_vector(speakers, speaker_width, config.channels)
        self.duration_speaker = _label_vector(speakers, speaker_width, config.channels)
        self.duration_emotion = _label_vector(emotions, emotion_width, config.channels)
        self.contour_speaker = _label_vector(speakers, speaker_width, config.channels)
        self.contour_emotion = _label_vector(emotions, emotion_width, config.channels)
        self.loudness = None
        if style.voice_channels:
            self.loudness = nn.Linear(len(LOUDNESS), config.channels, bias=False)
            nn.init.zeros_(self.loudness.weight)
        self.contours = ContourPredictor(config.channels, config.filter_channels_duration, config.dropout)
        drawn = config.content_pictures * n_mels
        self.content = nn.Conv1d(config.channels, drawn, 1)
        self.local = None
        if config.local_channels:
            self.local = LocalNetwork(config.channels, config.local_channels, (n_mels, drawn))
        self.voicing = nn.Conv1d(config.channels, 1, 1)

    def forward(self, ids: Tensor, lengths: Tensor, speaker: Tensor, emotion: Tensor) -> CondTextEncoding:
        """ids (B, S), lengths (B,), speaker and emotion ids (B,) or vectors (B, width)."""
        symbols, mask = self.text.look_up(ids, lengths)
        who = self.speaker(speaker)  # (B, C)
        if self.loudness is not None:
            who = who + self.loudness(emotion[:, LOUDNESS])
        hidden = self.text.encoder(self.text.prenet(symbols, mask) + who[:, :, None], mask)  # (B, C, S)
        mu, content = self.text.proj_m(hidden), self.content(hidden)
        if self.local is not None:
            local_mu, local_content = self.local(symbols + who[:, :, None], mask)
            mu, content = mu + local_mu, content + local_content
        pace = self.duration_speaker(speaker) + self.duration_emotion(emotion)
        melody = self.contour_speaker(speaker) + self.contour_emotion(emotion)
        # What predicts prosody must not shape the encoder (Grad-TTS, section 3.4).
        durations = self.text.proj_w(hidden.detach() + pace[:, :, None], mask)
        log_f0, energy = self.contours(hidden.detach() + melody[:, :, None], mask)
        return CondTextEncoding(
            mu=mu * mask,
            log_durations=durations.squeeze(1),
            voicing=(self.voicing(hidden) * mask).squeeze(1),
            log_f0=log_f0,
            energy=energy,
            content=content * mask,
            mask=mask,
        )


class LocalNetwork(nn.Module):
    """What a symbol and its two neighbours to either side add, whatever the rest of the text is.

    Layers of attention blur which phone it was, above all in words that are new; here it stays plain. Adds nothing
    until it has learned something.
    """

    def __init__(self, channels: int, local_channels: int, widths: tuple[int, ...]) -> None:
        """widths: of the parts of the output."""
        super().__init__()
        self.widths = widths
        self.along = nn.Conv1d(channels, local_channels, 5, padding=2)
        self.to_parts = nn.Conv1d(local_channels, sum(widths), 1, bias=False)
        nn.init.zeros_(self.to_parts.weight)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """x (B, C, S), mask (B, 1, S) -> the parts, (B, width, S) each, not zero outside the mask."""
        return self.to_parts(F.gelu(self.along(x * mask))).split(self.widths, 1)


def round_durations(expected: Tensor) -> Tensor:
    """Whole frames for expected ones, (B, S) both: the running sum is rounded, so the total errs by half a frame.

    A token that is expected to last much less than a frame may get none; every item gets at least one frame.
    """
    sums = expected.double().cumsum(1)  # (B, S)
    ends = sums.round()
    # From the last token on that lasts at all: what follows it is padding.
    ends = torch.where(sums == sums[:, -1:], ends.clamp(min=1), ends)
    return torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1])).long()


def _label_vector(count: int, vector_width: int, width: int) -> nn.Module:
    if vector_width:
        return nn.Linear(vector_width, width)
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=0.3)
    return table
