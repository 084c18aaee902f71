"""Two speakers of an official multi-speaker Grad-TTS: blends of their embeddings, or of their scores."""

from __future__ import annotations

import torch
from torch import Tensor

from model.cond_grad_tts import CondSynthesis, Sampling
from model.grad_tts import GradTTS
from model.guidance import GuidedDenoiser
from model.interpolation.interpolated import Interpolated
from model.interpolation.settings import Frequency, Linear, Temporal
from model.sampling import find_sampler


@torch.no_grad()
def interpolate_official(
    model: GradTTS,
    ids: Tensor,
    lengths: Tensor,
    speaker_a: Tensor,
    speaker_b: Tensor,
    settings: Linear | Temporal | Frequency,
    sampling: Sampling,
    length_scale: float = 1.0,
) -> Interpolated:
    """ids (B, S), lengths (B,), speakers (B,) ids -> mels. Text and durations are the same for all speakers.

    settings.blend "condition" blends the speakers' embeddings, "score" the two predictions (two evaluations a step).
    Raises ValueError for anything but `Linear`, for a model of one speaker, and as `GradTTS.synthesise` does.
    """
    if not isinstance(settings, Linear):
        raise ValueError("official checkpoints have no cross-attention, so they interpolate only linearly")
    if model.config.n_speakers == 1:
        raise ValueError("this model has one speaker, so there is nothing to interpolate")
    sampler = find_sampler(sampling.sampler)
    weight = settings.weight
    a, b = (model.speaker_embedding(speaker) for speaker in (speaker_a, speaker_b))  # (B, speaker_channels)
    styles = [weight * a + (1 - weight) * b] if settings.blend == "condition" else [a, b]
    text = model.align(ids, lengths, length_scale)
    denoisers = [model.decoder.denoiser(model.decoder.estimator.prepare(text.mu, text.mask, style)) for style in styles]
    denoiser = denoisers[0] if len(denoisers) == 1 else GuidedDenoiser(*denoisers, scale=weight)
    x = sampler.start(
        model.decoder.schedule,
        text.mu,
        text.mask,
        sampling.temperature,
        generator=sampling.generator,
        noise=sampling.noise,
    )
    with torch.autocast(x.device.type, sampling.autocast, enabled=sampling.autocast is not None):
        mel = sampler(denoiser, x, text.mu, text.mask, sampling.steps, generator=sampling.generator)
    longest = int(text.lengths.max())
    synthesis = CondSynthesis(
        mel=mel[:, :, :longest],
        mu=text.mu[:, :, :longest],
        alignment=text.alignment[:, :, :longest],
        durations=text.durations,
        lengths=text.lengths,
        nfe=len(denoisers) * sampling.steps,
    )
    return Interpolated(synthesis, None, torch.full_like(text.mu, weight))
