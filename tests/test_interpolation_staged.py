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

from model.interpolation import Staged
from model.interpolation.latent_tuner import LatentTuner, weighted_mean
from model.interpolation.plan import Interpolated
from model.sampling import SAMPLERS
from model.schedule import Schedule
from model.style import StyleSource
from tests.tiny_model import seeded, tiny_model
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

    def score(self, x: Tensor, t: float) -> Tensor:
        return -self.x0(x, t)


MASK = (torch.arange(FRAMES) < VALID).double().expand(1, 1, -1)


def noise(seed: int) -> Tensor:
    return torch.randn(1, ROWS, FRAMES, generator=seeded(seed), dtype=torch.float64)


def mean() -> Tensor:
    return 0.1 * noise(9) * MASK


def latent() -> Tensor:
    return mean() + noise(0) * MASK


def tuner(settings: Staged, pitch_mask: Tensor | None = None) -> LatentTuner:
    soft = torch.rand(1, ROWS, FRAMES, generator=seeded(4), dtype=torch.float64) if pitch_mask is None else pitch_mask
    return LatentTuner(MassDenoiser(), mean(), MASK, soft, settings)


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
    tuned = tuner(Staged(tal1=0.5, tal2=0.2, epoch=1, step_size=0.1, loss=loss, gamma=0.7))
    x = latent()
    tuned(3, t, x)
    assert tuned.history[0].t == t
    assert tuned.history[0].losses[0] == pytest.approx(expected_loss(tuned, x, t), rel=1e-12)


