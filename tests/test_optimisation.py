from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from params import Train
from training.optimisation import ParameterAverage, learning_rate

TRAIN = Train(steps=100, learning_rate=1.0, warmup_steps=10, decay_steps=40, final_learning_rate=0.2)


def test_a_linear_warm_up_from_the_first_step():
    assert [learning_rate(step, TRAIN) for step in range(10)] == pytest.approx([0.1 * (i + 1) for i in range(10)])


def test_constant_and_then_down_to_the_final_rate():
    assert [learning_rate(step, TRAIN) for step in (10, 35, 60)] == [1.0] * 3
    assert learning_rate(80, TRAIN) == pytest.approx(0.6)  # half way down
    assert learning_rate(100, TRAIN) == pytest.approx(0.2)
    assert learning_rate(10**6, TRAIN) == pytest.approx(0.2)


def test_a_longer_run_is_the_same_until_the_shorter_one_decays():
    longer = replace(TRAIN, steps=200)
    assert all(learning_rate(step, longer) == learning_rate(step, TRAIN) for step in range(61))
    assert learning_rate(61, longer) > learning_rate(61, TRAIN)


@settings(deadline=None, max_examples=60)
@given(steps=st.integers(1, 500), warmup=st.integers(0, 600), decay=st.integers(0, 600))
def test_it_rises_then_falls_and_stays_within_its_bounds(steps, warmup, decay):
    train = Train(steps=steps, learning_rate=1e-3, warmup_steps=warmup, decay_steps=decay, final_learning_rate=1e-5)
    rates = [learning_rate(step, train) for step in range(steps)]
    assert all(0 < rate <= 1e-3 for rate in rates)
    top = min(max(warmup - 1, 0), steps - 1)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(2))
        self.register_buffer("statistics", torch.ones(1))


def filled(model: Two, value: float) -> Two:
    with torch.no_grad():
        model.a.fill_(value)
    return model


def test_the_average_by_hand():
    model = Two()
    ema = ParameterAverage(model, 0.5)
    assert set(ema.values) == {"a"}
    expected = 0.0
    for step, value in enumerate((1.0, 3.0, -2.0, 5.0, 8.0, 0.0, 4.0, 4.0, 1.0, 9.0), 1):
        ema.update(filled(model, value), step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        torch.testing.assert_close(ema.values["a"], torch.full((2,), expected))
    assert decay == 0.5 and (1 + 1) / (10 + 1) < 0.5  # both ends of the rule were there
    assert model.a.tolist() == [9.0, 9.0]


def test_the_first_step_is_soon_forgotten():
    model = Two()
    ema = ParameterAverage(filled(model, 100.0), 0.999)
    for step in range(1, 61):
        ema.update(filled(model, 0.0), step)
    assert 0 < float(ema.values["a"][0]) < 1e-3  # with 0.999 throughout it would still be 94


def test_values_are_copies_and_can_be_loaded():
    model = Two()
    ema = ParameterAverage(model, 0.9)
    filled(model, 1.0)
    assert ema.values["a"].tolist() == [0.0, 0.0] and not ema.values["a"].requires_grad
    given_values = {"a": torch.tensor([1.0, 2.0]), "statistics": torch.zeros(1)}  # what a checkpoint has
    ema.load(given_values)
    given_values["a"].zero_()
    assert ema.values["a"].tolist() == [1.0, 2.0]
    with pytest.raises(KeyError):
        ema.load({})
