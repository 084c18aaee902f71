from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.contour_predictor import ContourPredictor, spread_smoothly
from tests.tiny_model import seeded


def test_it_predicts_the_mean_before_training_and_nothing_past_the_end() -> None:
    predictor = ContourPredictor(8, 12, 0.0)
    x, mask = torch.randn(2, 8, 5, generator=seeded(0)), torch.tensor([[[1.0] * 5], [[1, 1, 1, 0, 0]]])
    assert not any(values.any() for values in predictor(x, mask))
    torch.nn.init.ones_(predictor.project.weight)
    torch.nn.init.ones_(predictor.project.bias)
    for values in predictor(x, mask):
        assert values.shape == (2, 5)
        assert values[0].all() and values[1, :3].all() and not values[1, 3:].any()
    alone = predictor(x[1:, :, :3], mask[1:, :, :3])
    for batch, single in zip(predictor(x, mask), alone, strict=True):
        torch.testing.assert_close(batch[1:, :3], single)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 3), st.integers(0, 100))
def test_values_stand_at_the_middles_of_their_tokens(durations: list[int], padding: int, seed: int) -> None:
    total = sum(durations)
    values = torch.randn(1, len(durations) + padding, 2, generator=seeded(seed), dtype=torch.float64)
    mask = torch.tensor([[[1.0] * len(durations) + [0.0] * padding]])
    found = spread_smoothly(values, torch.tensor([durations + [0] * padding]), mask, total)
    middles = np.cumsum(durations) - np.array(durations) / 2
    for i in range(2):
        expected = np.interp(np.arange(total) + 0.5, middles, values[0, : len(durations), i].numpy())
        np.testing.assert_allclose(found[0, :, i], expected, atol=1e-9)


def test_a_token_without_frames_breaks_nothing() -> None:
    values = torch.tensor([[[1.0], [5.0], [3.0], [9.0]]])
    found = spread_smoothly(values, torch.tensor([[2, 0, 0, 2]]), torch.ones(1, 1, 4), 4)
    assert found.isfinite().all() and (found >= 1).all() and (found <= 9).all()
    assert found[0, 0] < found[0, 3]


def test_gradients_reach_every_token_in_use() -> None:
    values = torch.zeros(1, 3, 1, requires_grad=True)
    spread_smoothly(values, torch.tensor([[2, 3, 2]]), torch.ones(1, 1, 3), 7).sum().backward()
    assert (values.grad > 0.5).all() and values.grad.sum().item() == 7
