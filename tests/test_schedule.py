from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.schedule import Schedule

SCHEDULE = Schedule()
times = st.floats(1e-4, 1.0)


@settings(deadline=None, max_examples=200)
@given(times)
def test_inverses(t: float) -> None:
    assert SCHEDULE.t_of_noise_level(SCHEDULE.noise_level(t)) == pytest.approx(t, rel=1e-12)


@settings(deadline=None, max_examples=100)
@given(times)
def test_identities(t: float) -> None:
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    assert alpha**2 + sigma**2 == pytest.approx(1, rel=1e-14)
    assert SCHEDULE.noise_level(t) == pytest.approx(sigma / alpha, rel=1e-12)
    assert SCHEDULE.lam(t) == pytest.approx(math.log(alpha / sigma), rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(times)
def test_tensors_give_what_floats_give(t: float) -> None:
    tensor = torch.tensor([t, t / 2], dtype=torch.float64)
    for name in ("beta", "B", "alpha", "sigma", "lam", "noise_level"):
        function = getattr(SCHEDULE, name)
        assert isinstance(function(t), float)
        assert function(tensor).tolist() == pytest.approx([function(t), function(t / 2)], rel=1e-12)
    assert SCHEDULE.t_of_noise_level(SCHEDULE.noise_level(tensor)).tolist() == pytest.approx([t, t / 2], rel=1e-12)


def test_rate_is_the_derivative_of_its_integral() -> None:
    t, step = 0.37, 1e-6
    slope = (SCHEDULE.B(t + step) - SCHEDULE.B(t - step)) / (2 * step)
    assert slope == pytest.approx(SCHEDULE.beta(t), rel=1e-8)
    assert SCHEDULE.B(0.0) == 0.0


def test_published_values() -> None:
    """With beta from 0.05 to 20."""
    assert SCHEDULE.B(1.0) == pytest.approx(10.025)
    assert SCHEDULE.alpha(1.0) == pytest.approx(0.00665, abs=5e-6)
    assert SCHEDULE.lam(0.5) == pytest.approx(-1.2174, abs=5e-5)
    assert SCHEDULE.lam(0.1) == pytest.approx(1.1017, abs=5e-5)
    assert SCHEDULE.noise_level(1.0) == pytest.approx(150.28, abs=5e-3)
    assert SCHEDULE.noise_level(0.005) == pytest.approx(0.02235, abs=5e-6)


@pytest.mark.parametrize(("beta_min", "beta_max"), [(0.0, 20.0), (20.0, 20.0), (-1.0, 1.0)])
def test_impossible_schedules_are_refused(beta_min: float, beta_max: float) -> None:
    with pytest.raises(ValueError, match="0 < beta_min < beta_max"):
        Schedule(beta_min, beta_max)
