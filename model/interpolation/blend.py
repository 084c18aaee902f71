"""Two prepared styles as one condition and one attention edit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS, Frames
from model.estimators.cross_unet import CrossUNetCondition
from model.style import TYPES, Style
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

    weight: for each type, a's share of the cells, (1, n_mels, T); types left out are b's. A model of bundled style has
    one attention, which takes the pitch's field.
    A pitch field that is the same in all rows of every frame blends contours (one pitch in between, one comb), if both
    are known; any other blends the two pictures. So does energy, whose picture is the same in all rows.
    """
    estimator = model.decoder.estimator
    a, b = (
        estimator.prepare(frames.mu, frames.mask, style, frames.position, frames.content)
        for style in (style_a, style_b)
    )
    zeros = torch.zeros_like(frames.mu)
    fields = {name: weight.get(name, zeros) for name in TYPES}
    pictures = b.pictures.clone()  # (1, 3 + content, n_mels, T): mu, source, energy, content
    for index, name in ((1, "pitch"), (2, "energy")):
        pictures[:, index] = fields[name] * a.pictures[:, index] + (1 - fields[name]) * b.pictures[:, index]
    contours_a, contours_b = (
        estimator.pictures.contours(style, frames.mu, frames.position) for style in (style_a, style_b)
    )
    share = fields["pitch"][:, 0]  # (1, T)
    both_known = bool((contours_a.pitch_known & contours_b.pitch_known).all())
    if both_known and torch.equal(fields["pitch"], share[:, None].expand_as(fields["pitch"])):
        drawn = estimator.pictures.draw(blend_pitch(contours_a, contours_b, share))
        pictures[:, 1] = drawn[:, 0] * frames.mask
    if model.params.style.kind == "bundled":
        fields = {"bundled": fields["pitch"]}
    return Blended(replace(a, pictures=pictures), AttentionBlend(b, fields, keep_mass))


def blend_pitch(a: FrameContours, b: FrameContours, share: Tensor) -> FrameContours:
    """A pitch in between, frame by frame: log F0 is sum w v log F0 / sum w v, v voicing, and voicing sum w v.

    share: a's (1 or B, T). The rest is a's.
    """
    voiced_a, voiced_b = share * a.voicing, (1 - share) * b.voicing
    voicing = voiced_a + voiced_b
    # Where nothing is voiced the picture is empty, whatever the F0.
    log_f0 = (voiced_a * a.log_f0 + voiced_b * b.log_f0) / voicing.clamp(min=torch.finfo(voicing.dtype).tiny)
    return replace(a, log_f0=log_f0, voicing=voicing)


def blend_frames(a: Frames, b: Frames, by_frame: Tensor) -> Frames:
    """Two texts' frames over the same durations, with a's share (T,) of each frame: mu, content and predictions."""
    weight = by_frame.to(a.mu)[None, None]  # (1, 1, T)
    return replace(
        a,
        mu=weight * a.mu + (1 - weight) * b.mu,
        content=weight[:, None] * a.content + (1 - weight[:, None]) * b.content,
        **{
            name: weight[:, 0] * getattr(a, name) + (1 - weight[:, 0]) * getattr(b, name)
            for name in ("voicing", "log_f0", "energy")
        },
    )
