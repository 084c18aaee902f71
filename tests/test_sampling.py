"""Samplers against closed forms, against each other's definitions, and against the official loop."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from model.sampling import SAMPLERS, euler, multistep, posterior, start_latent
from model.schedule import (
    T_MIN,
    Schedule,
    noise_level_times,
    quadratic_intervals,
    quadratic_times,
    uniform_intervals,
)
from tests.denoisers import GaussianDenoiser, WavyDenoiser

SCHEDULE = Schedule()
EULER = ("euler", "euler-quad")
DATA_PREDICTION = ("ddim", "dpm++2m", "ml-sde", "edm-2m")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


@pytest.fixture
def mu() -> Tensor:
    return normal(2, 5, 8, seed=1)


@pytest.fixture
def x() -> Tensor:
    return normal(2, 5, 8, seed=2)


@pytest.fixture
def mask() -> Tensor:
    """The second item is padded."""
    return (torch.arange(8) < torch.tensor([[8], [5]]))[:, None].double()


ONES = torch.ones(2, 1, 8, dtype=torch.float64)


class Record:
    """A callback that keeps what it is given."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.latents: list[Tensor] = []
        self.predictions: list[Tensor] = []

    def __call__(self, i: int, t: float, x: Tensor, x0: Tensor) -> None:
        assert i == len(self.times)
        self.times.append(t)
        self.latents.append(x)
        self.predictions.append(x0)


# Accuracy on data with a closed form


def slope(errors: list[float]) -> float:
    """Mean fall of log2(error) for each doubling of the steps."""
    return math.log2(errors[0] / errors[-1]) / (len(errors) - 1)


@pytest.mark.parametrize(("name", "low", "high"), [("dpm++2m", 1.8, 2.2), ("ddim", 0.9, 1.1), ("edm-2m", 1.8, 2.2)])
def test_order_of_convergence_at_the_last_time(name: str, low: float, high: float, mu: Tensor, x: Tensor) -> None:
    denoiser = GaussianDenoiser(mu + 1.3, 0.2, mu)
    errors = []
    for steps in (40, 80, 160, 320):
        record = Record()
        SAMPLERS[name](denoiser, x, mu, ONES, steps, callback=record)
        exact = denoiser.flow(x, record.times[0], record.times[-1])
        errors.append((record.latents[-1] - exact).abs().mean().item())
    assert low < slope(errors) < high


@pytest.mark.parametrize("name", EULER)
def test_euler_converges_to_the_flow_at_first_order(name: str, mu: Tensor, x: Tensor) -> None:
    denoiser = GaussianDenoiser(mu + 1.3, 0.2, mu)
    exact = denoiser.flow(x, 1.0, 0.0)
    errors = [(SAMPLERS[name](denoiser, x, mu, ONES, n) - exact).abs().mean().item() for n in (40, 80, 160, 320)]
    assert 0.85 < slope(errors) < 1.15
    assert errors[-1] < 0.01


@pytest.mark.parametrize("name", ["dpm++2m", "edm-2m", "ddim"])
def test_data_prediction_samplers_reach_the_flow(name: str, mu: Tensor, x: Tensor) -> None:
    denoiser = GaussianDenoiser(mu + 1.3, 0.2, mu)
    sampler = SAMPLERS[name]
    start = sampler.start(SCHEDULE, mu, ONES, noise=x)
    record = Record()
    result = sampler(denoiser, start, mu, ONES, 200, callback=record)
    assert (result - denoiser.flow(start, record.times[0], 0.0)).abs().max() < 0.02


@pytest.mark.parametrize("t", [1.0, 0.6, 0.03])
def test_one_first_order_step_keeps_a_point_mass_on_its_path(t: float, mu: Tensor, x: Tensor) -> None:
    denoiser = GaussianDenoiser(mu + 1.3, 0.0, mu)
    record = Record()
    result = multistep(denoiser, x, mu, ONES, 2, grid=lambda schedule, steps: [t, t / 3], order=1, callback=record)
    torch.testing.assert_close(result, mu + 1.3, rtol=0, atol=1e-10)
    torch.testing.assert_close(record.latents[1], denoiser.flow(x, t, t / 3), rtol=0, atol=1e-10)


