"""The exact statements about interpolation, on the default model: its weights are no special case."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from data.checkpoint_file import read_checkpoint
from model.checkpoint import unpack
from model.cond_grad_tts import CondGradTTS
from model.interpolation import Linear, SameTime, Staged, Temporal, TwoNoise
from model.style import TYPES, StyleSource
from model.style_attention import AttentionBlend
from model.text_to_mel import Blend, Frames, Sampling
from synthesis.reader_file import read_reader
from tests.tiny_model import seeded
from tests.two_styles import between, counted_calls, spread, transfer
from text.front_end import front_end

STEPS = 2


@pytest.fixture(scope="module")
def loaded():
    loaded = unpack(read_checkpoint("checkpts/default.pt"))
    return replace(loaded, model=loaded.model.double())


@pytest.fixture(scope="module")
def model(loaded) -> CondGradTTS:
    return loaded.model


@pytest.fixture(scope="module")
def text(loaded) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([front_end("arpabet", loaded.symbols, True).encode("A ship.").ids])
    return ids, torch.tensor([ids.shape[1]])


@pytest.fixture(scope="module")
def pair(loaded) -> tuple[StyleSource, StyleSource]:
    def style(speaker: str, emotion: str) -> StyleSource:
        ids = loaded.speakers.index(speaker), loaded.emotions.index(emotion)
        named = StyleSource(speaker=torch.tensor(ids[:1]), emotion=torch.tensor(ids[1:]))
        return loaded.model.hearing.named(named)

    return style("af_kore", "happy"), style("bm_lewis", "sad")


@pytest.fixture(scope="module")
def frames(model, text, pair) -> Frames:
    """b's, of another length than there are mel rows."""
    frames = spread(model, *text, pair[1])
    assert frames.mu.shape[1] != frames.mu.shape[2]
    return frames


@pytest.fixture(scope="module")
def pitched(frames, pair) -> tuple[StyleSource, StyleSource]:
    """Both with their own pitch over b's frames; the rest is b's."""
    b = replace(
        pair[1],
        log_f0=frames.log_f0,
        voicing=torch.ones_like(frames.log_f0),
        energy=frames.energy,
        contour_lengths=frames.lengths,
    )
    return replace(b, log_f0=b.log_f0 + 0.5), b


def sampling() -> Sampling:
    return Sampling(STEPS, 1.5, "edm-2m", seeded(1))


def plain(model: CondGradTTS, frames: Frames, style: StyleSource) -> Tensor:
    return model.sample(model.denoiser(frames, style), frames, sampling()).mel


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def test_attention_ends_are_exact_in_single_precision(model, frames, pitched):
    """w = 1 gives a's output, w = 0 b's, and two equal styles any field's, at every site."""
    single = {"dtype": torch.float32}
    estimator = model.decoder.estimator
    prepared = [model.condition(frames, model.style(style, 1)) for style in pitched]
    for name, (level, site) in estimator.attention_sites().items():
        shape = 1, site.norm.normalized_shape[0], frames.mu.shape[1] // 2**level, frames.mu.shape[2] // 2**level
        cells = torch.randn(shape, generator=seeded(level), dtype=torch.float64)
        field = torch.rand(frames.mu.shape, generator=seeded(9), dtype=torch.float64)
        for first, second, weight, expected in (
            (0, 1, torch.ones_like(field), 0),
            (0, 1, torch.zeros_like(field), 1),
            (1, 1, field, 1),
        ):
            blend = AttentionBlend(prepared[second], dict.fromkeys(TYPES, weight))
            mixed = site(cells, prepared[first].sites[name], blend, prepared[second].sites[name], name)
            close(mixed.to(**single), site(cells, prepared[expected].sites[name]).to(**single))


@torch.no_grad()
def test_linear_and_temporal_ends_are_the_plain_runs(model, text, pair):
    a, b = pair
    ends = [plain(model, spread(model, *text, style), style) for style in pair]
    for weight, end in ((1.0, ends[0]), (0.0, ends[1])):
        close(between(model, *text, a, b, Linear(weight), sampling()).synthesis.mel, end)
        temporal = between(model, *text, a, b, Temporal(weight, cross_width=0.0), sampling())
        close(temporal.synthesis.mel, end)
    close(between(model, *text, a, a, Linear(0.3), sampling()).synthesis.mel, ends[0])


