"""Conditional Grad-TTS: text to an averaged mel, then a diffusion decoder that reads a style by cross-attention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model.cond_text_encoder import CondTextEncoder, CondTextEncoding, round_durations
from model.contour import spread_smoothly
from model.denoiser import BatchGuidedDenoiser, Denoiser
from model.diffusion import ResidualDiffusion, masked_mean
from model.estimators import ESTIMATORS
from model.hearing import Hearing
from model.lengths import check_frames, duration_path, padded_length, sequence_mask
from model.manner import Manner, contours_in_manner, level_of_energy
from model.randomness import drawn, uniform
from model.schedule import Schedule
from model.style import LOG_F0_CENTRE, LOG_F0_SCALE, TYPES, Style, StyleEncoder, StyleSource
from model.text_to_mel import Blend, Frames, TextToMel
from monotonic_align import alignment_durations
from params import Params

REFERENCE_FRAMES = 128  # of a speaker's default reference
_OUTSIDE_SPAN = -1e4  # log-likelihood of a token at a frame outside its known span
_PREDICTED_SHARE = 0.5  # of a training batch: the energy that the text leads to expect in place of the measured one
_LENGTH_WEIGHT = 0.1  # ten times the weight that a text's length has in its tokens' durations, and no more gradient


@dataclass(frozen=True)
class CondLosses:
    """Scalars, but for durations and counts; see `CondGradTTS.losses`."""

    prior: Tensor
    duration: Tensor
    length: Tensor
    voicing: Tensor
    pitch: Tensor
    energy: Tensor
    mean: Tensor
    diffusion: Tensor
    durations: Tensor  # (B, S) of the alignment that was found
    counts: dict[str, Tensor]  # by loss: how many cells, tokens, items or frames it is the mean of


class CondGradTTS(TextToMel):
    """The conditional model.

    Speakers and emotions are ids, or external embeddings when `params.style` gives their widths. With
    `style.voice_channels` the model hears: they are voices and manners of recordings, or ids that stand for such.
    """

    guides = True

    def __init__(self, params: Params, n_symbols: int, n_speakers: int, n_emotions: int) -> None:
        super().__init__()
        self.params = params
        n_mels = params.audio.n_mels
        self.encoder = CondTextEncoder(n_symbols, n_mels, params.encoder, params.style, n_speakers, n_emotions)
        self.style = StyleEncoder(params.style, n_mels, n_speakers, n_emotions)
        width = params.style.voice_channels
        self.hearing = Hearing(params.audio, width, n_speakers, n_emotions) if width else None
        if params.estimator.name not in ESTIMATORS:
            raise ValueError(f"there is no estimator {params.estimator.name!r}; there are {', '.join(ESTIMATORS)}")
        estimator = ESTIMATORS[params.estimator.name].of(params)
        self.types = tuple(name for name in TYPES if name in ("speaker", "emotion", *estimator.types))
        self.attends = self.local = estimator.attends  # the norms of an estimator that does not see the whole
        diffusion = params.diffusion
        self.decoder = ResidualDiffusion(
            estimator,
            Schedule(diffusion.beta_min, diffusion.beta_max),
            diffusion.residual_std,
            diffusion.noise_mean,
            diffusion.noise_std,
        )
        # Statistics of the training corpus; mels and energy are normalised by them inside.
        self.register_buffer("mel_mean", torch.zeros(n_mels, 1))
        self.register_buffer("mel_std", torch.ones(n_mels, 1))
        self.register_buffer("energy_statistics", torch.tensor([0.0, 1.0]))  # mean, standard deviation
        # A stretch of each speaker, for the timbre type where no reference is given; length 0: there is none.
        self.register_buffer("default_reference", torch.zeros(n_speakers, n_mels, REFERENCE_FRAMES))
        self.register_buffer("default_reference_lengths", torch.zeros(n_speakers, dtype=torch.long))

    @property
    def usual_sampler(self) -> str:
        return self.params.inference.sampler

    def normalise(self, mel: Tensor) -> Tensor:
        """Natural-log mel (B, n_mels, T) to zero mean and unit deviation in each bin."""
        return (mel - self.mel_mean) / self.mel_std

    def normalise_energy(self, energy: Tensor) -> Tensor:
        return (energy - self.energy_statistics[0]) / self.energy_statistics[1]

    def with_default_timbre(self, style: StyleSource) -> StyleSource:
        """The style with the speakers' default references, if it has speaker ids and no reference.

        The timbre of a speaker that has no default stays unknown.
        """
        ids = style.speaker
        if style.reference_mel is not None or ids is None or ids.is_floating_point():
            return style
        lengths = self.default_reference_lengths[ids]
        has_default = lengths > 0
        if not has_default.any():
            return style
        known = style.known or {}
        return replace(
            style,
            reference_mel=self.default_reference[ids],
            reference_lengths=lengths,
            known={**known, "timbre": known.get("timbre", has_default) & has_default},
        )

    def complete(self, style: StyleSource, frames: Frames) -> StyleSource:
        """The style that is decoded where `style` leaves something open: the speaker's default timbre, and the contours
        that were predicted for these frames.

        A contour at a length of its own, which attention carries, is not joined by a predicted one of the other type.
        """
        style = self.with_default_timbre(style)
        given = style.log_f0 if style.log_f0 is not None else style.energy
        if given is not None and not torch.equal(style.contour_lengths, frames.lengths):
            return self._completed_where_it_fits(style, frames, given.shape[1])
        if style.log_f0 is None:
            style = frames.with_pitch(style, frames.log_f0)
        if style.energy is None:
            predicted = torch.ones_like(frames.lengths, dtype=torch.bool)
            style = replace(style, energy=frames.energy, energy_predicted=predicted, contour_lengths=frames.lengths)
        return style

    @staticmethod
    def _completed_where_it_fits(style: StyleSource, frames: Frames, width: int) -> StyleSource:
        """Of a batch, each item as it would be alone; width: of the contours that are given."""
        fits, known = style.contour_lengths == frames.lengths, style.known or {}  # (B,)
        if not fits.any():
            return style
        if style.log_f0 is None:
            made = frames.with_pitch(style, frames.log_f0)
            contours = {"log_f0": _at_width(made.log_f0, width), "voicing": _at_width(made.voicing, width)}
            return replace(style, **contours, known={**known, "pitch": known.get("pitch", fits) & fits})
        if style.energy is None:
            energy, known = _at_width(frames.energy, width), {**known, "energy": known.get("energy", fits) & fits}
            return replace(style, energy=energy, energy_predicted=fits, known=known)
        return style

    # ---------------------------------------------------------------- training

    def losses(
        self,
        ids: Tensor,
        id_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        style: StyleSource,
        *,
        token_spans: Tensor | None = None,
        crop_frames: int | None = None,
        train_decoder: bool = True,
        autocast: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> CondLosses:
        """Training losses of a batch.

        ids (B, S), mel (B, n_mels, T) in natural log, lengths (B,); style with contours at the frames of mel.
        token_spans: (B, S, 2), the frames [start, end) in which each token may lie, where that is known.
        crop_frames: length of the decoder's random crop, a multiple of 4; None: everything.
        autocast: lower precision of the two networks; alignment and losses are in float32.

        prior: mean squared error of mu, per normalised cell, halved. duration: Poisson deviance per token, 0 when
        right. length: likewise of an item's tokens together, times `_LENGTH_WEIGHT`; a rate moves all tokens alike.
        voicing: cross-entropy per frame. pitch, energy: mean absolute error of the standardised prediction, over voiced
        frames and over all. mean: of mu and what the estimator expects beside it, as prior; 0 if it expects nothing.
        diffusion: `ResidualDiffusion.loss`; about 1 before training.
        """
        text, frames, mel = self.aligned(ids, id_lengths, mel, mel_lengths, style, token_spans, autocast)
        mask, text_mask = frames.mask, text.mask.squeeze(1)
        prior = 0.5 * ((frames.mu - mel).square() * mask).sum() / (mask.sum() * mel.shape[1])
        durations = frames.durations
        found = durations.to(mel.dtype)
        duration = (_deviance(text.log_durations, found) * text_mask).sum() / text_mask.sum()
        in_all = (text.log_durations + text_mask.log()).logsumexp(1)  # (B,)
        length = _LENGTH_WEIGHT * _deviance(in_all, mel_lengths.to(mel.dtype)).mean()
        frame_voicing = (text.voicing[:, None] @ frames.alignment).squeeze(1)  # (B, T)
        voiced = F.binary_cross_entropy_with_logits(frame_voicing, style.voicing, reduction="none")
        voicing = (voiced * mask.squeeze(1)).sum() / mask.sum()
        # Absolute errors: the median is the voice's own where some of its utterances have another voice's F0.
        weight = style.voicing * mask.squeeze(1)
        pitch = ((frames.log_f0 - style.log_f0).abs() * weight).sum() / weight.sum().clamp(min=1) / LOG_F0_SCALE
        energy = ((frames.energy - style.energy).abs() * mask.squeeze(1)).sum() / mask.sum()
        counts = dict.fromkeys(("prior", "voicing", "energy"), mask.sum())
        counts |= {"duration": text_mask.sum(), "length": text_mask.new_tensor(len(ids))}
        counts |= {"pitch": weight.sum(), "mean": mask.sum(), "diffusion": mask.sum()}
        diffusion = mean = mel.new_zeros(())
        estimator = self.decoder.estimator
        if train_decoder or estimator.expects:
            if self.training:
                style = self.with_predicted_energy(style, frames, generator)
            # Whole utterances where they are cheap.
            frames, mel = crop(frames, mel, crop_frames if train_decoder else None, generator)
            frames = replace(frames, mu=frames.mu.detach())
            counts |= dict.fromkeys(("mean", "diffusion"), frames.mask.sum())
            with torch.autocast(mel.device.type, dtype=autocast, enabled=autocast is not None):
                tokens = self.tokens(style, len(ids))
                if train_decoder:
                    condition = estimator.completed(self.condition(frames, tokens))
                    diffusion = self.decoder.loss(mel, condition, generator)
                    expected = condition.mean if estimator.expects else None
                else:
                    expected = estimator.mean(frames.mu, frames.mask, tokens, frames.position, frames.content)
            if expected is not None:
                mean = 0.5 * masked_mean((mel - frames.mu - expected).square(), frames.mask)
        return CondLosses(prior, duration, length, voicing, pitch, energy, mean, diffusion, durations, counts)

    @torch.no_grad()
    def with_predicted_energy(
        self, style: StyleSource, frames: Frames, generator: torch.Generator | None
    ) -> StyleSource:
        """Some items with the energy that their text leads to expect, as they have it in synthesis; of a model that
        hears.

        It lacks the detail of a measured one; a decoder that knows none but those hears words wrong.
        """
        if self.hearing is None:
            return style
        predicted = uniform((len(frames.mu),), frames.mu, generator) < _PREDICTED_SHARE  # (B,)
        expected = self._in_manner(frames, self.hearing.natural(style.emotion)).energy
        energy = torch.where(predicted[:, None], expected, style.energy)
        return replace(style, energy=energy, energy_predicted=predicted)

    def aligned(
        self,
        ids: Tensor,
        id_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        style: StyleSource,
        token_spans: Tensor | None = None,
        autocast: torch.dtype | None = None,
    ) -> tuple[CondTextEncoding, Frames, Tensor]:
        """Arguments of `losses` -> the encoded text, its frames by the alignment found, and the normalised mel."""
        with torch.autocast(mel.device.type, dtype=autocast, enabled=autocast is not None):
            text = self.encoder(ids, id_lengths, style.speaker, style.emotion)
        text = text.to(mel.dtype)
        mel = self.normalise(mel)
        mask = sequence_mask(mel_lengths, mel.shape[2], mel.dtype)  # (B, 1, T)
        durations = self.align(text, id_lengths, mel, mel_lengths, token_spans)  # (B, S)
        path = duration_path(durations.to(mel.dtype), text.mask, mask)  # (B, S, T)
        return text, self.spread_durations(text, durations, mel_lengths, path, mask), mel

    @torch.no_grad()
    def align(
        self, text: CondTextEncoding, id_lengths: Tensor, mel: Tensor, mel_lengths: Tensor, token_spans: Tensor | None
    ) -> Tensor:
        """Frames of each token, (B, S) long, by monotonic alignment search over N(mu, I) (Grad-TTS, equation 11).

        mel (B, n_mels, T), normalised.
        """
        # -1/2 |mel - mu|^2, without the part that is the same for all tokens.
        value = text.mu.transpose(1, 2) @ mel - 0.5 * text.mu.square().sum(1)[:, :, None]  # (B, S, T)
        if token_spans is not None:
            frame = torch.arange(mel.shape[2], device=mel.device)
            inside = (frame >= token_spans[:, :, :1]) & (frame < token_spans[:, :, 1:])  # (B, S, T)
            value = torch.where(inside, value, value + _OUTSIDE_SPAN)
        return alignment_durations(value, id_lengths, mel_lengths)

    # --------------------------------------------------------------- synthesis

    @torch.no_grad()
    def encode(self, ids: Tensor, id_lengths: Tensor, style: StyleSource) -> CondTextEncoding:
        style = self._with_vectors(style)
        text = self.encoder(ids, id_lengths, style.speaker, style.emotion)
        return text if self.hearing is None else replace(text, manner=self.hearing.natural(style.emotion))

    @torch.no_grad()
    def spread(self, text: CondTextEncoding, length_scale: float = 1.0, log_durations: Tensor | None = None) -> Frames:
        if not length_scale > 0:
            raise ValueError(f"length_scale must be positive, not {length_scale}")
        log_durations = text.log_durations if log_durations is None else log_durations  # (B, S)
        expected = log_durations.exp() * text.mask.squeeze(1) * length_scale
        check_frames(expected)
        durations = round_durations(expected)
        lengths = durations.sum(1)
        size = padded_length(int(lengths.max()), self.decoder.estimator.length_multiple)
        mask = sequence_mask(lengths, size, text.mu.dtype)
        path = duration_path(durations.to(text.mu.dtype), text.mask, mask)
        frames = self.spread_durations(text, durations, lengths, path, mask)
        return frames if text.manner is None else self.at_own_level(self._in_manner(frames, text.manner))

    def _in_manner(self, frames: Frames, manner: Manner) -> Frames:
        """The frames with the F0 range and the level that a manner asks of the predicted contours."""
        mean, std = self.energy_statistics
        inside = frames.mask.squeeze(1) > 0  # (B, T)
        log_f0, energy = contours_in_manner(frames.log_f0, frames.energy * std + mean, frames.voicing, inside, manner)
        return replace(frames, log_f0=log_f0, energy=(energy - mean) / std)

    def at_own_level(self, frames: Frames) -> Frames:
        mean, std = self.energy_statistics
        return replace(frames, level=level_of_energy(frames.energy * std + mean, frames.lengths))

    def loudness(self, style: StyleSource, frames: Frames) -> Tensor | None:
        """A measured energy at these very frames is followed; a predicted one is not, nor one that is carried."""
        if style.energy is None:
            return None
        followed = style.contour_lengths == frames.lengths  # (B,)
        if style.energy_predicted is not None:
            followed = followed & ~style.energy_predicted
        if style.known is not None and "energy" in style.known:
            followed = followed & style.known["energy"]
        if not followed.any():
            return None
        mean, std = self.energy_statistics
        energy = _at_width(style.energy, frames.mask.shape[2])
        return torch.where(followed[:, None], energy * std + mean, torch.nan)

    @torch.no_grad()
    def denoiser(self, frames: Frames, style: StyleSource | Style, blend: Blend | None = None) -> Denoiser:
        """style: completed where it is a source; tokens are taken as they are."""
        condition = self.condition(frames, self.tokens_at(style, frames))
        if blend is None:
            return self.decoder.denoiser(condition)
        other = self.condition(frames, self.tokens_at(blend.style, frames))
        blended, attention = self.decoder.estimator.blend(condition, other, blend.weight, blend.keep_mass)
        return self.decoder.denoiser(blended, attention)

    @torch.no_grad()
    def guided(self, frames: Frames, style: StyleSource, scale: float) -> Denoiser:
        batch_size = len(frames.mu)
        both = self.complete(style, frames).beside_nothing(batch_size)
        doubled = {name: torch.cat([getattr(frames, name)] * 2) for name in ("mu", "mask", "position", "content")}
        condition = self.condition(replace(frames, **doubled), self.tokens(both, 2 * batch_size))
        return BatchGuidedDenoiser(self.decoder.denoiser(condition), scale)

    def condition(self, frames: Frames, style: Style) -> Any:
        """What the estimator reads of the text and the style."""
        return self.decoder.estimator.prepare(frames.mu, frames.mask, style, frames.position, frames.content)

    def tokens_at(self, style: StyleSource | Style, frames: Frames) -> Style:
        """The tokens that are decoded at these frames: of a style, completed; tokens are taken as they are."""
        return style if isinstance(style, Style) else self.tokens(self.complete(style, frames), len(frames.mu))

    def tokens(self, style: StyleSource, batch_size: int) -> Style:
        """A style's typed tokens."""
        return self.style(self._with_vectors(style), batch_size)

    def _with_vectors(self, style: StyleSource) -> StyleSource:
        return style if self.hearing is None else self.hearing.named(style)

    def denormalise(self, mel: Tensor) -> Tensor:
        return mel * self.mel_std + self.mel_mean

    def spread_durations(
        self, text: CondTextEncoding, durations: Tensor, lengths: Tensor, path: Tensor, mask: Tensor
    ) -> Frames:
        """Encoded tokens over frames by known durations (B, S), with their path (B, S, T) and mask (B, 1, T)."""
        content = (text.content @ path).unflatten(1, (-1, text.mu.shape[1]))  # (B, pictures, n_mels, T)
        contours = torch.stack([text.log_f0, text.energy], -1)  # (B, S, 2)
        contours = spread_smoothly(contours, durations, text.mask, mask.shape[2])  # (B, T, 2)
        index = torch.arange(mask.shape[2], device=mask.device).to(mask.dtype)
        return Frames(
            mu=text.mu @ path,
            content=content,
            voicing=torch.sigmoid((text.voicing[:, None] @ path).squeeze(1)) * mask.squeeze(1),
            log_f0=contours[..., 0] * LOG_F0_SCALE + LOG_F0_CENTRE,
            energy=contours[..., 1],
            mask=mask,
            position=(index + 0.5) / lengths[:, None].to(mask.dtype),
            alignment=path,
            durations=durations,
            lengths=lengths,
        )


