"""Grad-TTS as published: text encoder, durations, U-Net decoder; compatible with official state dicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

import params
from model.denoiser import Denoiser
from model.diffusion import NoiseDiffusion
from model.estimators.unet import UNet, UNetCondition
from model.lengths import check_frames, duration_path, padded_length, sequence_mask
from model.randomness import drawn
from model.schedule import Schedule
from model.style import Style, StyleSource
from model.text_encoder import TextEncoder, TextEncoding
from model.text_to_mel import Blend, Frames, TextToMel
from monotonic_align import maximum_path


@dataclass(frozen=True)
class GradTTSConfig:
    """Sizes of the model; the defaults are those of the official single-speaker one (LJSpeech)."""

    n_symbols: int = 149  # the blank included
    n_speakers: int = 1
    speaker_channels: int = 64
    n_mels: int = 80
    encoder: params.Encoder = field(
        default_factory=lambda: params.Encoder(
            channels=192, filter_channels=768, filter_channels_duration=256, layers=6, heads=2
        )
    )
    estimator: params.Estimator = field(default_factory=lambda: params.Estimator(name="unet", channels=64))
    diffusion: params.Diffusion = field(default_factory=params.Diffusion)


@dataclass(frozen=True)
class Losses:
    """Scalars, and the alignment (B, T_text, T) that was found.

    duration: squared error of log durations, a mean over tokens. prior: negative log-likelihood of the mel under
    N(mu, I), a mean over cells; its floor is log(2 pi) / 2 = 0.919. diffusion: see `NoiseDiffusion.loss`.
    """

    duration: Tensor
    prior: Tensor
    diffusion: Tensor
    alignment: Tensor

    @property
    def total(self) -> Tensor:
        return self.duration + self.prior + self.diffusion


class GradTTS(TextToMel):
    """Popov et al., Grad-TTS (arXiv 2105.06337).

    With several speakers the decoder alone knows the speaker; text encoder and durations do not, as in the official
    model.
    """

    attends = False
    guides = False
    usual_sampler = "euler"
    local = False  # its norms see the whole utterance

    def __init__(self, config: GradTTSConfig) -> None:
        super().__init__()
        several = config.n_speakers > 1
        self.types = ("speaker",) if several else ()
        self.config = config
        if several:
            self.spk_emb = nn.Embedding(config.n_speakers, config.speaker_channels)
        self.encoder = TextEncoder(config.n_symbols, config.n_mels, config.encoder)
        estimator = UNet(
            config.estimator.channels,
            config.n_mels,
            config.speaker_channels if several else 0,
            config.estimator.pe_scale,
        )
        self.decoder = NoiseDiffusion(estimator, Schedule(config.diffusion.beta_min, config.diffusion.beta_max))

    def speaker_embedding(self, speaker: Tensor | None) -> Tensor | None:
        """Speaker ids (B,) to embeddings (B, speaker_channels); embeddings, perhaps blended ones, stay as they are.

        Raises:
            ValueError: if a speaker is missing, not wanted or unknown.
        """
        n_speakers = self.config.n_speakers
        if n_speakers == 1:
            if speaker is not None:
                raise ValueError("this model has one speaker: give none")
            return None
        if speaker is None:
            raise ValueError(f"this model has {n_speakers} speakers: give the id of one")
        if speaker.is_floating_point():
            return speaker
        if ((speaker < 0) | (speaker >= n_speakers)).any():
            raise ValueError(f"speaker ids must be in 0..{n_speakers - 1}, not {speaker.tolist()}")
        return self.spk_emb(speaker)

    @torch.no_grad()
    def encode(self, ids: Tensor, id_lengths: Tensor, style: StyleSource | None = None) -> TextEncoding:
        """The style has no part in it."""
        return self.encoder(ids, id_lengths)

    @torch.no_grad()
    def spread(self, text: TextEncoding, length_scale: float = 1.0, log_durations: Tensor | None = None) -> Frames:
        """length_scale multiplies the rounded-up durations, which may be fractional then."""
        if not length_scale > 0:
            raise ValueError(f"length_scale must be positive, not {length_scale}")
        log_durations = text.log_durations if log_durations is None else log_durations
        scaled = (log_durations.exp() * text.mask).ceil() * length_scale  # (B, 1, T_text)
        check_frames(scaled.squeeze(1))
        frames = scaled.sum([1, 2]).clamp_min(1).long()
        size = padded_length(int(frames.max()), self.decoder.estimator.length_multiple)
        mask = sequence_mask(frames, size, text.mu.dtype)
        durations = scaled.squeeze(1)
        alignment = duration_path(durations, text.mask, mask)
        return Frames(text.mu @ alignment, mask, alignment, durations, frames)

    @torch.no_grad()
    def denoiser(self, frames: Frames, style: StyleSource, blend: Blend | None = None) -> Denoiser:
        condition = self.condition(frames.mu, frames.mask, self.speaker_embedding(style.speaker))
        if blend is None:
            return self.decoder.denoiser(condition)
        other = self.condition(frames.mu, frames.mask, self.speaker_embedding(blend.style.speaker))
        return self.decoder.denoiser(*self.decoder.estimator.blend(condition, other, blend.weight, blend.keep_mass))

    def condition(self, mu: Tensor, mask: Tensor, embedding: Tensor | None) -> UNetCondition:
        """What the U-Net reads; mu (B, n_mels, T), mask (B, 1, T), the speaker's embedding (B, speaker_channels)."""
        return self.decoder.estimator.prepare(mu, mask, Style.of_speaker(embedding))

    def losses(
        self,
        ids: Tensor,
        lengths: Tensor,
        mels: Tensor,
        mel_lengths: Tensor,
        *,
        speaker: Tensor | None = None,
        crop_frames: int | None = None,
        train_decoder: bool = True,
        autocast: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> Losses:
        """The three training losses, with the alignment searched for.

        Args:
            ids: (B, T_text), symbols. lengths: (B,), symbols.
            mels: (B, n_mels, T), natural log. mel_lengths: (B,), frames.
            speaker: ids (B,) or embeddings, None for a model of one speaker.
            crop_frames: length of a random crop on which prior and diffusion losses are taken, a multiple of 4. None:
                the whole of T, which must be a multiple of 4.
            train_decoder: False leaves the diffusion loss at 0, and does not run the decoder.
            autocast: lower precision of the decoder.
            generator: of the crop, the diffusion times and the noise.

        Raises:
            ValueError: if a text has more symbols than frames, or an argument does not fit the model.
        """
        style = self.speaker_embedding(speaker)
        text = self.encoder(ids, lengths)
        alignment = maximum_path(log_likelihood(text.mu.detach(), mels), lengths, mel_lengths).to(mels)

        found = torch.log(1e-8 + alignment.sum(-1))[:, None] * text.mask  # (B, 1, T_text)
        duration = ((text.log_durations - found) ** 2).sum() / lengths.sum()

        crop, mask = alignment, sequence_mask(mel_lengths, mels.shape[-1], mels.dtype)
        if crop_frames is not None:
            starts = crop_starts(mel_lengths, crop_frames, generator)
            mels, crop, mask = (cut(track, starts, crop_frames) for track in (mels, alignment, mask))
        mu = text.mu @ crop  # (B, n_mels, T or crop_frames)
        prior = (0.5 * ((mels - mu) ** 2 + math.log(2 * math.pi)) * mask).sum() / (mask.sum() * mels.shape[1])
        diffusion = mels.new_zeros(())
        if train_decoder:
            with torch.autocast(mels.device.type, autocast, enabled=autocast is not None):
                condition = self.condition(mu, mask, style)
                diffusion = self.decoder.loss(mels, condition, generator)
        return Losses(duration, prior, diffusion, alignment)


def log_likelihood(mu: Tensor, mels: Tensor) -> Tensor:
    """log N(frame; mu of token, I) for every token and frame; (B, F, T_text), (B, F, T) to (B, T_text, T)."""
    constant = -0.5 * math.log(2 * math.pi) * mu.shape[1]
    cross = mu.transpose(1, 2) @ mels
    return cross - 0.5 * (mels**2).sum(1)[:, None] - 0.5 * (mu**2).sum(1)[:, :, None] + constant


def crop_starts(lengths: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
    """A random first frame for each item, (B,), so that `size` frames fit; 0 where the item is not longer."""
    device = lengths.device if generator is None else generator.device
    share = drawn(
        lambda shape: torch.rand(shape, generator=generator, device=device, dtype=torch.float64), (len(lengths),)
    ).to(lengths.device)
    choices = (lengths - size).clamp_min(0) + 1  # the last one included
    return (share * choices).long()


def cut(track: Tensor, starts: Tensor, size: int) -> Tensor:
    """The frames from each item's start on; (B, C, T) to (B, C, size), zeros past the end of T."""
    frames = starts[:, None] + torch.arange(size, device=track.device)  # (B, size)
    inside = frames < track.shape[-1]
    index = frames.clamp_max(track.shape[-1] - 1)[:, None].expand(-1, track.shape[1], -1)
    return track.gather(-1, index) * inside[:, None]
