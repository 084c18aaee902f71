"""The three interpolations, from two styles to a mel."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import librosa
import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS, CondSynthesis, Frames, Sampling
from model.guidance import GuidedDenoiser
from model.interpolation.blend import blend_frames, blend_styles
from model.interpolation.common_durations import encode_both, spread_both
from model.interpolation.envelope import smoothing_matrix
from model.interpolation.fields import constant_over_rows, crossing_by_token, spread_over_frames
from model.interpolation.settings import Frequency, Linear, Temporal
from model.interpolation.staged import LatentTuner, TuningRecord
from model.interpolation.two_noise import TwoNoiseDenoiser
from model.noise import frame_normal
from model.style import TYPES, StyleSource


@dataclass(frozen=True)
class Interpolated:
    """A mel between two styles, and how it came about.

    frames: of the text. field: a's share of the pitch type (1, n_mels, T). mass: attention mass on a by (site, type),
    of the last evaluation that kept it. history: what a gradient method did.
    """

    synthesis: CondSynthesis
    frames: Frames
    field: Tensor
    mass: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    history: list[TuningRecord] = field(default_factory=list)


def interpolate_linear(
    model: CondGradTTS,
    ids: Tensor,
    lengths: Tensor,
    style_a: StyleSource,
    style_b: StyleSource,
    settings: Linear,
    sampling: Sampling,
    length_scale: float = 1.0,
) -> Interpolated:
    """The same share of a in everything: durations (in their logarithms), mu, and the style or the two predictions.

    ids (1, S), lengths (1,). A style's contours, if it has any, are at its own length and carried by attention.
    """
    share = torch.full((ids.shape[1],), settings.weight, device=ids.device)
    return _over_time(model, ids, lengths, style_a, style_b, share, settings.blend, sampling, length_scale)


def interpolate_temporal(
    model: CondGradTTS,
    ids: Tensor,
    lengths: Tensor,
    style_a: StyleSource,
    style_b: StyleSource,
    settings: Temporal,
    sampling: Sampling,
    length_scale: float = 1.0,
) -> Interpolated:
    """a before the crossing and b after it, in everything about a frame. `settings.cross` counts tokens."""
    share = crossing_by_token(ids[0], settings.cross, settings.cross_width)
    return _over_time(model, ids, lengths, style_a, style_b, share, "condition", sampling, length_scale)


def interpolate_frequency(
    model: CondGradTTS,
    frames: Frames,
    style_a: StyleSource,
    style_b: StyleSource,
    pitch_mask: Tensor,
    settings: Frequency,
    sampling: Sampling,
    *,
    envelopes: bool = True,
) -> Interpolated:
    """The pitch of a on everything else of b.

    frames: b's text over the chosen durations. style_a, style_b: with pitch contours at these frames, or at their own
    length to be carried by attention. pitch_mask P (1, n_mels, T): the cells that either pitch occupies.
    envelopes: False joins the raw predictions of `two-noise` (the ablation).
    """
    encoded_a, encoded_b = (
        model.style(model.with_default_timbre(style), 1) for style in (style_a, style_b)
    )
    pitch_mask = pitch_mask.to(frames.mu)
    if settings.method == "same-time":
        blended = blend_styles(model, frames, encoded_a, encoded_b, {"pitch": pitch_mask})
        denoiser = model.decoder.denoiser(blended.condition, blended.attention)
        return Interpolated(model.sample(denoiser, frames, sampling), frames, pitch_mask)
    if settings.method == "staged":
        neutral = dict.fromkeys(TYPES, torch.full_like(pitch_mask, 0.5))
        blended = blend_styles(model, frames, encoded_a, encoded_b, neutral, keep_mass=settings.epoch > 0)
        denoiser = model.decoder.denoiser(blended.condition, blended.attention)
        tuner = LatentTuner(denoiser, frames.mu, frames.mask, pitch_mask, settings)
        synthesis = model.sample(denoiser, frames, sampling, tune=tuner)
        synthesis = replace(synthesis, nfe=synthesis.nfe + tuner.evaluations)
        return Interpolated(synthesis, frames, pitch_mask, blended.attention.mass, tuner.history)
    own_pitch = replace(encoded_b, types={**encoded_b.types, "pitch": encoded_a.types["pitch"]})
    conditions = [
        model.decoder.estimator.prepare(frames.mu, frames.mask, style, frames.position, frames.content)
        for style in (own_pitch, encoded_b)
    ]
    audio = model.params.audio
    rows = librosa.mel_frequencies(audio.n_mels + 2, fmin=audio.fmin, fmax=audio.fmax)[1:-1]
    pair = replace(frames, mu=frames.mu.repeat(2, 1, 1), mask=frames.mask.repeat(2, 1, 1))
    denoiser = TwoNoiseDenoiser(
        *(model.decoder.denoiser(condition) for condition in conditions),
        mu=pair.mu,
        mask=pitch_mask,
        smoothing=smoothing_matrix(torch.from_numpy(rows).to(frames.mu)) if envelopes else None,
        mel_mean=model.mel_mean,
        mel_std=model.mel_std,
    )
    noise = sampling.noise
    if noise is None:
        noise = frame_normal(frames.mu, sampling.generator)
    synthesis = model.sample(denoiser, pair, replace(sampling, noise=noise.repeat(2, 1, 1)))
    single = replace(synthesis, mel=synthesis.mel[:1], mu=synthesis.mu[:1], nfe=2 * synthesis.nfe)
    return Interpolated(single, frames, pitch_mask)


def _over_time(
    model: CondGradTTS,
    ids: Tensor,
    lengths: Tensor,
    style_a: StyleSource,
    style_b: StyleSource,
    share: Tensor,
    blend: str,
    sampling: Sampling,
    length_scale: float,
) -> Interpolated:
    """Blend with a's share (S,) of every token, the same for all types and rows."""
    text_a, text_b = encode_both(model, ids, lengths, style_a, style_b)
    frames_a, frames_b = spread_both(model, text_a, text_b, share, length_scale)
    by_frame = spread_over_frames(share, frames_a.durations[0], frames_a.mask.shape[2])
    frames = blend_frames(model, frames_a, frames_b, by_frame)
    weight = constant_over_rows(by_frame.to(frames.mu), frames.mu.shape[1])
    encoded_a, encoded_b = (model.style(model.with_default_timbre(style), 1) for style in (style_a, style_b))
    if blend == "score":
        denoisers = [
            model.decoder.denoiser(
                model.decoder.estimator.prepare(frames.mu, frames.mask, style, frames.position, frames.content)
            )
            for style in (encoded_a, encoded_b)
        ]
        mixed = GuidedDenoiser(*denoisers, scale=float(share[0]))
        synthesis = model.sample(mixed, frames, sampling)
        return Interpolated(replace(synthesis, nfe=2 * synthesis.nfe), frames, weight)
    blended = blend_styles(model, frames, encoded_a, encoded_b, dict.fromkeys(TYPES, weight))
    denoiser = model.decoder.denoiser(blended.condition, blended.attention)
    return Interpolated(model.sample(denoiser, frames, sampling), frames, weight)
