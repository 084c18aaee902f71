"""From a text to a mel: what both models offer, and the records in between.

encode     ids, style                -> text: what each token is
spread     text                      -> frames: the tokens over their durations
denoiser   frames, style, blend      -> a denoiser
sample     denoiser, frames, sampling -> mel
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from model.denoiser import Denoiser
from model.diffusion import Diffusion
from model.lengths import sequence_mask
from model.manner import lacking_energy, level_of_mel
from model.pitch_reader import PitchReader
from model.sampling import Sampler, Tune, find_sampler
from model.style import StyleSource
from model.units import SILENCE


@dataclass(frozen=True)
class Frames:
    """A text spread over frames; T is a multiple of the decoder's `length_multiple`.

    mu (B, n_mels, T), mask (B, 1, T), alignment (B, S, T), durations (B, S) and lengths (B,) in frames.
    None where the model does not predict it: content (B, pictures, n_mels, T); position (B, T) of each frame in its
    utterance, in [0, 1]; each (B, T), voicing, a probability; log_f0, natural log of Hz; energy, normalised; and level
    (B,), natural log of amplitude, of the whole (`model.manner`). loudness (B, T), natural log of amplitude: the energy
    that the mel is to have, NaN where the decoder decides; None: it does everywhere.
    """

    mu: Tensor
    mask: Tensor
    alignment: Tensor
    durations: Tensor
    lengths: Tensor
    content: Tensor | None = None
    position: Tensor | None = None
    voicing: Tensor | None = None
    log_f0: Tensor | None = None
    energy: Tensor | None = None
    level: Tensor | None = None
    loudness: Tensor | None = None

    def window(self, begin: int, end: int) -> Frames:
        """Some of the frames, each as it is in the whole; durations are the whole's."""
        over_frames = {
            name: value[..., begin:end]
            for name, value in vars(self).items()
            if value is not None and name not in ("durations", "lengths", "level")
        }
        return replace(self, **over_frames, lengths=(self.lengths - begin).clamp(0, end - begin))

    def with_pitch(self, style: StyleSource, log_f0: Tensor) -> StyleSource:
        """The style with a contour (B, T) at these frames; which of them are voiced, the text says."""
        voicing = (self.voicing > 0.5).to(log_f0)
        return replace(style, log_f0=log_f0, voicing=voicing, contour_lengths=self.lengths)


@dataclass(frozen=True)
class Synthesis:
    """mel, mu (B, n_mels, T) in natural log; alignment (B, S, T), durations (B, S), lengths (B,); nfe: evaluations."""

    mel: Tensor
    mu: Tensor
    alignment: Tensor
    durations: Tensor
    lengths: Tensor
    nfe: int


@dataclass(frozen=True)
class Sampling:
    """How to sample: evaluations, temperature (it divides the start noise), a sampler or its name, and the randomness.

    noise: start noise (B, n_mels, T) of unit variance instead of one drawn from the generator.
    autocast: lower precision of the network.
    """

    steps: int
    temperature: float = 1.0
    sampler: str | Sampler = "edm-2m"
    generator: torch.Generator | None = None
    noise: Tensor | None = None
    autocast: torch.dtype | None = None


@dataclass(frozen=True)
class Blend:
    """A second style, b, beside a denoiser's own, a.

    weight: for each type, a's share of the cells, (1 or B, n_mels, T); types left out are b's.
    keep_mass: keep where attention goes (`model.style_attention.AttentionBlend`).
    """

    style: StyleSource
    weight: dict[str, Tensor]
    keep_mass: bool = False


