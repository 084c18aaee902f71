"""Grad-TTS as published: text encoder, durations, U-Net decoder; compatible with official state dicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

import params
from model.batch_share import drawn
from model.diffusion import NoiseDiffusion
from model.estimators.unet import UNet
from model.lengths import duration_path, padded_length, sequence_mask
from model.sampling import Sampler, find_sampler
from model.schedule import Schedule
from model.text_encoder import TextEncoder
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
class AlignedText:
    """The text spread over frames, padded to what the decoder needs.

    mu (B, n_mels, T), mask (B, 1, T), alignment (B, T_text, T), durations (B, T_text) in frames (fractional with a
    length scale), lengths (B,) in frames; T is a multiple of the decoder's `length_multiple`.
    """

    mu: Tensor
    mask: Tensor
    alignment: Tensor
    durations: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Synthesis:
    """mel, mu (B, n_mels, T), alignment (B, T_text, T), durations (B, T_text), lengths (B,); T: the longest length."""

    mel: Tensor
    mu: Tensor
    alignment: Tensor
    durations: Tensor
    lengths: Tensor


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


class GradTTS(nn.Module):
    """Popov et al., Grad-TTS (arXiv 2105.06337).

    With several speakers the decoder alone knows the speaker; text encoder and durations do not, as in the official
    model.
    """

    def __init__(self, config: GradTTSConfig) -> None:
        super().__init__()
        several = config.n_speakers > 1
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
    def align(self, ids: Tensor, lengths: Tensor, length_scale: float = 1.0) -> AlignedText:
        """Encode the text and spread it over the predicted durations.

        Args:
            ids: (B, T_text), symbols. lengths: (B,), symbols.
            length_scale: multiplies the rounded-up durations; above 1 is slower.

        Raises:
            ValueError: if the length scale is not positive.
        """
        if not length_scale > 0:
            raise ValueError(f"length_scale must be positive, not {length_scale}")
        text = self.encoder(ids, lengths)
        scaled = (text.log_durations.exp() * text.mask).ceil() * length_scale  # (B, 1, T_text)
        frames = scaled.sum([1, 2]).clamp_min(1).long()
        size = padded_length(int(frames.max()), self.decoder.estimator.length_multiple)
        mask = sequence_mask(frames, size, text.mu.dtype)
        durations = scaled.squeeze(1)
        alignment = duration_path(durations, text.mask, mask)
        return AlignedText(text.mu @ alignment, mask, alignment, durations, frames)

    @torch.no_grad()
    def synthesise(
        self,
        ids: Tensor,
        lengths: Tensor,
        steps: int,
        *,
        temperature: float = 1.5,
        length_scale: float = 1.0,
        speaker: Tensor | None = None,
        stochastic: bool = False,
        sampler: str | Sampler = "euler",
        autocast: torch.dtype | None = None,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Synthesis:
        """From symbols to mels.

        Args:
            ids: (B, T_text), symbols. lengths: (B,), symbols.
            steps: network evaluations.
            temperature: divides the start noise.
            length_scale: above 1 is slower.
            speaker: ids (B,), or embeddings (B, speaker_channels), for a model of several speakers.
            stochastic: Euler's method on the reverse SDE; only with the samplers `euler` and `euler-quad`.
            sampler: a name in `model.sampling.SAMPLERS`, or a sampler.
            autocast: lower precision of the decoder.
            generator: of all randomness; torch's own when None.
            noise: start noise (B, n_mels, T) of unit variance, T padded as `align` pads, instead of a drawn one.

        Raises:
            ValueError: if an argument is out of range or does not fit the model.
        """
        chosen = find_sampler(sampler)
        if stochastic and sampler not in ("euler", "euler-quad"):
            raise ValueError(f"stochastic sampling is Euler's alone, and the sampler is {sampler!r}")
        style = self.speaker_embedding(speaker)
        text = self.align(ids, lengths, length_scale)
        x = chosen.start(self.decoder.schedule, text.mu, text.mask, temperature, generator=generator, noise=noise)
        denoiser = self.decoder.denoiser(self.decoder.estimator.prepare(text.mu, text.mask, style))
        options = {"stochastic": True} if stochastic else {}
        with torch.autocast(x.device.type, autocast, enabled=autocast is not None):
            mel = chosen(denoiser, x, text.mu, text.mask, steps, generator=generator, **options)
        longest = int(text.lengths.max())
        return Synthesis(
            mel[:, :, :longest],
            text.mu[:, :, :longest],
            text.alignment[:, :, :longest],
            text.durations,
            text.lengths,
        )

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
            speaker: as for `synthesise`.
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
                condition = self.decoder.estimator.prepare(mu, mask, style)
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
