"""A text in two random styles, and the runs that interpolations are compared with."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS
from model.interpolation import Kind
from model.interpolation.pitch_transfer import PitchTransfer
from model.interpolation.plan import Interpolated, Plan, Reading, carry_out, interpolate
from model.style import StyleSource
from model.text_to_mel import Frames, Sampling, Synthesis, TextToMel
from tests.tiny_model import N_MELS, N_SYMBOLS, in_dtype, random_style, seeded

DOUBLE = torch.float64
STEPS = 3


def text(seed: int = 0, size: int = 9) -> tuple[Tensor, Tensor]:
    return torch.randint(N_SYMBOLS, (1, size), generator=seeded(seed)), torch.tensor([size])


def styles(dtype: torch.dtype = DOUBLE, seed: int = 0) -> tuple[StyleSource, StyleSource]:
    """Two styles that differ in everything, the lengths of their contours and references too."""
    a, b = (
        in_dtype(random_style([frames], [reference], 2 * seed + number), dtype)
        for number, (frames, reference) in enumerate(((53, 40), (34, 25)))
    )
    other = torch.tensor([1, 2])
    return replace(a, speaker=other[:1], emotion=other[:1]), replace(b, speaker=other[1:] + 1, emotion=other[1:])


def same_voice(a: StyleSource, b: StyleSource) -> tuple[StyleSource, StyleSource]:
    """Styles with the same mu and durations: b's speaker and emotion."""
    return replace(a, speaker=b.speaker, emotion=b.emotion), b


def sampling(sampler: str = "edm-2m", steps: int = STEPS, seed: int = 5) -> Sampling:
    return Sampling(steps, 1.3, sampler, seeded(seed))


def spread(model: TextToMel, ids: Tensor, lengths: Tensor, style: StyleSource, length_scale: float = 1.0) -> Frames:
    return model.spread(model.encode(ids, lengths, style), length_scale)


def plain(model: TextToMel, frames: Frames, style: StyleSource, sampler: str = "edm-2m") -> Synthesis:
    return model.decode(frames, style, sampling(sampler))


def frames_of(model: CondGradTTS, style: StyleSource, seed: int = 0) -> Frames:
    """With frames past the end, and another number of them than of mel rows."""
    frames = spread(model, *text(seed), style)
    assert frames.mask.shape[2] not in (N_MELS, int(frames.lengths[0]))
    return frames


def readings(model: TextToMel, ids: Tensor, lengths: Tensor, *both: StyleSource) -> list[Reading]:
    """Nothing is measured: contours are carried by attention."""
    return [Reading(model.encode(ids, lengths, style), style) for style in both]


def between(
    model: TextToMel,
    ids: Tensor,
    lengths: Tensor,
    a: StyleSource,
    b: StyleSource,
    kind: Kind,
    given: Sampling,
    length_scale: float = 1.0,
) -> Interpolated:
    both = readings(model, ids, lengths, a, b)
    return interpolate(model, kind, *both, given, length_scale)


def transfer(
    model: CondGradTTS,
    frames: Frames,
    a: StyleSource,
    b: StyleSource,
    mask: Tensor,
    kind: PitchTransfer,
    given: Sampling,
) -> Interpolated:
    """The pitch of a over given frames and cells."""
    with torch.inference_mode(mode=False), torch.no_grad():
        # What was made in inference mode is copied, as planning would have made it outside.
        values = {field.name: getattr(frames, field.name) for field in fields(frames)}
        frames = replace(frames, **{name: value if value is None else value.clone() for name, value in values.items()})
        styles = (model.complete(style, frames) for style in (a, b))
        plan = Plan(frames, *styles, kind.shares(model, mask), mask)
    return carry_out(model, kind, plan, given)


def random_mask(frames: Frames, seed: int = 3) -> Tensor:
    return torch.rand(frames.mu.shape, generator=seeded(seed), dtype=DOUBLE).to(frames.mu)


@contextmanager
def counted_calls(model: CondGradTTS):
    """Counts calls of the network."""
    calls: list[int] = []
    handle = model.decoder.estimator.register_forward_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()
