"""Whole interpolations at their ends, where they must be plain runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS
from model.interpolation import Linear, SameTime, Staged, Temporal, TwoNoise
from model.interpolation.pitch_transfer import PitchTransfer
from model.interpolation.plan import Interpolated, Measured, Reading, common_frames
from model.sampling import SAMPLERS
from model.style import StyleSource
from model.text_to_mel import Frames
from tests.tiny_model import seeded, tiny_model, without
from tests.two_styles import (
    DOUBLE,
    STEPS,
    between,
    counted_calls,
    frames_of,
    plain,
    random_mask,
    readings,
    same_voice,
    sampling,
    spread,
    styles,
    text,
    transfer,
)

KINDS = pytest.mark.parametrize(("kind", "sampler"), [("typed", "edm-2m"), ("typed", "euler"), ("bundled", "edm-2m")])
EPOCH_0 = Staged(decided_by="attention", epoch=0)
SAME_TIME = SameTime()
TWO_NOISE = TwoNoise()
RAW = TwoNoise(join="raw")


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def apart(one: Tensor, other: Tensor) -> None:
    assert one.shape != other.shape or (one - other).abs().max() > 1e-2


def spoken(model: CondGradTTS, style: StyleSource, sampler: str) -> Tensor:
    return plain(model, spread(model, *text(), style), style, sampler).mel


@KINDS
@pytest.mark.parametrize("blend", ["condition", "score"])
def test_linear_ends_are_the_plain_runs(blend: str, sampler: str, kind: str) -> None:
    model, (a, b) = tiny_model(DOUBLE, kind), styles()

    def run(weight: float, first: StyleSource = a, second: StyleSource = b) -> Interpolated:
        return between(model, *text(), first, second, Linear(weight, blend), sampling(sampler))

    close(run(1).synthesis.mel, spoken(model, a, sampler))
    close(run(0).synthesis.mel, spoken(model, b, sampler))
    close(run(0.3, a, a).synthesis.mel, spoken(model, a, sampler))
    apart(run(0.5).synthesis.mel, run(0.7).synthesis.mel)
    assert run(0.3).synthesis.nfe == (2 * STEPS if blend == "score" else STEPS)


@KINDS
def test_temporal_ends_are_the_plain_runs(sampler: str, kind: str) -> None:
    model, (a, b) = tiny_model(DOUBLE, kind), styles()

    def run(cross: float, width: float, first: StyleSource = a, second: StyleSource = b) -> Tensor:
        settings = Temporal(cross, cross_width=width)
        return between(model, *text(), first, second, settings, sampling(sampler)).synthesis.mel

    close(run(1, 0), spoken(model, a, sampler))
    close(run(0, 0), spoken(model, b, sampler))
    close(run(0.4, 0, a, a), spoken(model, a, sampler))
    close(run(0.5, 0.7, b, b), spoken(model, b, sampler))
    apart(run(0.5, 0), spoken(model, a, sampler))
    apart(run(0.5, 0), spoken(model, b, sampler))


def frequency(
    model: CondGradTTS,
    frames: Frames,
    a: StyleSource,
    b: StyleSource,
    mask: Tensor,
    settings: PitchTransfer,
    sampler: str = "edm-2m",
    **options,
) -> Tensor:
    return transfer(model, frames, a, b, mask, settings, sampling(sampler), **options).synthesis.mel


def with_pitch_of(a: StyleSource, b: StyleSource) -> StyleSource:
    """b speaking with a's pitch; both contours of one length here, since a source has one length for its contours."""
    return replace(b, log_f0=a.log_f0, voicing=a.voicing)


def equally_long(a: StyleSource, b: StyleSource) -> tuple[StyleSource, StyleSource]:
    length = b.contour_lengths[0]
    cut = {name: getattr(a, name)[:, :length] for name in ("log_f0", "voicing", "energy")}
    return replace(a, **cut, contour_lengths=b.contour_lengths), b


@KINDS
@pytest.mark.parametrize("settings", [EPOCH_0, SAME_TIME, TWO_NOISE])
def test_frequency_between_equal_styles_is_the_plain_run(kind: str, settings: PitchTransfer, sampler: str) -> None:
    model, (_, b) = tiny_model(DOUBLE, kind), styles()
    frames = frames_of(model, b)
    close(frequency(model, frames, b, b, random_mask(frames), settings, sampler), plain(model, frames, b, sampler).mel)


@pytest.mark.parametrize("sampler", ["edm-2m", "euler"])
@pytest.mark.parametrize("settings", [SAME_TIME, RAW])
def test_frequency_with_an_empty_and_a_full_mask(settings: PitchTransfer, sampler: str) -> None:
    model, (a, b) = tiny_model(DOUBLE), equally_long(*styles())
    frames = frames_of(model, b)
    full = torch.ones_like(frames.mu)
    only_b, mixed = (plain(model, frames, style, sampler).mel for style in (b, with_pitch_of(a, b)))
    apart(only_b, mixed)
    close(frequency(model, frames, a, b, 0 * full, settings, sampler), only_b)
    close(frequency(model, frames, a, b, full, settings, sampler), mixed)
    half = frequency(model, frames, a, b, random_mask(frames), settings, sampler)
    apart(half, only_b)
    apart(half, mixed)