def test_the_stochastic_sampler_has_the_mean_of_the_data(mu: Tensor) -> None:
    mu = torch.zeros(64, 5, 64, dtype=torch.float64)
    ones = torch.ones(64, 1, 64, dtype=torch.float64)
    denoiser = GaussianDenoiser(mu + 1.3, 0.2, mu)
    x = start_latent(mu, ones, generator=seeded(3))
    result = SAMPLERS["ml-sde"](denoiser, x, mu, ones, 50, generator=seeded(4))
    assert result.mean().item() == pytest.approx(1.3, abs=0.02)
    assert 0.3 < result.std().item() < 0.5  # sqrt(0.2) = 0.447, but the posterior under-disperses


# Definitions


def dpm_2m_on_noise_levels(denoiser: WavyDenoiser, x: Tensor, mu: Tensor, times: list[float]) -> list[Tensor]:
    """DPM-Solver++(2M) as the k-diffusion library states it: in x~ = (x - mu) / alpha, with sigma~ = sigma / alpha."""
    noisy, before, latents = (x - mu) / SCHEDULE.alpha(times[0]), None, []
    log_levels = [-math.log(SCHEDULE.noise_level(t)) for t in times]
    for i, t in enumerate(times):
        latents.append(mu + SCHEDULE.alpha(t) * noisy)
        denoised = denoiser.x0(latents[-1], t) - mu
        if i + 1 == len(times):
            break
        h = log_levels[i + 1] - log_levels[i]
        target = denoised
        if before is not None:
            r = (log_levels[i] - log_levels[i - 1]) / h
            target = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * before
        ratio = SCHEDULE.noise_level(times[i + 1]) / SCHEDULE.noise_level(t)
        noisy = ratio * noisy - math.expm1(-h) * target
        before = denoised
    return latents


