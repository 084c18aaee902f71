"""Adversarial distillation: a decoder learns to sound in few evaluations like a recording.

The last of few evaluations is a squared-error prediction at a noise level where much is still open, so detail that more
evaluations would decide is missing in it. A critic (`model.critic`) that sees recordings misses it, and the decoder
learns to please the critic (Sauer et al., arXiv 2311.17042, for images). What is said stays where it was: with a
recording's contours and durations its mel and what the critic's layers make of it are the aim, with those of synthesis
what the teacher, the same model before, says at the same place of the sampler's path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from model.cond_grad_tts import CondGradTTS, crop
from model.critic import Critic
from model.randomness import standard_normal
from model.sampling import SAMPLERS
from model.style import Style, StyleSource
from model.text_to_mel import Frames

# Its last evaluation is at a noise level where something is open, and is the result; that can be taught.
TAUGHT_SAMPLER = "edm-2m-few"
_PREDICTED_SHARE = 0.5  # of the batches: durations and contours as in synthesis, not the recordings'
# Lengths of the gradients, in units of the distance's, at the mel that is the result.
_REALISM, _FEATURES, _BESIDE_FEATURES = 0.7, 1.0, 0.5
_TINY = 1e-12
_EVEN = 1e-3  # of a normalised cell


@dataclass(frozen=True)
class Lesson:
    """evaluations: of `TAUGHT_SAMPLER`."""

    evaluations: int
    temperature: float


@dataclass(frozen=True)
class DistillationLosses:
    """Means over the items of a batch. Two have a gradient: distillation for the decoder, critic for the critic.

    distillation: mean absolute distance per normalised cell from what is wanted at each evaluation, summed; its
    gradient has that of realism and features in it. realism: mean square of what the critic's scores lack of a
    recording's. features: distance in the critic's layers (`Judgement.unlike`), 0 without a recording. critic: 0.5
    where it can tell nothing apart.
    """

    distillation: Tensor
    realism: Tensor
    features: Tensor
    critic: Tensor


@dataclass(frozen=True)
class _Visit:
    """A latent (B, n_mels, T) of the path, its time, and what the teacher says there."""

    x: Tensor
    t: float
    x0: Tensor


def distillation_losses(
    student: CondGradTTS,
    teacher: CondGradTTS,
    critic: Critic,
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
) -> DistillationLosses:
    """The two models differ in their decoders alone; only the student's learns. Other arguments as of
    `CondGradTTS.losses`.
    """
    lower = torch.autocast(mel.device.type, dtype=autocast, enabled=autocast is not None)
    with torch.no_grad():
        _, frames, mel = teacher.aligned(ids, id_lengths, mel, mel_lengths, style, token_spans, autocast)
        recorded_style = teacher.with_predicted_energy(style, frames, generator)
        recorded, mel = crop(frames, mel, crop_frames, generator)
        is_predicted = _draws_prediction(generator)
        frames, style = recorded, recorded_style
        if is_predicted:
            frames, style = _as_in_synthesis(teacher, ids, id_lengths, style)
            frames, _ = crop(frames, frames.mu, crop_frames, generator)
        tokens = teacher.tokens(style, len(ids))
        with lower:
            begin, (*before, last) = _path(teacher, frames, tokens, lesson, generator)
    with lower:
        condition = student.decoder.estimator.completed(student.condition(frames, tokens))
        *earlier, made = (student.decoder.x0(visit.x, visit.t, condition) for visit in (*before, last))
        # The critic's gradient stops at a copy, and that of the copy is what the decoder is told.
        copy = made.detach().requires_grad_()
        judged = critic(copy, frames.mu, frames.mask)
        of_recording = critic(mel, recorded.mu, recorded.mask)
    wanted = last.x0 if is_predicted else mel
    distance = _distance(copy, wanted, frames.mask)  # (B,)
    realism = judged.distance(1)
    features = torch.zeros_like(realism) if is_predicted else judged.unlike(of_recording)
    last_distance = distance.detach()
    if torch.is_grad_enabled():
        parts = [(realism, _REALISM)] if is_predicted else [(realism, _REALISM), (features, _FEATURES)]
        weight = 1.0 if is_predicted else _BESIDE_FEATURES
        direction = _direction(copy, frames.mask, (distance, weight), parts)
        pull = (made * direction).sum((1, 2))  # (B,), whose gradient is the direction
        last_distance = last_distance + pull - pull.detach()
    distances = [_distance(x0, visit.x0, frames.mask) for x0, visit in zip(earlier, before, strict=True)]
    distances.append(_distance(condition.expected(), begin, frames.mask))
    return DistillationLosses(
        distillation=torch.stack([*distances, last_distance]).sum(0).mean(),
        realism=realism.detach().mean(),
        features=features.detach().mean(),
        critic=(of_recording.distance(1) + judged.distance(0)).mean(),
    )


def _distance(x: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute distance per valid cell of every item, (B,); x, wanted (B, n_mels, T), mask (B, 1, T).

    Below `_EVEN` it is square: a student that is still the teacher is off by rounding errors, whose signs say nothing.
    """
    cells = functional.smooth_l1_loss(x, wanted, beta=_EVEN, reduction="none")
    return (cells * mask).sum((1, 2)) / (mask.sum((1, 2)) * x.shape[1])


def _direction(
    x: Tensor, mask: Tensor, distance: tuple[Tensor, float], others: Sequence[tuple[Tensor, float]]
) -> Tensor:
    """The sum of gradients (B, n_mels, T) of losses (B,) by x, times their weights.

    The distance's has the length that a mean absolute distance gives where it is nowhere 0; every other one is made as
    long as that in every item.
    """
    loss, weight = distance
    (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
    direction = weight * gradient
    length = (mask.sum((1, 2), keepdim=True) * x.shape[1]).rsqrt()  # (B, 1, 1)
    for loss, weight in others:
        (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
        size = gradient.norm(dim=(1, 2), keepdim=True).clamp(min=_TINY)  # (B, 1, 1)
        direction = direction + weight * length * gradient / size
    return direction


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


def _path(
    teacher: CondGradTTS, frames: Frames, tokens: Style, lesson: Lesson, generator: torch.Generator | None
) -> tuple[Tensor, list[_Visit]]:
    """What the teacher expects at first (B, n_mels, T), and the places of its path from a random start, one for each
    evaluation.
    """
    sampler, denoiser = SAMPLERS[TAUGHT_SAMPLER], teacher.denoiser(frames, tokens)
    noise = standard_normal(frames.mu.shape, frames.mu, generator)
    x = sampler.start(denoiser.schedule, frames.mu, frames.mask, lesson.temperature, noise=noise)
    visits: list[_Visit] = []
    sampler(
        denoiser,
        x,
        frames.mu,
        frames.mask,
        lesson.evaluations,
        callback=lambda _, t, x, x0: visits.append(_Visit(x, t, x0)),
    )
    return denoiser.expected(), visits
