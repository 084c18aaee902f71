from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.contour import carry_by_position, fill_unvoiced


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
