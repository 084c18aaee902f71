"""A text in two random styles, and the runs that interpolations are compared with."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS, CondSynthesis, Frames, Sampling
from model.style import StyleSource
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


def plain(model: CondGradTTS, frames: Frames, style: StyleSource, sampler: str = "edm-2m") -> CondSynthesis:
    options = sampling(sampler)
    return model.decode(
        frames, style, options.steps, temperature=options.temperature, sampler=sampler, generator=options.generator
    )


def frames_of(model: CondGradTTS, style: StyleSource, seed: int = 0) -> Frames:
    """With frames past the end, and another number of them than of mel rows."""
    frames = model.spread(*text(seed), style)
    assert frames.mask.shape[2] not in (N_MELS, int(frames.lengths[0]))
    return frames


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