def test_the_mirror_of_the_original_pair_has_the_same_gradient_at_gamma_one() -> None:
    moves = []
    for t in (0.9, 0.4):
        half = (torch.arange(ROWS) < ROWS // 2).double()[None, :, None].expand(1, -1, FRAMES)  # of equal areas
        tuned = tuner(Staged(epoch=1, step_size=1e-3, loss="original", gamma=1.0), half)
        moves.append(tuned(0, t, latent()) - latent())
    torch.testing.assert_close(moves[0], moves[1], atol=1e-12, rtol=0)
    assert moves[0].abs().max() > 1e-6


def test_the_penalty_is_the_change_of_the_prediction_in_the_other_cells() -> None:
    for t in (0.9, 0.4):
        tuned = tuner(Staged(tal1=0.5, tal2=0.2, epoch=1, step_size=0.3, gamma=0.7))
        moved = tuned(0, t, latent())
        others = ((1 - tuned.pitch_mask) if t > 0.5 else tuned.pitch_mask) * tuned.mask
        penalty = float((((moved - latent()) / 2).square() * others).sum() / others.sum())
        assert penalty > 1e-5
        expected = expected_loss(tuned, moved, t) + 0.7 * penalty
        assert tuned.history[0].losses[1] == pytest.approx(expected, rel=1e-12)


def test_x_minus_mu_keeps_its_mean_and_deviation_and_padding_stays() -> None:
    tuned = tuner(Staged(epoch=3, step_size=5.0))
    valid, x = MASK.expand(1, ROWS, FRAMES).bool(), latent()
    moved = tuned(0, 0.9, x)
    before, after = ((z - tuned.mu)[valid] for z in (x, moved))
    assert (after - before).abs().max() > 0.1
    torch.testing.assert_close(after.mean(), before.mean(), atol=1e-12, rtol=0)
    torch.testing.assert_close(after.std(), before.std(), atol=1e-12, rtol=0)
    torch.testing.assert_close(moved[~valid], x[~valid], atol=0, rtol=0)
    assert tuned.history[0].moved == pytest.approx(float((moved - x)[valid].square().mean().sqrt()))


def test_a_cells_step_depends_on_neither_length_nor_area() -> None:
    """A small mask in a long utterance moves its cells as far as a large one in a short utterance."""
    steps = []
    for frames, width in ((4, 4), (40, 4), (40, 36)):
        x = torch.ones(1, ROWS, frames, dtype=torch.float64)
        x[..., ::2] = -1
        inside = torch.zeros_like(x)
        inside[:, : ROWS // 2, :width] = 1
        ones = torch.ones(1, 1, frames, dtype=torch.float64)
        tuned = LatentTuner(MassDenoiser(), 0 * x, ones, inside, Staged(epoch=1, gamma=0, step_size=0.01))
        moved = (tuned(0, 0.9, x) - x)[..., :width]
        steps.append(float(moved[:, : ROWS // 2].mean() - moved[:, ROWS // 2 :].mean()))
    assert steps[0] > 1e-4
    assert steps == pytest.approx([steps[0]] * 3, rel=1e-3)


def test_no_step_where_there_is_nothing_to_do() -> None:
    full = torch.ones(1, ROWS, FRAMES, dtype=torch.float64)
    past_the_end = full * (torch.arange(FRAMES) >= VALID)
    for settings, mask, i, t in (
        (Staged(epoch=2), 0 * full, 0, 0.9),
        (Staged(epoch=2), 0 * full, 0, 0.4),
        (Staged(epoch=2), past_the_end, 0, 0.9),
        (Staged(epoch=2), full, 0, 0.4),  # nothing is outside
        (Staged(epoch=0), None, 0, 0.9),
        (Staged(epoch=2, tal2=0.2), None, 0, 0.2),
        (Staged(epoch=2, noise_only=True), None, 1, 0.9),
    ):
        tuned = tuner(settings, mask)
        assert tuned(i, t, latent()) is None
        assert tuned.history == [] and tuned.evaluations == 0 and tuned.denoiser.calls == 0
    assert tuner(Staged(epoch=2, noise_only=True))(0, 0.9, latent()) is not None


def test_a_step_is_halved_until_the_loss_falls_and_every_evaluation_counts() -> None:
    for step_size in (0.1, 300.0):
        tuned = tuner(Staged(epoch=4, step_size=step_size))
        tuned(0, 0.9, latent())
        losses = tuned.history[0].losses
        assert len(losses) == 5 and all(after < before for before, after in pairwise(losses))
        assert tuned.evaluations == tuned.denoiser.calls >= 5
        assert (tuned.evaluations == 5) == (step_size == 0.1)


def test_a_loss_that_cannot_fall_leaves_the_latent() -> None:
    tuned = tuner(Staged(epoch=3))
    tuned.denoiser.x0 = lambda x, t: tuned.denoiser.attention.mass.update({("fine", "pitch"): 0.5 + 0 * x}) or x / 2
    assert tuned(0, 0.9, latent()) is None
    assert tuned.history[0].moved == 0 and len(tuned.history[0].losses) == 1


def test_the_ablation_steps_as_far_in_a_random_direction() -> None:
    tuned = tuner(Staged(epoch=1, step_size=0.05))
    random = tuner(replace(tuned.settings, direction="random"))
    x = mean() + noise(5) * MASK
    moves = [each(0, 0.9, x) - x for each in (tuned, random, random)]
    for move in moves[1:]:
        assert move.norm() == pytest.approx(float(moves[0].norm()), rel=0.1)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        cosine = F.cosine_similarity(moves[one].flatten(), moves[other].flatten(), dim=0)
        assert cosine.abs() < 0.4


def test_weighted_mean() -> None:
    values, weight = torch.tensor([1.0, 2.0, 7.0]), torch.tensor([3.0, 1.0, 0.0])
    assert weighted_mean(values, weight) == 1.25
    assert weighted_mean(values, 0 * weight) == 0


# Stages


def stages(sampler: str, steps: int, settings: Staged) -> list[tuple[float, str]]:
    """Time and stage of every evaluation: recognised by the loss that was minimised there."""
    ones = torch.ones(1, 1, 2, dtype=torch.float64)
    inside = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    tuned = LatentTuner(MassDenoiser(), torch.zeros(1, 2, 2, dtype=torch.float64), ones, inside, settings)
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
    SAMPLERS[sampler](tuned.denoiser, x, tuned.mu, ones, steps, tune=tune, generator=seeded(0))
    return seen


@pytest.mark.parametrize(
    ("sampler", "tal", "numbers"),
    [("edm-2m", (0.5, 0.2), range(1, 51)), ("euler", (0.5, 0.2), range(1, 51))]
    + [(sampler, tal, (1, 7, 10)) for sampler in SAMPLERS for tal in ((0.5, 0.2), (0.6, 0.6), (1.0, 0.0))],
)
def test_stages_follow_the_diffusion_time(sampler: str, tal: tuple[float, float], numbers: Iterable[int]) -> None:
    settings = Staged(tal1=tal[0], tal2=tal[1], epoch=1, step_size=1e-3, gamma=0.0)
    for steps in numbers:
        seen = stages(sampler, steps, settings)
        assert len(seen) == steps
        for t, stage in seen:
            assert stage == ("a" if t > tal[0] else "b" if t > tal[1] else "free"), (steps, t)


@pytest.mark.parametrize("sampler", ["edm-2m", "euler"])
@pytest.mark.parametrize("steps", [4, 6, 10, 50])
def test_every_stage_gets_evaluations_by_default(steps: int, sampler: str) -> None:
    settings = Staged(epoch=1, step_size=1e-3)
    assert {stage for _, stage in stages(sampler, steps, settings)} == {"a", "b", "free"}


# On the model


def staged(settings: Staged, a: StyleSource, b: StyleSource, seed: int = 0) -> Interpolated:
    model = tiny_model()
    frames = frames_of(model, b)
    return transfer(model, frames, a, b, random_mask(frames), settings, sampling(steps=4, seed=seed))


@pytest.mark.parametrize("step_size", [0.1, 10.0])
@pytest.mark.parametrize("loss", ["competing", "original"])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_falls_on_the_model(seed: int, loss: str, step_size: float) -> None:
    settings = Staged(epoch=3, loss=loss, step_size=step_size)
    a, b = styles(torch.float32, seed)
    with counted_calls(tiny_model()) as calls:
        run = staged(settings, a, b, seed)
    assert [record.t > settings.tal1 for record in run.history] == [True, False]
    for record in run.history:
        assert len(record.losses) == 4 and all(math.isfinite(loss) for loss in record.losses)
        assert record.losses[-1] < record.losses[0]
        assert record.moved > 1e-4
    assert run.synthesis.nfe == len(calls) >= 4 + 2 * 4


def test_the_noise_alone_is_tuned_before_the_first_evaluation() -> None:
    a, b = styles(torch.float32)
    run = staged(Staged(epoch=2, noise_only=True), a, b)
    assert len(run.history) == 1 and len(run.history[0].losses) == 3
    assert run.synthesis.nfe == 4 + 3


def test_equal_styles_are_not_tuned() -> None:
    _, b = styles(torch.float32)
    run = staged(Staged(epoch=3), b, b)
    assert all(record.losses[0] == pytest.approx(math.log(2), abs=1e-5) for record in run.history)
    assert all(record.moved < 1e-4 for record in run.history)


def test_tuning_moves_the_mel_and_so_does_a_random_step() -> None:
    a, b = styles(torch.float32)
    plain = staged(Staged(epoch=0), a, b).synthesis.mel
    tuned = staged(Staged(epoch=2), a, b).synthesis.mel
    random = staged(Staged(epoch=2, direction="random"), a, b).synthesis.mel
    for one, other in ((plain, tuned), (plain, random), (tuned, random)):
        assert (one - other).abs().max() > 1e-3