FIELDS_OF = {
    "pitch": ("log_f0", "voicing"),
    "energy": ("energy",),
    "timbre": ("reference_mel", "reference_lengths"),
    "speaker": ("speaker",),
    "emotion": ("emotion",),
}


@pytest.mark.parametrize(
    ("from_a", "types"),
    [
        ("pitch", ("pitch",)),
        ("energy", ("energy",)),
        ("emotion,pitch", ("emotion", "pitch")),
        ("voice", ("speaker", "timbre")),
        ("manner,timbre", ("emotion", "timbre")),
        ("pitch,energy,voice,manner", tuple(FIELDS_OF)),
    ],
)
def test_the_types_that_are_named_come_from_a_and_the_others_from_b(from_a: str, types: tuple[str, ...]) -> None:
    model, (a, b) = tiny_model(DOUBLE), equally_long(*styles())
    frames = frames_of(model, b)
    full = torch.ones_like(frames.mu)
    of_a = {field: getattr(a, field) for name in types for field in FIELDS_OF[name]}
    expected = plain(model, frames, replace(b, **of_a)).mel
    close(frequency(model, frames, a, b, full, SameTime(from_a=from_a)), expected)
    apart(expected, plain(model, frames, b).mel)


def test_a_mask_confines_the_pitch_alone() -> None:
    model, (a, b) = tiny_model(DOUBLE), equally_long(*styles())
    frames = frames_of(model, b)
    nowhere = torch.zeros_like(frames.mu)
    expected = plain(model, frames, replace(b, energy=a.energy)).mel
    close(frequency(model, frames, a, b, nowhere, SameTime(from_a="pitch,energy")), expected)


def measured_readings(model: CondGradTTS, a: StyleSource, b: StyleSource) -> list[Reading]:
    """With contours that were measured, at each one's own durations."""
    found = []
    for number, reading in enumerate(readings(model, *text(), a, b)):
        durations = model.spread(reading.text).durations[0]
        frames = int(durations.sum())
        log_f0, energy = (number + torch.linspace(*ends, frames, dtype=DOUBLE) for ends in ((4.5, 5.5), (-3, -1)))
        measured = Measured(durations, log_f0, torch.ones(frames, dtype=DOUBLE), energy, lambda: None)
        found.append(replace(reading, measured=measured))
    return found


@pytest.mark.parametrize("durations", ["a", "b"])
def test_the_frames_are_of_the_one_who_speaks_and_contours_are_the_measured_ones(durations: str) -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    both = measured_readings(model, a, b)
    share = torch.full((both[0].text.mu.shape[2],), float(durations == "a"))
    for from_a, speaking in (("energy,manner", 1), ("voice,energy", 0)):
        plan = SameTime(from_a=from_a, durations=durations).plan(model, *both)
        own = common_frames(model, *both, share, 1.0)[speaking]
        close(plan.frames.mu, own.mu)
        for style, reading in ((plan.style_a, both[0]), (plan.style_b, both[1])):
            energy = reading.measured.carried(reading.measured.energy, own)
            close(style.energy[0], model.normalise_energy(energy))
            close(style.log_f0[0], reading.measured.carried(reading.measured.log_f0, own))


def test_a_bundled_style_gives_the_pitch_alone() -> None:
    model = tiny_model(DOUBLE, "bundled")
    SameTime().check(model, SAMPLERS["edm-2m"])
    with pytest.raises(ValueError, match="in one piece"):
        SameTime(from_a="energy").check(model, SAMPLERS["edm-2m"])


@pytest.mark.parametrize("kind", ["typed", "bundled"])
def test_staged_without_steps_is_linear_at_one_half(kind: str) -> None:
    model, (a, b) = tiny_model(DOUBLE, kind), same_voice(*styles())
    frames = frames_of(model, b)
    staged = transfer(model, frames, a, b, random_mask(frames), EPOCH_0, sampling())
    linear = between(model, *text(), a, b, Linear(0.5), sampling())
    close(staged.synthesis.mel, linear.synthesis.mel)
    assert staged.synthesis.nfe == STEPS and staged.history == [] and staged.mass == {}
    apart(linear.synthesis.mel, plain(model, frames, b).mel)


def test_a_style_without_contours_keeps_its_end() -> None:
    """Where one style has no pitch, the other's must not spread to it."""
    model, (a, b) = tiny_model(DOUBLE), styles()
    for first, second in ((without(a, "pitch", "energy"), b), (a, without(b, "pitch"))):
        for weight, style in ((1, first), (0, second)):
            mel = between(model, *text(), first, second, Linear(weight), sampling()).synthesis.mel
            close(mel, spoken(model, style, "edm-2m"))


