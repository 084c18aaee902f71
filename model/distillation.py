"""Distillation: a decoder learns to reach in few evaluations what it reached in many.

The last of few evaluations is a squared-error prediction at a noise level where much is still open, so detail that more
evaluations would decide is missing in it. Where a path ends is no longer open, though: it is a function of the latent
that it goes through, and can be learned (progressive distillation, Salimans and Ho, arXiv 2202.00512; consistency
models, Song et al., arXiv 2303.01469). Here the path stays the sampler's own. At its last latent the student learns
where the teacher's path of many evaluations from the same noise ends, at the others what the teacher predicts there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS, crop
from model.diffusion import masked_mean
from model.randomness import standard_normal
from model.sampling import SAMPLERS
from model.style import Style, StyleSource
from model.text_to_mel import Frames

# Its last evaluation is at a noise level where something is open, and is the result; that can be taught.
TAUGHT_SAMPLER = "edm-2m-few"
_PREDICTED_SHARE = 0.6  # of the batches: durations and contours as in synthesis, not the recordings'


@dataclass(frozen=True)
class Lesson:
    """few, many: evaluations of the student and of the teacher, by `TAUGHT_SAMPLER`."""

    few: int
    many: int
    temperature: float


@dataclass(frozen=True)
class _Visit:
    """A latent (B, n_mels, T) of the path of few evaluations, its time, and what is to be said there."""

    x: Tensor
    t: float
    wanted: Tensor


def distillation_loss(
    student: CondGradTTS,
    teacher: CondGradTTS,
    lesson: Lesson,
    ids: Tensor,
    id_lengths: Tensor,
    mel: Tensor,
    mel_lengths: Tensor,
    style: StyleSource,
    *,
    token_spans: Tensor | None = None,
    crop_frames: int | None = None,
    autocast: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean absolute distance per normalised cell, summed over the evaluations; and the number of frames.

    The two models differ in their decoders alone; only the student's learns. Other arguments as of
    `CondGradTTS.losses`. 0 if the two are the same and few is many.
    """
    lower = torch.autocast(mel.device.type, dtype=autocast, enabled=autocast is not None)
    with torch.no_grad():
        if _draws_prediction(generator):
            frames, style = _as_in_synthesis(teacher, ids, id_lengths, style)
        else:
            _, frames, _ = teacher.aligned(ids, id_lengths, mel, mel_lengths, style, token_spans, autocast)
            style = teacher.with_predicted_energy(style, frames, generator)
        frames, _ = crop(frames, frames.mu, crop_frames, generator)
        tokens = teacher.tokens(style, len(ids))
        noise = standard_normal(frames.mu.shape, frames.mu, generator)
        with lower:
            visits = _visits(teacher, frames, tokens, lesson, noise)
    with lower:
        condition = student.condition(frames, tokens)
        said = [student.decoder.x0(visit.x, visit.t, condition) for visit in visits]
    distances = [masked_mean((x0 - visit.wanted).abs(), frames.mask) for x0, visit in zip(said, visits, strict=True)]
    return torch.stack(distances).sum(), frames.mask.sum()


def _draws_prediction(generator: torch.Generator | None) -> bool:
    device = None if generator is None else generator.device
    return float(torch.rand((), generator=generator, device=device)) < _PREDICTED_SHARE


def _as_in_synthesis(
    model: CondGradTTS, ids: Tensor, id_lengths: Tensor, style: StyleSource
) -> tuple[Frames, StyleSource]:
    """The text's own frames, and the style with the contours that were predicted for them."""
    style = replace(style, log_f0=None, voicing=None, energy=None, contour_lengths=None)
    frames = model.spread(model.encode(ids, id_lengths, style))
    return frames, model.complete(style, frames)


def _visits(teacher: CondGradTTS, frames: Frames, tokens: Style, lesson: Lesson, noise: Tensor) -> list[_Visit]:
    sampler, denoiser = SAMPLERS[TAUGHT_SAMPLER], teacher.denoiser(frames, tokens)
    x = sampler.start(denoiser.schedule, frames.mu, frames.mask, lesson.temperature, noise=noise)
    visits: list[_Visit] = []
    sampler(
        denoiser, x, frames.mu, frames.mask, lesson.few, callback=lambda _, t, x, x0: visits.append(_Visit(x, t, x0))
    )
    end = sampler(denoiser, x, frames.mu, frames.mask, lesson.many)
    return [*visits[:-1], replace(visits[-1], wanted=end)]