@pytest.mark.parametrize("name", ["dpm++2m", "edm-2m"])
def test_2m_is_that_of_noise_levels_up_to_the_last_interval(name: str, mu: Tensor, x: Tensor) -> None:
    record = Record()
    SAMPLERS[name](WavyDenoiser(mu), x, mu, ONES, 9, callback=record)
    expected = dpm_2m_on_noise_levels(WavyDenoiser(mu), x, mu, record.times)
    for ours, theirs in zip(record.latents[:-1], expected[:-1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    # The last interval is of first order.
    assert torch.allclose(record.latents[-1], first_order_step(record, mu, 7), rtol=1e-10)
    assert not torch.allclose(record.latents[-1], expected[-1], rtol=1e-3)


def first_order_step(record: Record, mu: Tensor, i: int) -> Tensor:
    """The latent after evaluation i by the score form of DDIM: y = a y + (a sigma^2 - sigma' sigma) score."""
    t, after, x, x0 = record.times[i], record.times[i + 1], record.latents[i], record.predictions[i]
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    score = (alpha * (x0 - mu) - (x - mu)) / sigma**2
    a = SCHEDULE.alpha(after) / alpha
    return mu + a * (x - mu) + (a * sigma**2 - SCHEDULE.sigma(after) * sigma) * score


def test_ddim_is_its_score_form(mu: Tensor, x: Tensor) -> None:
    record = Record()
    SAMPLERS["ddim"](WavyDenoiser(mu), x, mu, ONES, 6, callback=record)
    for i in range(5):
        torch.testing.assert_close(record.latents[i + 1], first_order_step(record, mu, i), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("s", "t"), [(0.5, 1.0), (0.2, 0.25), (0.01, 0.9)])
def test_posterior_is_bayes_rule(s: float, t: float) -> None:
    """p(y_s | y_t, y_0) is proportional to N(y_s; alpha_s y_0, sigma_s^2) N(y_t; a y_s, 1 - a^2)."""
    a = SCHEDULE.alpha(t) / SCHEDULE.alpha(s)
    precision = 1 / SCHEDULE.sigma(s) ** 2 + a**2 / (1 - a**2)
    kept, drawn, std = posterior(SCHEDULE, s, t)
    assert std == pytest.approx(precision**-0.5, rel=1e-9)
    assert kept == pytest.approx(a / (1 - a**2) / precision, rel=1e-9)
    assert drawn == pytest.approx(SCHEDULE.alpha(s) / SCHEDULE.sigma(s) ** 2 / precision, rel=1e-9)


def test_ml_sde_draws_from_the_posterior(mu: Tensor, x: Tensor) -> None:
    record = Record()
    SAMPLERS["ml-sde"](WavyDenoiser(mu), x, mu, ONES, 4, callback=record, generator=seeded(9))
    generator = seeded(9)
    assert record.times == [1.0, 0.75, 0.5, 0.25]
    for i in range(3):
        kept, drawn, std = posterior(SCHEDULE, record.times[i + 1], record.times[i])
        y, y0 = record.latents[i] - mu, record.predictions[i] - mu
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        torch.testing.assert_close(record.latents[i + 1], mu + kept * y + drawn * y0 + std * noise)


def official_loop(score, x: Tensor, mask: Tensor, mu: Tensor, steps: int) -> Tensor:
    """Grad-TTS's reverse diffusion in float32, with every scalar where the official code has it."""
    h = 1.0 / steps
    x = x * mask
    for i in range(steps):
        t = (1.0 - (i + 0.5) * h) * torch.ones(len(x), dtype=x.dtype)
        beta = 0.05 + (20.0 - 0.05) * t[:, None, None]
        x = (x - 0.5 * (mu - x - score(x, t)) * beta * h) * mask
    return x


@pytest.mark.parametrize("steps", [1, 3, 10, 50])
def test_euler_is_the_official_loop_to_the_bit(steps: int, mu: Tensor, x: Tensor, mask: Tensor) -> None:
    class Stub:
        schedule = SCHEDULE

        def score(self, x: Tensor, t: float) -> Tensor:
            return self.network(x, torch.full((len(x),), t))

        def network(self, x: Tensor, t: Tensor) -> Tensor:
            return torch.sin(x * 3 + t[:, None, None]) * mask.float()

    mu, x, stub = mu.float(), x.float(), Stub()
    expected = official_loop(stub.network, x, mask.float(), mu, steps)
    assert torch.equal(SAMPLERS["euler"](stub, x, mu, mask.float(), steps), expected)


def test_quadratic_euler_differs_from_the_uniform_one_by_its_grid_alone(mu: Tensor, x: Tensor) -> None:
    ours = SAMPLERS["euler-quad"](WavyDenoiser(mu), x, mu, ONES, 5)
    assert torch.equal(ours, euler(WavyDenoiser(mu), x, mu, ONES, 5, grid=quadratic_intervals))
    assert not torch.allclose(ours, SAMPLERS["euler"](WavyDenoiser(mu), x, mu, ONES, 5))


# Grids


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_grids(steps: int) -> None:
    for grid in (uniform_intervals, quadratic_intervals):
        intervals = grid(steps)
        edge = 1.0
        for middle, length in intervals:
            assert middle == pytest.approx(edge - length / 2, abs=1e-12)
            edge -= length
        assert len(intervals) == steps
        assert edge == pytest.approx(0, abs=1e-12)
    roots = [math.sqrt(middle + length / 2) for middle, length in quadratic_intervals(steps)]
    assert roots == pytest.approx([1 - i / steps for i in range(steps)])

    times = quadratic_times(SCHEDULE, steps)
    assert len(times) == steps
    assert times[0] == 1.0
    if steps > 1:
        assert times[-1] == pytest.approx(T_MIN)
        falls = [math.sqrt(a) - math.sqrt(b) for a, b in pairwise(times)]
        assert falls == pytest.approx([falls[0]] * (steps - 1))

    levels = [SCHEDULE.noise_level(t) for t in noise_level_times(SCHEDULE, steps, s_max=12.0, s_min=0.02, rho=5.0)]
    assert len(levels) == steps
    assert levels[0] == pytest.approx(12)
    if steps > 1:
        assert levels[-1] == pytest.approx(0.02)
        falls = [a**0.2 - b**0.2 for a, b in pairwise(levels)]
        assert falls == pytest.approx([falls[0]] * (steps - 1))


# What every sampler promises


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_steps_are_network_evaluations(name: str, steps: int, mu: Tensor, x: Tensor) -> None:
    denoiser, record = WavyDenoiser(mu), Record()
    SAMPLERS[name](denoiser, x, mu, ONES, steps, callback=record)
    assert [t for t, _ in denoiser.calls] == record.times
    assert len(denoiser.calls) == steps
    assert record.times == sorted(record.times, reverse=True)
    assert 0 < record.times[-1] <= record.times[0] <= 1


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_refused(name: str, steps: int, mu: Tensor, x: Tensor) -> None:
    with pytest.raises(ValueError, match=f"at least 1 step, not {steps}"):
        SAMPLERS[name](WavyDenoiser(mu), x, mu, ONES, steps)


@pytest.mark.parametrize("name", DATA_PREDICTION)
def test_one_step_is_the_data_prediction_of_the_start(name: str, mu: Tensor, x: Tensor, mask: Tensor) -> None:
    record = Record()
    result = SAMPLERS[name](WavyDenoiser(mu), x, mu, mask, 1, callback=record)
    assert torch.equal(result, WavyDenoiser(mu).x0(x * mask, record.times[0]) * mask)
    assert record.times[0] == (1.0 if name != "edm-2m" else SCHEDULE.t_of_noise_level(12.0))


@pytest.mark.parametrize("name", SAMPLERS)
def test_shifting_mu_shifts_the_result(name: str, mu: Tensor, x: Tensor) -> None:
    shift = 7.5
    plain = SAMPLERS[name](WavyDenoiser(mu), x, mu, ONES, 6, generator=seeded())
    shifted = SAMPLERS[name](WavyDenoiser(mu + shift), x + shift, mu + shift, ONES, 6, generator=seeded())
    torch.testing.assert_close(shifted, plain + shift, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SAMPLERS)
def test_masked_frames_are_exactly_zero_and_change_nothing(name: str, mu: Tensor, x: Tensor, mask: Tensor) -> None:
    denoiser, record = WavyDenoiser(mu), Record()  # does not mask its outputs
    result = SAMPLERS[name](denoiser, x, mu, mask, 5, callback=record, generator=seeded())
    outside = (mask == 0).expand_as(x)
    for tensor in [result, *record.latents, *record.predictions, *(latent for _, latent in denoiser.calls)]:
        assert (tensor[outside] == 0).all()
        assert (tensor[~outside] != 0).all()
    noisier = torch.where(outside, x + 100, x)
    again = SAMPLERS[name](WavyDenoiser(mu), noisier, mu, mask, 5, generator=seeded())
    assert torch.equal(again, result)


@pytest.mark.parametrize("name", SAMPLERS)
def test_seeds(name: str, mu: Tensor, x: Tensor) -> None:
    sample = SAMPLERS[name]
    first, again, other = (sample(WavyDenoiser(mu), x, mu, ONES, 4, generator=seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name != "ml-sde")


# Callback and tune


@pytest.mark.parametrize("name", SAMPLERS)
def test_callback_sees_what_the_network_saw(name: str, mu: Tensor, x: Tensor, mask: Tensor) -> None:
    denoiser, record = WavyDenoiser(mu), Record()
    result = SAMPLERS[name](denoiser, x, mu, mask, 4, callback=record, generator=seeded())
    if name != "edm-2m-few":  # which has left the start before
        assert torch.equal(record.latents[0], x * mask)
    for (t, seen), time, latent, prediction in zip(
        denoiser.calls, record.times, record.latents, record.predictions, strict=True
    ):
        assert t == time
        assert torch.equal(seen, latent)
        torch.testing.assert_close(prediction, WavyDenoiser(mu).x0(latent, t) * mask, rtol=0, atol=1e-9)
    silent = SAMPLERS[name](WavyDenoiser(mu), x, mu, mask, 4, generator=seeded())
    assert torch.equal(result, silent)


@pytest.mark.parametrize("name", SAMPLERS)
def test_tune_is_asked_before_every_evaluation(name: str, mu: Tensor, x: Tensor) -> None:
    record, asked = Record(), []

    def look(i: int, t: float, latent: Tensor) -> None:
        assert len(record.times) == i
        asked.append((t, latent))

    result = SAMPLERS[name](WavyDenoiser(mu), x, mu, ONES, 4, callback=record, tune=look, generator=seeded())
    assert [t for t, _ in asked] == record.times
    assert all(torch.equal(a, b) for (_, a), b in zip(asked, record.latents, strict=True))
    assert torch.equal(result, SAMPLERS[name](WavyDenoiser(mu), x, mu, ONES, 4, generator=seeded()))


@pytest.mark.parametrize("name", SAMPLERS)
def test_tuned_latent_replaces_the_old_one(name: str, mu: Tensor, x: Tensor, mask: Tensor) -> None:
    denoiser, record = WavyDenoiser(mu), Record()

    def tune(i: int, t: float, latent: Tensor) -> Tensor | None:
        with torch.enable_grad():  # gradients are off around, and can be had
            leaf = latent.clone().requires_grad_()
            (gradient,) = torch.autograd.grad((leaf**2).mean(), leaf)
        return leaf - 10 * gradient + 1 if i == 2 else None

    SAMPLERS[name](denoiser, x, mu, mask, 5, callback=record, tune=tune, generator=seeded())
    plain = Record()
    SAMPLERS[name](WavyDenoiser(mu), x, mu, mask, 5, callback=plain, generator=seeded())
    tuned = (plain.latents[2] * (1 - 20 / x.numel()) + 1) * mask
    torch.testing.assert_close(record.latents[2], tuned)
    assert torch.equal(denoiser.calls[2][1], record.latents[2])
    assert torch.equal(record.latents[1], plain.latents[1])
    assert not torch.allclose(record.latents[3], plain.latents[3])
    assert not record.latents[2].requires_grad
    assert len(denoiser.calls) == 5


@pytest.mark.parametrize("name", ["dpm++2m", "edm-2m"])
def test_tuning_drops_the_multistep_history(name: str, mu: Tensor, x: Tensor) -> None:
    def record_of(tuned_step: int | None) -> Record:
        record = Record()
        tune = lambda i, t, latent: latent.clone() if i == tuned_step else None  # noqa: E731
        SAMPLERS[name](WavyDenoiser(mu), x, mu, ONES, 6, callback=record, tune=tune)
        return record

    plain, tuned = record_of(None), record_of(2)
    assert torch.equal(tuned.latents[2], plain.latents[2])
    torch.testing.assert_close(tuned.latents[3], first_order_step(tuned, mu, 2), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(plain.latents[3], first_order_step(plain, mu, 2), rtol=1e-3)
    # History is gathered again: the step after is of second order.
    assert not torch.allclose(tuned.latents[4], first_order_step(tuned, mu, 3), rtol=1e-3)


# Start latents


def test_start_latent(mu: Tensor, mask: Tensor) -> None:
    noise = normal(2, 5, 8, seed=3)
    torch.testing.assert_close(start_latent(mu, mask, 1.5, noise=noise), (mu + noise / 1.5) * mask)
    torch.testing.assert_close(start_latent(mu, mask, 2.0, noise=noise, std=0.5), (mu + noise / 4) * mask)
    first, again = (start_latent(mu, mask, generator=seeded(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, start_latent(mu, mask, generator=seeded(2)))
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature must be positive"):
            start_latent(mu, mask, temperature)


def test_start_noise_is_drawn_as_the_official_code_draws_it(mu: Tensor) -> None:
    """There, mu is a product transposed, and noise is drawn like it: frame after frame."""
    official_mu = mu.transpose(1, 2).contiguous().transpose(1, 2)
    torch.manual_seed(4)
    expected = official_mu + torch.randn_like(official_mu) / 1.5
    assert torch.equal(start_latent(mu, ONES, 1.5, generator=seeded(4)), expected)


@pytest.mark.parametrize("name", SAMPLERS)
def test_start_has_the_noise_of_the_first_time(name: str, mu: Tensor) -> None:
    noise = torch.ones_like(mu)
    start = SAMPLERS[name].start(SCHEDULE, mu, ONES, 2.0, noise=noise) - mu
    std = SCHEDULE.sigma(SCHEDULE.t_of_noise_level(12.0)) if name.startswith("edm-2m") else 1.0
    torch.testing.assert_close(start, noise * std / 2)


def test_edm_2m_starts_at_the_level_of_its_first_evaluation(mu: Tensor, x: Tensor) -> None:
    sampler, record = SAMPLERS["edm-2m"], Record()
    start = sampler.start(SCHEDULE, mu, ONES, noise=x)
    t = SCHEDULE.t_of_noise_level(12.0)
    torch.testing.assert_close((start - mu) / SCHEDULE.alpha(t), 12 * x)
    sampler(WavyDenoiser(mu), start, mu, ONES, 4, callback=record)
    assert [SCHEDULE.noise_level(t) for t in record.times][:: len(record.times) - 1] == pytest.approx([12.0, 0.02])


# What is not asked for


def test_ends_of_grids_are_exact() -> None:
    for steps in range(2, 30):
        assert quadratic_times(SCHEDULE, steps)[-1] == math.sqrt(T_MIN) ** 2
        last = noise_level_times(SCHEDULE, steps, s_max=1.0, s_min=0.1, rho=1.0)[-1]
        assert last == SCHEDULE.t_of_noise_level(0.1)


def test_start_is_of_temperature_one_unless_told(mu: Tensor, x: Tensor) -> None:
    for sampler in SAMPLERS.values():
        assert torch.equal(sampler.start(SCHEDULE, mu, ONES, noise=x), sampler.start(SCHEDULE, mu, ONES, 1.0, noise=x))
    assert torch.equal(start_latent(mu, ONES, noise=x), mu + x)


def test_edm_2m_few_ends_where_there_still_is_something_to_remove(mu: Tensor, x: Tensor) -> None:
    for steps, last in ((1, 1.279), (3, 0.2436), (49, 0.02576)):
        few, two_more = Record(), Record()
        SAMPLERS["edm-2m-few"](WavyDenoiser(mu), x, mu, ONES, steps, callback=few)
        SAMPLERS["edm-2m"](WavyDenoiser(mu), x, mu, ONES, steps + 2, callback=two_more)
        assert few.times == two_more.times[1:-1]
        assert SCHEDULE.noise_level(few.times[-1]) == pytest.approx(last, rel=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_what_is_expected_takes_the_first_evaluations_place(steps: int, mu: Tensor, x: Tensor) -> None:
    """The same path, where the first data prediction does not depend on the latent; with an evaluation less."""
    few, evaluated = Record(), Record()
    mean = normal(2, 5, 8, seed=5)

    class KnownAtFirst(WavyDenoiser):
        def x0(self, x: Tensor, t: float) -> Tensor:
            return mean if SCHEDULE.noise_level(t) > 11 else super().x0(x, t)

        def expected(self) -> Tensor:
            return mean

    sampler = SAMPLERS["edm-2m-few"]
    result = sampler(KnownAtFirst(mu), x, mu, ONES, steps, callback=few)

    def levels(schedule: Schedule, predictions: int) -> list[float]:
        return noise_level_times(schedule, predictions + 1, s_max=12.0, s_min=0.02, rho=5.0)[:-1]

    known = multistep(KnownAtFirst(mu), x, mu, ONES, steps + 1, grid=levels, order=2, callback=evaluated)
    assert torch.equal(result, known)
    assert len(few.times) == steps
    for latent, other in zip(few.latents, evaluated.latents[1:], strict=True):
        assert torch.equal(latent, other)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_few_from_what_is_expected_of_a_normal_distribution(steps: int, mu: Tensor, x: Tensor) -> None:
    """Far above its spread, the mean is what an evaluation says."""
    data = GaussianDenoiser(normal(2, 5, 8, seed=5), 0.2**2, mu)
    sampler = SAMPLERS["edm-2m-few"]
    start = sampler.start(SCHEDULE, mu, ONES, noise=x)
    record = Record()
    sampler(data, start, mu, ONES, steps, callback=record)
    exact = data.flow(start, SCHEDULE.t_of_noise_level(12.0), record.times[0])
    torch.testing.assert_close(record.latents[0], exact, atol=0.02, rtol=0)


def test_edm_2m_goes_by_the_fifth_root(mu: Tensor, x: Tensor) -> None:
    record = Record()
    SAMPLERS["edm-2m"](WavyDenoiser(mu), x, mu, ONES, 6, callback=record)
    assert record.times == noise_level_times(SCHEDULE, 6, s_max=12.0, s_min=0.02, rho=5.0)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_no_noise_is_drawn_after_the_last_evaluation(steps: int, mu: Tensor, x: Tensor) -> None:
    for name, draws in (("ml-sde", steps - 1), ("euler", 0), ("edm-2m", 0)):
        generator, expected = seeded(3), seeded(3)
        SAMPLERS[name](WavyDenoiser(mu), x, mu, ONES, steps, generator=generator)
        for _ in range(draws):
            torch.randn(x.shape, generator=expected, dtype=x.dtype)
        assert torch.equal(generator.get_state(), expected.get_state())