class TextToMel(nn.Module, ABC):
    """A model. `encoder` and `decoder` are its networks; see the two subclasses."""

    encoder: nn.Module
    decoder: Diffusion
    types: tuple[str, ...]  # of style that it reads (`model.style.TYPES`)
    attends: bool  # whether a blend may differ from cell to cell
    guides: bool  # whether it can predict without a style, as guidance needs
    usual_sampler: str  # a name in `model.sampling.SAMPLERS`
    local: bool  # whether a frame's decoding owes little to frames far from it (`model.windows`)
    reader: PitchReader | None  # which of two pitches a latent has; in a file of its own, beside the checkpoint

    def __init__(self) -> None:
        super().__init__()
        self.reader = None

    @abstractmethod
    def encode(self, ids: Tensor, id_lengths: Tensor, style: StyleSource) -> Any:
        """ids (B, S), lengths (B,) -> the text's tokens, with at least mu (B, n_mels, S) and log_durations."""

    @abstractmethod
    def spread(self, text: Any, length_scale: float = 1.0, log_durations: Tensor | None = None) -> Frames:
        """An encoded text over its predicted durations, or over others of the same shape.

        length_scale: above 1 is slower. Raises ValueError if it is not positive, and for a text too long to be
        decoded in one piece.
        """

    @abstractmethod
    def denoiser(self, frames: Frames, style: StyleSource, blend: Blend | None = None) -> Denoiser:
        """What samplers take, over the text's frames. Raises ValueError for a blend that the model cannot do."""

    def complete(self, style: StyleSource, frames: Frames) -> StyleSource:
        """The style with what is predicted where it leaves something open."""
        return style

    def at_own_level(self, frames: Frames) -> Frames:
        """The frames at the level that their energy has. Raises ValueError for a model without levels."""
        raise ValueError("this model predicts no level")

    def loudness(self, style: StyleSource, frames: Frames) -> Tensor | None:
        """What energy the style asks of these frames; see `Frames`."""
        return None

    def levelled(self, frames: Frames, style: StyleSource) -> Frames:
        """The frames with the loudness that the style asks for; without a level if it has an energy, which has one."""
        return replace(
            frames, level=frames.level if style.energy is None else None, loudness=self.loudness(style, frames)
        )

    def guided(self, frames: Frames, style: StyleSource, scale: float) -> Denoiser:
        """A denoiser that goes away from the prediction without any style. Raises ValueError if the model has none."""
        raise ValueError("official checkpoints cannot be guided; leave guidance_scale at 1")

    def denormalise(self, mel: Tensor) -> Tensor:
        """What the decoder makes, (B, n_mels, T), as a natural-log mel."""
        return mel

    @torch.no_grad()
    def sample(self, denoiser: Denoiser, frames: Frames, sampling: Sampling, tune: Tune | None = None) -> Synthesis:
        """Mels by any denoiser over the text's frames, at their level or loudness if they have one: what is decoded
        comes near it by itself. Raises ValueError for an unknown sampler.
        """
        chosen = find_sampler(sampling.sampler)
        x = chosen.start(
            denoiser.schedule,
            frames.mu,
            frames.mask,
            sampling.temperature,
            generator=sampling.generator,
            noise=sampling.noise,
        )
        with torch.autocast(x.device.type, sampling.autocast, enabled=sampling.autocast is not None):
            mel = chosen(denoiser, x, frames.mu, frames.mask, sampling.steps, tune=tune, generator=sampling.generator)
        longest = int(frames.lengths.max())
        mel = self.denormalise(mel)[:, :, :longest]
        if frames.level is not None:
            mel = _at_level(mel, frames.lengths, frames.level)
        if frames.loudness is not None:
            mel = _as_loud(mel, frames.lengths, frames.loudness[:, :longest])
        return Synthesis(
            mel=mel,
            mu=self.denormalise(frames.mu)[:, :, :longest],
            alignment=frames.alignment[:, :, :longest],
            durations=frames.durations,
            lengths=frames.lengths,
            nfe=denoiser.evaluations * sampling.steps,
        )

    @torch.no_grad()
    def decode(self, frames: Frames, style: StyleSource, sampling: Sampling, guidance_scale: float = 1.0) -> Synthesis:
        """From frames to mels. Raises ValueError if an argument is out of range."""
        frames = self.levelled(frames, style)
        if guidance_scale == 1:
            return self.sample(self.denoiser(frames, style), frames, sampling)
        return self.sample(self.guided(frames, style, guidance_scale), frames, sampling)

    @torch.no_grad()
    def synthesise(
        self,
        ids: Tensor,
        id_lengths: Tensor,
        style: StyleSource,
        sampling: Sampling,
        *,
        length_scale: float = 1.0,
        guidance_scale: float = 1.0,
    ) -> Synthesis:
        """From symbols to mels."""
        frames = self.spread(self.encode(ids, id_lengths, style), length_scale)
        return self.decode(frames, style, sampling, guidance_scale)


def _at_level(mel: Tensor, lengths: Tensor, level: Tensor) -> Tensor:
    """The mel (B, n_mels, T), louder or softer as a whole; lengths, level (B,)."""
    return louder(mel, lengths, (level - level_of_mel(mel, lengths))[:, None])


def _as_loud(mel: Tensor, lengths: Tensor, loudness: Tensor) -> Tensor:
    """The mel (B, n_mels, T) with the energy (B, T), where something is heard; lengths (B,)."""
    return louder(mel, lengths, lacking_energy(mel, loudness, lengths))


def louder(mel: Tensor, lengths: Tensor, by: Tensor) -> Tensor:
    """The mel (B, n_mels, T) louder by (B, T) or (B, 1), natural log of amplitude, within lengths (B,)."""
    inside = sequence_mask(lengths, mel.shape[2]) > 0  # (B, 1, T)
    return torch.where(inside, (mel + by[:, None]).clamp(min=SILENCE), mel)
