"""Two prepared styles as one condition and one attention edit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS, Frames
from model.estimators.cross_unet import CrossUNetCondition
from model.style import Style
from model.style_attention import AttentionBlend
from model.style_pictures import FrameContours


@dataclass(frozen=True)
class Blended:
    """A condition (style a's keys, blended pictures) and the attention edit that brings in style b."""

    condition: CrossUNetCondition
    attention: AttentionBlend


def blend_styles(
    model: CondGradTTS,
    frames: Frames,
    style_a: Style,
    style_b: Style,
    weight: dict[str, Tensor],
    keep_mass: bool = False,
) -> Blended:
    """Blend what the decoder reads.

    weight: for each type, a's share of the cells, (1, n_mels, T); types left out are b's.
    A field that is the same in all rows of every frame blends contours (one pitch in between, one comb); one that
    differs between rows blends the two pictures.
    """
    estimator = model.decoder.estimator
    a, b = (
        estimator.prepare(frames.mu, frames.mask, style, frames.position, frames.content)
        for style in (style_a, style_b)
    )
    contours_a, contours_b = (
        estimator.pictures.contours(style, frames.mu, frames.position) for style in (style_a, style_b)
    )
    zeros = frames.mu.new_zeros(1, *frames.mu.shape[1:])
    pitch, energy = (weight.get(name, zeros) for name in ("pitch", "energy"))
    drawn = []
    for index, field in enumerate((pitch, energy)):
        if torch.equal(field, field[:, :1].expand_as(field)):
            contours = blend_contours(contours_a, contours_b, pitch[:, 0], energy[:, 0])
            drawn.append(estimator.pictures.draw(contours)[:, index])
        else:
            own, other = (estimator.pictures.draw(c)[:, index] for c in (contours_a, contours_b))
            drawn.append(field * own + (1 - field) * other)
    pictures = a.pictures.clone()
    pictures[:, 1:3] = torch.stack(drawn, 1) * frames.mask[:, None]
    return Blended(replace(a, pictures=pictures), AttentionBlend(b, weight, keep_mass))


def blend_contours(a: FrameContours, b: FrameContours, pitch: Tensor, energy: Tensor) -> FrameContours:
    """Contours in between, frame by frame: F0 as sum w v log F0 / sum w v, v voicing; energy and voicing linearly.

    pitch, energy: a's shares, (1 or B, T). A side that is unknown leaves the other as it is.
    """
    pitch = _known_share(pitch, a.pitch_known, b.pitch_known)
    energy = _known_share(energy, a.energy_known, b.energy_known)
    voiced_a, voiced_b = pitch * a.voicing, (1 - pitch) * b.voicing
    voicing = voiced_a + voiced_b
    return FrameContours(
        log_f0=(voiced_a * a.log_f0 + voiced_b * b.log_f0) / voicing.clamp(min=1e-4),
        voicing=voicing,
        energy=energy * a.energy + (1 - energy) * b.energy,
        pitch_known=a.pitch_known | b.pitch_known,
        energy_known=a.energy_known | b.energy_known,
    )


def blend_frames(model: CondGradTTS, a: Frames, b: Frames, by_frame: Tensor) -> Frames:
    """Two texts' frames over the same durations, with a's share (T,) of each frame: mu, content and voicing."""
    weight = by_frame.to(a.mu)[None, None]  # (1, 1, T)
    return replace(
        a,
        mu=weight * a.mu + (1 - weight) * b.mu,
        content=weight * a.content + (1 - weight) * b.content,
        voicing=weight[:, 0] * a.voicing + (1 - weight[:, 0]) * b.voicing,
    )


def _known_share(share: Tensor, known_a: Tensor, known_b: Tensor) -> Tensor:
    share = torch.where(known_a[:, None], share, torch.zeros_like(share))
    return torch.where(known_b[:, None] | ~known_a[:, None], share, torch.ones_like(share))
