"""The three interpolations, from two styles to a mel."""

from __future__ import annotations

from dataclasses import fields, replace

import librosa
import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS, Frames, Sampling
from model.diffusion import ConditionedDenoiser
from model.guidance import GuidedDenoiser
from model.interpolation.blend import blend_frames, blend_styles
from model.interpolation.common_durations import encode_both, spread_both
from model.interpolation.envelope import smoothing_matrix
from model.interpolation.fields import constant_over_rows, crossing_by_token, hold_past_end, spread_over_frames
from model.interpolation.interpolated import Interpolated
from model.interpolation.settings import Frequency, Linear, Temporal
from model.interpolation.staged import LatentTuner
from model.interpolation.two_noise import TwoNoiseDenoiser
from model.noise import frame_normal
from model.style import TYPES, Style, StyleSource


def interpolate_linear(
    model: CondGradTTS,
    ids: Tensor,
    lengths: Tensor,
    style_a: StyleSource,
    style_b: StyleSource,
    settings: Linear,
    sampling: Sampling,
    length_scale: float = 1.0,
    *,
    keep_mass: bool = False,
) -> Interpolated:
    """The same share of a in everything: durations (in their logarithms), mu, and the style or the two predictions.

    ids (1, S), lengths (1,). A style's contours, if it has any, are at its own length and carried by attention.
    keep_mass: fill `mass`, at the cost of further logits; predictions that are blended have none.
    """
    share = torch.full((ids.shape[1],), settings.weight, device=ids.device)
    return _over_time(model, ids, lengths, style_a, style_b, share, settings.blend, sampling, length_scale, keep_mass)


def interpolate_temporal(
    model: CondGradTTS,
    ids: Tensor,
    lengths: Tensor,
    style_a: StyleSource,
    style_b: StyleSource,
    settings: Temporal,
    sampling: Sampling,
    length_scale: float = 1.0,
    *,
    keep_mass: bool = False,
) -> Interpolated:
    """a before the crossing and b after it, in everything about a frame. `settings.cross` counts tokens.

    Raises ValueError if the crossing is still a word's number.
    """
    if settings.cross_word is not None:
        raise ValueError("the model knows tokens, not words: give the crossing as a share of the tokens")
    share = crossing_by_token(ids[0], settings.cross, settings.cross_width)
    return _over_time(model, ids, lengths, style_a, style_b, share, "condition", sampling, length_scale, keep_mass)


# Tuning takes gradients, and autograd can save nothing that was made in inference mode.
@torch.inference_mode(mode=False)
@torch.no_grad()
def interpolate_frequency(
    model: CondGradTTS,
    frames: Frames,
    style_a: StyleSource,
    style_b: StyleSource,
    pitch_mask: Tensor,
    settings: Frequency,
    sampling: Sampling,
    *,
    keep_mass: bool = False,
    envelopes: bool = True,
    random: torch.Generator | None = None,
) -> Interpolated:
    """The pitch of a on everything else of b.

    frames: b's text over the chosen durations. style_a, style_b: with pitch contours at these frames, or at their own
    length to be carried by attention. pitch_mask P (1, n_mels, T): the cells that either pitch occupies; what it says
    about frames past the end is not read.
    keep_mass: fill `mass`; `staged` with steps always does, `two-noise` has none.
    envelopes: False joins the raw predictions of `two-noise` (an ablation). random: `staged` takes steps as long as
    the gradient's in random directions (an ablation).
    Raises ValueError if the mask has another size than mu.
    """
    if pitch_mask.shape != frames.mu.shape:
        raise ValueError(f"the pitch mask must be {tuple(frames.mu.shape)} like mu, not {tuple(pitch_mask.shape)}")
    frames = replace(frames, **{field.name: getattr(frames, field.name).clone() for field in fields(frames)})
    pitch_mask = hold_past_end(pitch_mask.to(frames.mu), int(frames.lengths[0]))
    encoded_a, encoded_b = (model.style(model.complete(style, frames), 1) for style in (style_a, style_b))
    if settings.method == "two-noise":
        return _two_noise(model, frames, encoded_a, encoded_b, pitch_mask, sampling, envelopes)
    staged = settings.method == "staged"
    weight = dict.fromkeys(TYPES, torch.full_like(pitch_mask, 0.5)) if staged else {"pitch": pitch_mask}
    keep_mass = keep_mass or (staged and settings.epoch > 0)
    blended = blend_styles(model, frames, encoded_a, encoded_b, weight, keep_mass)
    denoiser = model.decoder.denoiser(blended.condition, blended.attention)
    tuner = LatentTuner(denoiser, frames.mu, frames.mask, pitch_mask, settings, random) if staged else None
    synthesis = model.sample(denoiser, frames, sampling, tune=tuner)
    if tuner is None:
        return Interpolated(synthesis, frames, pitch_mask, blended.attention.mass)
    synthesis = replace(synthesis, nfe=synthesis.nfe + tuner.evaluations)
    return Interpolated(synthesis, frames, pitch_mask, blended.attention.mass, tuner.history)


