"""Tuning of the latent: what its loss is, when it acts, and what it leaves alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.cond_grad_tts import CondGradTTS
from model.interpolation import SameTime, Staged
from model.interpolation.latent_tuner import AttentionMass, LatentTuner, ReaderMass, weighted_mean
from model.interpolation.pitch_reading import ReadingDenoiser
from model.interpolation.pitch_transfer import PitchTransfer
from model.interpolation.plan import Interpolated, Plan
from model.pitch_reader import PitchReader, PitchReading
from model.sampling import SAMPLERS
from model.schedule import Schedule
from model.style import Style, StyleSource
from model.text_to_mel import Frames
from tests.tiny_model import randomise, seeded, tiny_model, with_reader
from tests.tiny_synthesiser import tiny_loaded
from tests.two_styles import counted_calls, frames_of, random_mask, sampling, styles, transfer

ROWS, FRAMES, VALID = 8, 12, 10


@dataclass
class MassDenoiser:
    """The mass on a is the sigmoid of the latent, at two resolutions; the data prediction is half the latent."""

    schedule: Schedule = field(default_factory=Schedule)
    attention: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(mass={}))
    calls: int = 0

    def x0(self, x: Tensor, t: float) -> Tensor:
        self.calls += 1
        self.attention.mass["fine", "pitch"] = x.sigmoid()
        self.attention.mass["coarse", "pitch"] = F.avg_pool2d(x, 2).sigmoid()
        self.attention.mass["fine", "timbre"] = (3 * x).sigmoid()
        return x / 2

    def expected(self) -> Tensor:
        return torch.zeros(())

    def score(self, x: Tensor, t: float) -> Tensor:
        return -self.x0(x, t)


MASK = (torch.arange(FRAMES) < VALID).double().expand(1, 1, -1)


def noise(seed: int) -> Tensor:
    return torch.randn(1, ROWS, FRAMES, generator=seeded(seed), dtype=torch.float64)


def mean() -> Tensor:
    return 0.1 * noise(9) * MASK


def latent() -> Tensor:
    return mean() + noise(0) * MASK


def attending(**settings: object) -> Staged:
    """By attention, with one step at times that the tests name."""
    return Staged(**{"decided_by": "attention", "tal1": 0.5, "tal2": 0.2, **settings})


def tuner(settings: Staged, pitch_mask: Tensor | None = None) -> LatentTuner:
    soft = torch.rand(1, ROWS, FRAMES, generator=seeded(4), dtype=torch.float64) if pitch_mask is None else pitch_mask
    return LatentTuner(AttentionMass(MassDenoiser()), Schedule(), mean(), MASK, soft, settings)


def expected_loss(tuned: LatentTuner, x: Tensor, t: float) -> float:
    """At the first inner step, where the prediction has not changed yet."""
    gamma, towards_a = tuned.settings.gamma, t > tuned.settings.tal1
    inside, outside = tuned.pitch_mask * tuned.mask, (1 - tuned.pitch_mask) * tuned.mask
    if not towards_a:
        inside, outside = outside, inside
    terms = []
    for size in (1, 2):
        mass = F.avg_pool2d(x, size).sigmoid()
        own = mass if towards_a else 1 - mass
        here, there = F.avg_pool2d(inside, size), F.avg_pool2d(outside, size)
        if tuned.settings.loss == "competing":
            terms.append(float((-own.log() * here).sum() / here.sum()))
        else:
            terms.append(float(gamma * (own * there).sum() / there.sum() - (own * here).sum() / here.sum()))
    return sum(terms) / 2


@pytest.mark.parametrize("loss", ["competing", "original"])
@pytest.mark.parametrize("t", [0.9, 0.51, 0.5, 0.21])
def test_the_loss_is_the_written_out_one(t: float, loss: str) -> None:
    tuned = tuner(attending(tal1=0.5, tal2=0.2, epoch=1, step_size=0.1, loss=loss, gamma=0.7))
    x = latent()
    tuned(3, t, x)
    assert tuned.history[0].t == t
    assert tuned.history[0].losses[0] == pytest.approx(expected_loss(tuned, x, t), rel=1e-12)


def test_the_mirror_of_the_original_pair_has_the_same_gradient_at_gamma_one() -> None:
    half = (torch.arange(ROWS) < ROWS // 2).double()[None, :, None].expand(1, -1, FRAMES)  # of equal areas
    tuned, gradients = tuner(attending(loss="original", gamma=1.0), half), []
    for t in (0.9, 0.4):
        leaf, loss, _ = tuned._evaluate(latent(), tuned._aim(0, t))
        gradients.append(torch.autograd.grad(loss, leaf)[0])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-12, rtol=0)
    assert gradients[0].abs().max() > 1e-6


def test_the_penalty_is_the_change_of_the_prediction_in_the_other_cells() -> None:
    for t in (0.9, 0.4):
        tuned = tuner(attending(tal1=0.5, tal2=0.2, epoch=1, step_size=0.3, gamma=0.7))
        moved = tuned(0, t, latent())
        others = ((1 - tuned.pitch_mask) if t > 0.5 else tuned.pitch_mask) * tuned.mask
        penalty = float((((moved - latent()) / 2).square() * others).sum() / others.sum())
        assert penalty > 1e-5
        expected = expected_loss(tuned, moved, t) + 0.7 * penalty
        assert tuned.history[0].losses[1] == pytest.approx(expected, rel=1e-12)


def test_x_minus_mu_keeps_its_mean_and_deviation_where_it_moves_and_the_rest_stays() -> None:
    half = (torch.arange(ROWS) < ROWS // 2).double()[None, :, None].expand(1, -1, FRAMES)
    for t, own in ((0.9, half), (0.4, 1 - half)):
        tuned = tuner(attending(epoch=3, step_size=2.0), half)
        cells, x = (own * MASK).bool(), latent()
        moved = tuned(0, t, x)
        before, after = ((z - tuned.mu)[cells] for z in (x, moved))
        assert (after - before).abs().max() > 0.1
        torch.testing.assert_close(after.mean(), before.mean(), atol=1e-12, rtol=0)
        torch.testing.assert_close(after.std(), before.std(), atol=1e-12, rtol=0)
        assert torch.equal(moved[~cells], x[~cells])
        valid = MASK.expand(1, ROWS, FRAMES).bool()
        assert tuned.history[0].moved == pytest.approx(float((moved - x)[valid].square().mean().sqrt()))


def test_a_step_is_as_long_as_asked_for_whatever_length_area_and_slope() -> None:
    for frames, width, slope in ((20, 18, 1.0), (200, 18, 1.0), (200, 180, 1.0), (200, 180, 1e-3)):
        x = torch.randn(1, ROWS, frames, generator=seeded(frames), dtype=torch.float64)
        inside = torch.zeros_like(x)
        inside[:, : ROWS // 2, :width] = 1
        ones = torch.ones(1, 1, frames, dtype=torch.float64)
        aim = torch.randn(x.shape, generator=seeded(1), dtype=torch.float64)

        def masses(x: Tensor, t: float, aim: Tensor = aim, slope: float = slope) -> tuple[list[Tensor], Tensor]:
            return [(slope * aim * x).sigmoid()], x

        masses.evaluations = 0
        tuned = LatentTuner(masses, Schedule(), 0 * x, ones, inside, attending(gamma=0, step_size=1e-2))
        move = tuned(0, 0.9, x) - x
        assert float((move.square().sum() / inside.sum()).sqrt()) == pytest.approx(
            1e-2 * Schedule().sigma(0.9), rel=0.1
        )


def test_no_step_where_there_is_nothing_to_do() -> None:
    full = torch.ones(1, ROWS, FRAMES, dtype=torch.float64)
    past_the_end = full * (torch.arange(FRAMES) >= VALID)
    for settings, mask, i, t in (
        (attending(epoch=2), 0 * full, 0, 0.9),
        (attending(epoch=2), 0 * full, 0, 0.4),
        (attending(epoch=2), past_the_end, 0, 0.9),
        (attending(epoch=2), full, 0, 0.4),  # nothing is outside
        (attending(epoch=0), None, 0, 0.9),
        (attending(epoch=2, tal2=0.2), None, 0, 0.2),
        (attending(epoch=2, noise_only=True), None, 1, 0.9),
    ):
        tuned = tuner(settings, mask)
        assert tuned(i, t, latent()) is None
        assert tuned.history == [] and tuned.evaluations == 0 and tuned.masses.denoiser.calls == 0
    assert tuner(attending(epoch=2, noise_only=True))(0, 0.9, latent()) is not None


def test_a_step_is_halved_until_the_loss_falls_and_every_evaluation_counts() -> None:
    target, everywhere = latent() + 0.5 * noise(5) * MASK, torch.ones(1, ROWS, FRAMES, dtype=torch.float64)
    for step_size in (0.01, 3.0):
        calls: list[float] = []

        def masses(x: Tensor, t: float, calls: list[float] = calls) -> tuple[list[Tensor], Tensor]:
            calls.append(t)
            return [(-((x - target) ** 2)).exp()], x

        masses.evaluations = 1
        tuned = LatentTuner(masses, Schedule(), mean(), MASK, everywhere, attending(epoch=4, step_size=step_size))
        tuned(0, 0.9, latent())
        losses = tuned.history[0].losses
        assert len(losses) == 5 and all(after < before for before, after in pairwise(losses))
        assert tuned.evaluations == len(calls) >= 5
        assert (tuned.evaluations == 5) == (step_size == 0.01)


def test_a_loss_that_cannot_fall_leaves_the_latent() -> None:
    tuned = tuner(attending(epoch=3))
    denoiser = tuned.masses.denoiser
    denoiser.x0 = lambda x, t: denoiser.attention.mass.update({("fine", "pitch"): 0.5 + 0 * x}) or x / 2
    assert tuned(0, 0.9, latent()) is None
    assert tuned.history[0].moved == 0 and len(tuned.history[0].losses) == 1


def test_the_ablation_steps_as_far_in_a_random_direction() -> None:
    half = (torch.arange(ROWS) < ROWS // 2).double()[None, :, None].expand(1, -1, FRAMES)
    random = tuner(attending(step_size=0.01, direction="random"), half)
    x = mean() + noise(5) * MASK  # not the noise of the first step
    moves = [(random(0, 0.9, x) - x)[:, : ROWS // 2, :VALID] for _ in range(2)]
    for move in moves:
        assert float(move.square().mean().sqrt()) == pytest.approx(0.01 * Schedule().sigma(0.9), rel=0.1)
    assert F.cosine_similarity(moves[0].flatten(), moves[1].flatten(), dim=0).abs() < 0.4


def test_weighted_mean() -> None:
    values, weight = torch.tensor([1.0, 2.0, 7.0]), torch.tensor([3.0, 1.0, 0.0])
    assert weighted_mean(values, weight) == 1.25
    assert weighted_mean(values, 0 * weight) == 0


# Stages


def stages(sampler: str, steps: int, settings: Staged) -> list[tuple[float, str]]:
    """Time and stage of every evaluation: recognised by the loss that was minimised there."""
    ones = torch.ones(1, 1, 2, dtype=torch.float64)
    inside = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    denoiser, nowhere = MassDenoiser(), torch.zeros(1, 2, 2, dtype=torch.float64)
    tuned = LatentTuner(AttentionMass(denoiser), denoiser.schedule, nowhere, ones, inside, settings)
    seen: list[tuple[float, str]] = []

    def tune(i: int, t: float, x: Tensor) -> Tensor | None:
        count = len(tuned.history)
        result = tuned(i, t, x)
        stage = "free"
        if len(tuned.history) > count:
            found = tuned.history[-1].losses[0]
            stage = min(("a", "b"), key=lambda side: abs(found - loss_of(x, side)))
            assert found == pytest.approx(loss_of(x, stage), rel=1e-9)
        seen.append((t, stage))
        return result

    def loss_of(x: Tensor, side: str) -> float:
        coarse = F.avg_pool2d(x, 2).sigmoid()
        if side == "a":
            return float((-x.sigmoid()[:, 0].log().mean() - coarse.log().mean()) / 2)
        return float((-(1 - x.sigmoid()[:, 1]).log().mean() - (1 - coarse).log().mean()) / 2)

    x = torch.tensor([[[0.3, -0.8], [1.1, -0.2]]], dtype=torch.float64)
    SAMPLERS[sampler](denoiser, x, tuned.mu, ones, steps, tune=tune, generator=seeded(0))
    return seen


@pytest.mark.parametrize(
    ("sampler", "tal", "numbers"),
    [("edm-2m", (0.5, 0.2), range(1, 51)), ("euler", (0.5, 0.2), range(1, 51))]
    + [(sampler, tal, (1, 7, 10)) for sampler in SAMPLERS for tal in ((0.5, 0.2), (0.6, 0.6), (1.0, 0.0))],
)
def test_stages_follow_the_diffusion_time(sampler: str, tal: tuple[float, float], numbers: Iterable[int]) -> None:
    settings = attending(tal1=tal[0], tal2=tal[1], epoch=1, step_size=1e-3, gamma=0.0)
    for steps in numbers:
        seen = stages(sampler, steps, settings)
        assert len(seen) == steps
        for t, stage in seen:
            assert stage == ("a" if t > tal[0] else "b" if t > tal[1] else "free"), (steps, t)


@pytest.mark.parametrize("steps", [Staged.evaluations, 10, 20, 50])
def test_every_stage_gets_evaluations_by_default(steps: int) -> None:
    default = Staged()
    settings = attending(tal1=default.tal1, tal2=default.tal2, step_size=1e-3)
    assert {stage for _, stage in stages("edm-2m", steps, settings)} == {"a", "b", "free"}


# On the model


def staged(
    settings: Staged, a: StyleSource, b: StyleSource, seed: int = 0, model: CondGradTTS | None = None
) -> Interpolated:
    model = tiny_model() if model is None else model
    frames = frames_of(model, b)
    return transfer(model, frames, a, b, random_mask(frames), settings, sampling(steps=4, seed=seed))


@pytest.mark.parametrize("decided_by", ["reader", "attention"])
@pytest.mark.parametrize("loss", ["competing", "original"])
@pytest.mark.parametrize("seed", range(2))
def test_the_loss_falls_on_the_model(seed: int, loss: str, decided_by: str) -> None:
    settings = Staged(epoch=3, loss=loss, decided_by=decided_by, tal1=0.5, tal2=0.3)
    (a, b), model = styles(torch.float32, seed), with_reader()
    with counted_calls(model) as calls:
        run = staged(settings, a, b, seed, model)
    assert [record.t > settings.tal1 for record in run.history] == [True, False]
    for record in run.history:
        assert len(record.losses) == 4 and all(math.isfinite(loss) for loss in record.losses)
        assert record.losses[-1] < record.losses[0]
        assert record.moved > 1e-4
    assert run.synthesis.nfe == len(calls)
    # The reader is asked without the network.
    assert len(calls) == 4 if decided_by == "reader" else len(calls) >= 4 + 2 * 4


def test_the_noise_alone_is_tuned_before_the_first_evaluation() -> None:
    a, b = styles(torch.float32)
    run = staged(attending(epoch=2, noise_only=True), a, b)
    assert len(run.history) == 1 and len(run.history[0].losses) == 3
    assert run.synthesis.nfe == 4 + 3


def test_equal_styles_are_not_tuned_by_attention() -> None:
    _, b = styles(torch.float32)
    run = staged(attending(epoch=3), b, b)
    assert all(record.losses[0] == pytest.approx(math.log(2), abs=1e-5) for record in run.history)
    assert all(record.moved == 0 for record in run.history)


@pytest.mark.parametrize("kind", [Staged(epoch=3), Staged(epoch=0), SameTime(share="reader")])
def test_with_one_reference_the_reader_changes_no_bit(kind: PitchTransfer) -> None:
    """Whatever its weights, and whatever it is tuned to."""
    _, b = styles(torch.float32)
    for seed in range(2):
        model = with_reader(seed)
        frames = frames_of(model, b)
        given = sampling(steps=4)
        expected = model.decode(frames, b, sampling(steps=4)).mel
        run = transfer(model, frames, b, b, random_mask(frames), kind, given)
        assert torch.equal(run.synthesis.mel, expected)
        assert all((each.mass == 0.5).all() and (each.by_frame == 0.5).all() for each in run.read)
        assert all(record.moved == 0 for record in run.history)


@torch.no_grad()
def reading_plan(model: CondGradTTS, frames: Frames, a: StyleSource, b: StyleSource) -> tuple[Plan, ReadingDenoiser]:
    plan = Plan(frames, *(model.complete(style, frames) for style in (a, b)), {}, random_mask(frames))
    return plan, ReadingDenoiser.of_plan(model, plan)


def test_the_reader_decides_what_is_drawn_and_the_gradient_reaches_the_prediction() -> None:
    a, b = styles(torch.float32)
    model = with_reader()
    frames = frames_of(model, b)
    plan, denoiser = reading_plan(model, frames, a, b)
    x = (frames.mu + torch.randn(frames.mu.shape, generator=seeded(0))).requires_grad_()
    picture = model.decoder.estimator.pictures
    drawn: list[Tensor] = []
    handle = picture.source.register_forward_hook(lambda module, inputs, output: drawn.append(output))
    predicted = denoiser.x0(x, 0.5)
    handle.remove()
    (gradient,) = torch.autograd.grad(drawn[-1].square().sum(), x, retain_graph=True)
    assert gradient.abs().max() > 1e-8
    assert denoiser.read == []  # only what is sampled is kept
    with torch.no_grad():
        assert torch.equal(denoiser.x0(x, 0.5), predicted)
    kept = denoiser.read[0]
    assert kept.mass.shape == frames.mu.shape and kept.by_frame.shape == frames.mu[:, 0].shape
    for gain, style in ((1e4, a), (-1e4, b)):  # a reader that is sure
        with torch.no_grad():
            sure = ReadingDenoiser.of_plan(model, plan)
            sure.reader = lambda x, log_s, one, other, gain=gain: PitchReading(0 * x + gain, torch.tensor(1.0))
            plain_pitch = model.denoiser(frames, with_pitch_of(style, b, model, frames)).x0(x, 0.5)
            torch.testing.assert_close(sure.x0(x, 0.5), plain_pitch, atol=1e-4, rtol=0)


def test_without_a_latent_either_pitch_is_as_likely() -> None:
    a, b = styles(torch.float32)
    model = with_reader()
    frames = frames_of(model, b)
    plan, denoiser = reading_plan(model, frames, a, b)
    half = {"pitch": torch.full_like(plan.mask, 0.5)}
    other = Plan(frames, plan.style_a, plan.style_b, half, plan.mask)
    with torch.no_grad():
        torch.testing.assert_close(denoiser.expected(), other.blended(model).expected())
        assert not torch.allclose(denoiser.expected(), model.denoiser(frames, plan.style_b).expected(), atol=1e-4)


def with_pitch_of(style: StyleSource, other: StyleSource, model: CondGradTTS, frames: Frames) -> Style:
    """One style's pitch tokens among another's."""
    tokens, rest = (model.style(model.complete(each, frames), 1) for each in (style, other))
    return Style({**rest.types, "pitch": tokens.types["pitch"]})


def test_a_model_without_a_reader_says_so() -> None:
    for kind in (Staged(), SameTime(share="reader")):
        with pytest.raises(ValueError, match=r"no pitch reader beside it.*training\.pitch_reader"):
            kind.check(tiny_model(), SAMPLERS["edm-2m"])
    for kind in (Staged(decided_by="attention"), SameTime()):
        kind.check(tiny_model(), SAMPLERS["edm-2m"])
    Staged().check(with_reader(), SAMPLERS["edm-2m"])


def test_the_readers_mass_is_what_is_tuned() -> None:
    model = with_reader()
    _, b = pair = styles(torch.float32)
    frames = frames_of(model, b)
    _, denoiser = reading_plan(model, frames, *pair)
    with torch.no_grad():
        masses, kept = ReaderMass(denoiser)(frames.mu + 1, 0.5)
        expected = denoiser.reading(frames.mu + 1, 0.5).mass
    assert torch.equal(masses[0], expected) and torch.equal(kept, expected)


@pytest.mark.parametrize("decided_by", ["reader", "attention"])
def test_tuning_moves_the_mel_and_so_does_a_random_step(decided_by: str) -> None:
    a, b = styles(torch.float32)
    model = with_reader()
    plain, tuned, random = (
        staged(Staged(decided_by=decided_by, **settings), a, b, model=model).synthesis.mel
        for settings in ({"epoch": 0}, {"epoch": 2}, {"epoch": 2, "direction": "random"})
    )
    for one, other in ((plain, tuned), (plain, random), (tuned, random)):
        assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("kind", [Staged(), SameTime(share="reader")])
def test_names_of_a_model_that_hears_are_voices_there_too(kind: PitchTransfer) -> None:
    """Whether a style names its speaker or has that speaker's vector, the run is the same."""
    model = tiny_loaded(voice_channels=8).model.requires_grad_(False)
    model.reader = PitchReader(80, 4).eval().requires_grad_(False)
    randomise(model.reader, seeded(0))
    named = {"reference_mel": None, "reference_lengths": None}
    a, b = (
        replace(style, speaker=torch.tensor([n]), emotion=torch.tensor([n]), **named)
        for n, style in enumerate(styles(torch.float32))
    )
    frames = frames_of(model, b)
    # A name has a timbre by default, which a vector has not.
    a, b = (model.with_default_timbre(style) for style in (a, b))
    heard = [model.hearing.named(style) for style in (a, b)]
    mels = [
        transfer(model, frames, *pair, random_mask(frames), kind, sampling(steps=2)).synthesis.mel
        for pair in ((a, b), heard)
    ]
    assert torch.equal(*mels)