def test_frames_past_the_end_do_not_matter() -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    frames = frames_of(model, b)
    mask = random_mask(frames)
    other = torch.where(frames.mask > 0, mask, 1 - mask)
    assert not torch.equal(mask, other)
    for settings in (SAME_TIME, TWO_NOISE, Staged(decided_by="attention", step_size=0.05)):
        one, two = (frequency(model, frames, a, b, field, settings) for field in (mask, other))
        torch.testing.assert_close(one, two, atol=0, rtol=0)


RUNS = {
    "linear": lambda model, frames, a, b: between(model, *text(), a, b, Linear(0.3), sampling()),
    "score": lambda model, frames, a, b: between(model, *text(), a, b, Linear(0.3, "score"), sampling()),
    "temporal": lambda model, frames, a, b: between(model, *text(), a, b, Temporal(0.5), sampling()),
    **{
        name: lambda model, frames, a, b, settings=settings: transfer(
            model, frames, a, b, random_mask(frames), settings, sampling()
        )
        for name, settings in {
            "staged": Staged(decided_by="attention", epoch=2, tal1=0.3, tal2=0.05),
            "noise": Staged(decided_by="attention", noise_only=True, loss="original"),
            "same-time": SAME_TIME,
            "two-noise": TWO_NOISE,
        }.items()
    },
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_leaves_nothing_behind_and_counts_its_evaluations(name: str) -> None:
    model, (a, b) = tiny_model(), styles(torch.float32)
    frames = frames_of(model, b)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with counted_calls(model) as calls:
        first = RUNS[name](model, frames, a, b)
    assert len(calls) == first.synthesis.nfe
    assert not model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    kept = {key: value.clone() for key, value in first.mass.items()}
    RUNS[name](model, frames, b, a)
    again = RUNS[name](model, frames, a, b)
    assert torch.equal(first.synthesis.mel, again.synthesis.mel) and first.history == again.history
    assert all(torch.equal(first.mass[key], kept[key]) and torch.equal(again.mass[key], kept[key]) for key in kept)
    assert not first.synthesis.mel.requires_grad and not any(mass.requires_grad for mass in kept.values())


@pytest.mark.parametrize("name", RUNS)
def test_a_run_inside_inference_mode_is_the_same(name: str) -> None:
    model, (a, b) = tiny_model(), styles(torch.float32)
    outside = RUNS[name](model, frames_of(model, b), a, b)
    with torch.inference_mode():
        inside = RUNS[name](model, frames_of(model, b), *styles(torch.float32))
    assert torch.equal(outside.synthesis.mel, inside.synthesis.mel)
    assert outside.history == inside.history


def test_mass_is_kept_where_it_steers() -> None:
    model, (a, b) = tiny_model(), styles(torch.float32)
    frames = frames_of(model, b)
    mask = random_mask(frames)
    run = transfer(model, frames, a, b, mask, Staged(decided_by="attention", epoch=1), sampling())
    sites = model.decoder.estimator.attention_sites()
    assert {site for site, _ in run.mass} == set(sites)
    rows, length = run.plan.frames.mu.shape[1:]
    for (site, _), mass in run.mass.items():
        level = sites[site][0]
        assert mass.shape == (1, 1 if site == "frames" else rows >> level, length >> level)
    assert between(model, *text(), a, b, Linear(0.5), sampling()).mass == {}


def test_the_start_noise_is_that_of_a_plain_run() -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    frames = frames_of(model, b)
    noise = torch.randn(frames.mu.shape, generator=seeded(2), dtype=DOUBLE)
    given = replace(sampling(), generator=None, noise=noise)
    expected = model.decode(frames, b, given).mel
    for settings in (SAME_TIME, TWO_NOISE):
        run = transfer(model, frames, a, b, torch.zeros_like(frames.mu), settings, given)
        close(run.synthesis.mel, expected)


def test_what_does_not_fit_is_refused() -> None:
    model, (a, b) = tiny_model(), styles(torch.float32)
    frames = frames_of(model, b)
    with pytest.raises(ValueError, match=r"the share must be \(1, 16, \d+\) like mu, not \(1, 16, 4\)"):
        transfer(model, frames, a, b, torch.ones(1, 16, 4), SAME_TIME, sampling())
    with pytest.raises(ValueError, match="one text at a time, not 2"):
        between(model, text()[0].repeat(2, 1), text()[1].repeat(2), a, b, Linear(), sampling())
    with pytest.raises(ValueError, match="cross_word 1: the text has 0 words"):
        between(model, *text(), a, b, Temporal(cross_word=1), sampling())
    with pytest.raises(ValueError, match="length_scale must be positive, not 0"):
        between(model, *text(), a, b, Linear(), sampling(), 0)