def _deviance(log_expected: Tensor, count: Tensor) -> Tensor:
    """Half of the Poisson deviance: its expectation is smallest where exp(log_expected) is the mean of count."""
    return log_expected.exp() - count * log_expected - count + torch.xlogy(count, count)


def crop(
    frames: Frames, mel: Tensor, size: int | None, generator: torch.Generator | None = None
) -> tuple[Frames, Tensor]:
    """The same random stretch of `size` frames out of the text's frames and the mel, one for each item.

    Shorter items are padded to it. None leaves the length as it is, but for padding to a multiple of 4.
    """
    total = mel.shape[2]
    size = padded_length(total, 4) if size is None else size
    slack = (frames.lengths - size).clamp(min=0)
    device = mel.device if generator is None else generator.device
    draw = drawn(lambda shape: torch.rand(shape, generator=generator, device=device), (len(mel),)).to(mel.device)
    start = (draw * (slack + 1)).long()  # (B,) every offset is as likely
    index = start[:, None] + torch.arange(size, device=mel.device)  # (B, size)

    def take(x: Tensor) -> Tensor:
        """(B, ..., T) -> (B, ..., size)."""
        at = index.clamp(max=total - 1).view(len(x), *(1,) * (x.dim() - 2), size).expand(*x.shape[:-1], size)
        return x.gather(-1, at)

    mask = (index < frames.lengths[:, None])[:, None].to(mel.dtype)  # (B, 1, size)
    cropped = Frames(
        mu=take(frames.mu) * mask,
        content=take(frames.content) * mask[:, None],
        voicing=take(frames.voicing) * mask.squeeze(1),
        log_f0=take(frames.log_f0) * mask.squeeze(1),
        energy=take(frames.energy) * mask.squeeze(1),
        mask=mask,
        position=(index.to(mel.dtype) + 0.5) / frames.lengths[:, None].to(mel.dtype),
        alignment=take(frames.alignment) * mask,
        durations=frames.durations,
        lengths=frames.lengths,
    )
    return cropped, take(mel) * mask


def _at_width(contour: Tensor, width: int) -> Tensor:
    """(B, T) -> (B, width), cut or with zeros."""
    return F.pad(contour, (0, width - contour.shape[1]))
