"""Two speakers of an official model in between."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

import params
from model.grad_tts import GradTTS, GradTTSConfig
from model.interpolation import Kind, Linear, SameTime, Temporal
from model.interpolation.plan import Interpolated
from model.style import StyleSource
from tests.tiny_model import N_SYMBOLS, randomise, seeded
from tests.two_styles import DOUBLE, STEPS, between, sampling, text

A, B = torch.tensor([1]), torch.tensor([3])
BLENDS = pytest.mark.parametrize("blend", ["condition", "score"])


@cache
def official(speakers: int = 5) -> GradTTS:
    config = GradTTSConfig(
        n_symbols=N_SYMBOLS,
        n_speakers=speakers,
        n_mels=16,
        encoder=params.Encoder(channels=8, filter_channels=12, filter_channels_duration=8, layers=1),
        estimator=params.Estimator(name="unet", channels=8),
    )
    model = GradTTS(config)
    randomise(model, seeded(0))
    with torch.no_grad():
        model.encoder.proj_w.proj.weight.mul_(0.2)
        model.encoder.proj_w.proj.bias.fill_(1.0)
    return model.eval().to(DOUBLE)


def plain(speaker: Tensor, sampler: str = "euler") -> Tensor:
    return official().synthesise(*text(), StyleSource(speaker=speaker), sampling(sampler)).mel


def spoken(model: GradTTS, kind: Kind, a: Tensor = A, b: Tensor = B, sampler: str = "euler") -> Interpolated:
    return between(model, *text(), StyleSource(speaker=a), StyleSource(speaker=b), kind, sampling(sampler))


def run(weight: float, blend: str, a: Tensor = A, b: Tensor = B, sampler: str = "euler") -> Interpolated:
    return spoken(official(), Linear(weight, blend), a, b, sampler)


@BLENDS
@pytest.mark.parametrize("sampler", ["euler", "euler-quad"])
def test_the_ends_are_the_plain_runs(sampler: str, blend: str) -> None:
    for weight, speaker in ((1, A), (0, B)):
        mel = run(weight, blend, sampler=sampler).synthesis.mel
        torch.testing.assert_close(mel, plain(speaker, sampler), atol=1e-5, rtol=0)
    torch.testing.assert_close(run(0.3, blend, A, A, sampler).synthesis.mel, plain(A, sampler), atol=1e-5, rtol=0)
    assert (plain(A, sampler) - plain(B, sampler)).abs().max() > 1e-2


def test_the_two_blends_differ_and_count_their_evaluations() -> None:
    calls: list[int] = []
    handle = official().decoder.estimator.register_forward_hook(lambda *_: calls.append(1))
    mels = []
    for blend, each in (("condition", 1), ("score", 2)):
        calls.clear()
        done = run(0.5, blend)
        assert len(calls) == done.synthesis.nfe == each * STEPS
        assert (done.field == 0.5).all()
        mels.append(done.synthesis.mel)
    handle.remove()
    assert (mels[0] - mels[1]).abs().max() > 1e-4
    embeddings = official().spk_emb.weight
    middle = (0.5 * (embeddings[1] + embeddings[3]))[None].detach()
    torch.testing.assert_close(mels[0], plain(middle), atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", [Temporal(), SameTime()])
def test_other_kinds_are_refused(kind: Kind) -> None:
    with pytest.raises(ValueError, match=r"^this model has no cross-attention, so it interpolates only linearly"):
        spoken(official(), kind)


def test_what_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="one speaker, so there is nothing to interpolate"):
        spoken(official(1), Linear())
    with pytest.raises(ValueError, match=r"speaker ids must be in 0\.\.4, not \[7\]"):
        spoken(official(), Linear(), A, A + 6)
    with pytest.raises(ValueError, match="there is no sampler 'heun'"):
        spoken(official(), Linear(), sampler="heun")
