from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.contour import ContourPredictor, carry_by_position, fill_unvoiced, spread_smoothly
from tests.tiny_model import seeded


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_gaps_are_bridged_and_ends_held() -> None:
    log_f0 = tensor(-9, 5.0, 0, 0, 5.6, 5.0, float("nan"))
    voicing = tensor(0, 1, 0, 0.4, 1, 0.5, 0)
    torch.testing.assert_close(fill_unvoiced(log_f0, voicing), tensor(5.0, 5.0, 5.2, 5.4, 5.6, 5.0, 5.0))


def test_one_voiced_frame_fills_everything() -> None:
    assert fill_unvoiced(tensor(0, 0, 5.3), tensor(0, 0, 1)).tolist() == [5.3] * 3
    assert fill_unvoiced(tensor(5.1), tensor(1)).tolist() == [5.1]


def test_nothing_voiced_is_refused() -> None:
    with pytest.raises(ValueError, match="no voiced frame"):
        fill_unvoiced(tensor(5, 5), tensor(0, 0.49))


def test_the_argument_is_left_as_it_was() -> None:
    log_f0, voicing = tensor(1, 2, 3), tensor(0, 1, 1)
    fill_unvoiced(log_f0, voicing)
    carry_by_position(log_f0, 7)
    assert log_f0.tolist() == [1, 2, 3]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(4, 6), st.booleans()), min_size=1, max_size=40))
def test_filling_agrees_with_numpy_and_keeps_voiced_frames(frames: list[tuple[float, bool]]) -> None:
    log_f0, voicing = (torch.tensor(column, dtype=torch.float64) for column in zip(*frames, strict=True))
    voiced = np.flatnonzero(voicing.numpy())
    if not len(voiced):
        return
    filled = fill_unvoiced(log_f0, voicing)
    expected = np.interp(np.arange(len(frames)), voiced, log_f0.numpy()[voiced])
    np.testing.assert_allclose(filled.numpy(), expected, atol=1e-12)
    np.testing.assert_array_equal(filled.numpy()[voiced], log_f0.numpy()[voiced])


def test_carrying_maps_centres_onto_centres() -> None:
    torch.testing.assert_close(carry_by_position(tensor(0, 1), 4), tensor(0, 0.25, 0.75, 1))
    torch.testing.assert_close(carry_by_position(tensor(0, 1, 2, 3), 2), tensor(0.5, 2.5))
    assert carry_by_position(tensor(7), 3).tolist() == [7, 7, 7]
    assert carry_by_position(tensor(1, 2), 0).shape == (0,)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(4, 6), min_size=1, max_size=40), st.integers(1, 60))
def test_carrying_agrees_with_numpy(values: list[float], frames: int) -> None:
    carried = carry_by_position(tensor(*values), frames)
    target = (np.arange(frames) + 0.5) / frames
    expected = np.interp(target, (np.arange(len(values)) + 0.5) / len(values), values)
    np.testing.assert_allclose(carried.numpy(), expected, atol=1e-9)
    if frames == len(values):
        np.testing.assert_allclose(carried.numpy(), values, atol=1e-12)


def test_results_are_tensors_of_their_own() -> None:
    for result in (fill_unvoiced(tensor(0, 5.3, 0), tensor(0, 1, 0)), carry_by_position(tensor(5.3), 3)):
        result[0] = 1
        assert result.tolist() == [1, 5.3, 5.3]


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