def _two_noise(
    model: CondGradTTS,
    frames: Frames,
    style_a: Style,
    style_b: Style,
    pitch_mask: Tensor,
    sampling: Sampling,
    envelopes: bool,
) -> Interpolated:
    with_pitch_of_a = Style({**style_b.types, "pitch": style_a.types["pitch"]})
    pair = replace(frames, mu=frames.mu.repeat(2, 1, 1), mask=frames.mask.repeat(2, 1, 1))
    audio = model.params.audio
    row_hz = librosa.mel_frequencies(audio.n_mels + 2, fmin=audio.fmin, fmax=audio.fmax)[1:-1]
    denoiser = TwoNoiseDenoiser(
        *_denoisers(model, frames, with_pitch_of_a, style_b),
        mu=pair.mu,
        mask=pitch_mask,
        smoothing=smoothing_matrix(torch.from_numpy(row_hz).to(frames.mu)) if envelopes else None,
        mel_mean=model.mel_mean,
        mel_std=model.mel_std,
    )
    noise = sampling.noise
    if noise is None:
        noise = frame_normal(frames.mu, sampling.generator)
    synthesis = model.sample(denoiser, pair, replace(sampling, noise=noise.repeat(2, 1, 1)))
    # Both latents end on the same prediction: either is the result.
    single = replace(synthesis, mel=synthesis.mel[:1], mu=synthesis.mu[:1], nfe=2 * synthesis.nfe)
    return Interpolated(single, frames, pitch_mask)


@torch.no_grad()
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
    keep_mass: bool,
) -> Interpolated:
    """Blend with a's share (S,) of every token, the same for all types and rows."""
    text_a, text_b = encode_both(model, ids, lengths, style_a, style_b)
    frames_a, frames_b = spread_both(model, text_a, text_b, share, length_scale)
    by_frame = spread_over_frames(share, frames_a.durations[0], frames_a.mask.shape[2])
    frames = blend_frames(frames_a, frames_b, by_frame)
    weight = constant_over_rows(by_frame.to(frames.mu), frames.mu.shape[1])
    encoded_a = model.style(model.complete(style_a, frames_a), 1)
    encoded_b = model.style(model.complete(style_b, frames_b), 1)
    if blend == "score":
        mixed = GuidedDenoiser(*_denoisers(model, frames, encoded_a, encoded_b), scale=float(share[0]))
        synthesis = model.sample(mixed, frames, sampling)
        return Interpolated(replace(synthesis, nfe=2 * synthesis.nfe), frames, weight)
    blended = blend_styles(model, frames, encoded_a, encoded_b, dict.fromkeys(TYPES, weight), keep_mass)
    denoiser = model.decoder.denoiser(blended.condition, blended.attention)
    return Interpolated(model.sample(denoiser, frames, sampling), frames, weight, blended.attention.mass)


def _denoisers(model: CondGradTTS, frames: Frames, *styles: Style) -> list[ConditionedDenoiser]:
    """A plain denoiser for each style over the same frames."""
    estimator = model.decoder.estimator
    return [
        model.decoder.denoiser(estimator.prepare(frames.mu, frames.mask, style, frames.position, frames.content))
        for style in styles
    ]
