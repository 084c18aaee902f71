from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from data.checkpoint_file import load_optimizer
from params import Train
from training.muon import Muon, orthogonal
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


# ------------------------------------------------------------------------ Muon


@pytest.mark.parametrize("shape", [(24, 24), (16, 40), (40, 16)])
def test_an_orthogonal_matrix_has_nearly_equal_singular_values(shape):
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.3 and values.max() < 1.4


def weights() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((20, 3, 3), (7,))]


def step_on(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def test_muon_is_adamw_where_nothing_is_orthogonal():
    own, others = weights(), weights()
    settings = {"lr": 0.1, "betas": (0.8, 0.9)}
    optimizer = Muon([{"params": own, "weight_decay": 0.3}], **settings)
    expected = torch.optim.AdamW(others, weight_decay=0.3, **settings)
    for number in range(3):
        step_on(optimizer, own, number)
        step_on(expected, others, number)
    assert all(torch.equal(a, b) for a, b in zip(own, others, strict=True))


def test_a_step_of_muon_is_of_the_rates_size_whatever_the_gradients():
    kernel, bias = weights()
    groups = [{"params": [kernel], "orthogonal": True, "lr": 0.5, "weight_decay": 0.2}, {"params": [bias]}]
    optimizer, before = Muon(groups, lr=0.1), kernel.detach().clone()
    kernel.grad, bias.grad = 1e-6 * torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0)), None
    optimizer.step()
    moved = (before * (1 - 0.5 * 0.2) - kernel.detach()).flatten(1) / 0.5
    values = torch.linalg.svdvals(moved / (20 / 9) ** 0.5)
    assert values.min() > 0.3 and values.max() < 1.4
    assert len(optimizer.param_groups) == 2 and set(optimizer.state[kernel]) == {"momentum"}


def test_what_muon_remembers_comes_back():
    def optimizer_of(kernel: nn.Parameter, bias: nn.Parameter) -> Muon:
        return Muon([{"params": [kernel], "orthogonal": True}, {"params": [bias]}], lr=0.1)

    runs = []
    for resumed in (False, True):
        parameters = weights()
        optimizer = optimizer_of(*parameters)
        for number in range(4):
            if resumed and number == 2:
                saved = optimizer.state_dict()
                optimizer = optimizer_of(*parameters)
                load_optimizer(optimizer, saved)
            step_on(optimizer, parameters, number)
        runs.append(parameters)
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