@torch.no_grad()
def test_frequency_ends_are_the_plain_runs(model, frames, pitched):
    a, b = pitched
    mask = torch.rand(frames.mu.shape, generator=seeded(3), dtype=torch.float64)
    plain_a, plain_b = (plain(model, frames, style) for style in pitched)
    assert (plain_a - plain_b).abs().max() > 0.1  # pitch is heard
    for settings in (SameTime(), TwoNoise(), Staged(decided_by="attention", epoch=0)):
        close(transfer(model, frames, b, b, mask, settings, sampling()).synthesis.mel, plain_b)
    same_time = SameTime()
    for field, end in ((torch.ones_like(mask), plain_a), (torch.zeros_like(mask), plain_b)):
        close(transfer(model, frames, a, b, field, same_time, sampling()).synthesis.mel, end)


@pytest.mark.parametrize("kind", [Staged(epoch=2), SameTime(share="reader")])
def test_with_one_reference_the_shipped_reader_changes_no_bit(model, frames, pitched, kind, monkeypatch):
    monkeypatch.setattr(model, "reader", read_reader("checkpts/default.pt", frames.mu.shape[1]).double())
    a, b = pitched
    mask = torch.rand(frames.mu.shape, generator=seeded(3), dtype=torch.float64)
    assert torch.equal(transfer(model, frames, b, b, mask, kind, sampling()).synthesis.mel, plain(model, frames, b))
    with_both = transfer(model, frames, a, b, mask, kind, sampling())
    assert (with_both.synthesis.mel - plain(model, frames, b)).abs().max() > 0.1


@torch.no_grad()
def test_a_bias_enters_once(model, frames, pitched):
    _, b = pitched
    field = dict.fromkeys(TYPES, torch.rand(frames.mu.shape, generator=seeded(4), dtype=torch.float64))
    blended = model.denoiser(frames, b, Blend(b, field))
    for name, (level, site) in model.decoder.estimator.attention_sites().items():
        before = site.project.bias.clone()
        site.project.bias.fill_(100.0)
        shape = 1, len(before), frames.mu.shape[1] // 2**level, frames.mu.shape[2] // 2**level
        cells = torch.randn(shape, generator=seeded(level), dtype=torch.float64)
        condition = blended.condition.sites[name]
        mixed = site(cells, condition, blended.attention, blended.attention.other.sites[name], name)
        close(mixed, site(cells, condition))
        site.project.bias.copy_(before)


def test_tuning_lowers_its_loss_and_leaves_the_model_as_it_was(model, frames, pitched):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    mask = torch.ones_like(frames.mu)
    mask[:, 30:] = 0
    settings = Staged(decided_by="attention", epoch=2, tal1=0.4, tal2=0.0)
    with counted_calls(model) as calls:
        run = transfer(model, frames, *pitched, mask, settings, sampling())
    assert run.history and all(record.losses[-1] < record.losses[0] for record in run.history)
    assert run.synthesis.nfe == len(calls) > STEPS
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    again = transfer(model, frames, *pitched, mask, settings, sampling())
    assert torch.equal(again.synthesis.mel, run.synthesis.mel)
    # Nothing inside the mask: no step is taken while attention is drawn to a.
    nowhere = transfer(model, frames, *pitched, 0 * mask, replace(settings, tal2=0.4), sampling())
    assert all(record.moved == 0 for record in nowhere.history)


def test_the_mass_on_one_references_keys_has_no_gradient_and_the_joint_one_has(model, frames, pitched):
    a, b = (model.condition(frames, model.style(style, 1)) for style in pitched)
    name, (_, site) = next(iter(model.decoder.estimator.attention_sites().items()))
    shape = 1, site.norm.normalized_shape[0], *frames.mu.shape[1:]
    cells = torch.randn(shape, generator=seeded(0), dtype=torch.float64).requires_grad_()
    keys = a.sites[name].keys["pitch"]
    query = site.to_query(site.norm(cells.permute(0, 2, 3, 1)))[..., : site.inner]
    logits = site._query_heads(query, keys) @ keys.key.transpose(-1, -2) + keys.bias
    single = torch.autograd.grad(logits.softmax(-1).sum(-1).mean(), cells, retain_graph=True)[0]
    joint = torch.autograd.grad(site._joint_mass(query, keys, b.sites[name].keys["pitch"]).mean(), cells)[0]
    assert single.abs().max() < 1e-12 < 1e-9 < joint.abs().max()
