from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.lengths import duration_path, padded_length, sequence_mask


def test_sequence_mask() -> None:
    mask = sequence_mask(torch.tensor([0, 2, 3]), 3)
    assert mask.tolist() == [[[0, 0, 0]], [[1, 1, 0]], [[1, 1, 1]]]
    assert sequence_mask(torch.tensor([1]), 2, torch.float64).dtype == torch.float64


@given(st.integers(0, 1000), st.integers(1, 16))
def test_padded_length_is_the_next_multiple(length: int, multiple: int) -> None:
    padded = padded_length(length, multiple)
    assert padded % multiple == 0
    assert 0 <= padded - length < multiple


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(0, 4), st.integers(0, 4))
def test_whole_durations_give_each_token_its_frames(durations: list[int], more_text: int, more_frames: int) -> None:
    total = sum(durations)
    expected = torch.zeros(len(durations) + more_text, total + more_frames)
    frame = 0
    for token, count in enumerate(durations):
        expected[token, frame : frame + count] = 1
        frame += count
    padded = torch.tensor([[*durations, *[0] * more_text]], dtype=torch.float32)
    text_mask = sequence_mask(torch.tensor([len(durations)]), len(durations) + more_text)
    frame_mask = sequence_mask(torch.tensor([total]), total + more_frames)
    assert torch.equal(duration_path(padded, text_mask, frame_mask)[0], expected)


def test_fractional_durations_may_leave_a_token_without_frames() -> None:
    """As in the official code: the total, 3.64, is cut to 3 frames."""
    durations = torch.tensor([[1.0, 2.0, 1.0]]) * 0.91
    path = duration_path(durations, torch.ones(1, 1, 3), sequence_mask(durations.sum(1).long(), 4))
    assert path.sum(-1).tolist() == [[1, 2, 0]]


def test_padding_is_never_aligned() -> None:
    text_mask, frame_mask = torch.tensor([[[1.0, 1.0, 0.0]]]), sequence_mask(torch.tensor([5]), 6)
    path = duration_path(torch.full((1, 3), 2.0), text_mask, frame_mask)
    assert path.sum(-1).tolist() == [[2, 2, 0]]
    assert duration_path(torch.full((1, 3), 2.0), torch.ones(1, 1, 3), frame_mask).sum(-1).tolist() == [[2, 2, 1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_path_has_the_dtype_of_the_mask(dtype: torch.dtype) -> None:
    path = duration_path(torch.ones(1, 2), torch.ones(1, 1, 2, dtype=dtype), torch.ones(1, 1, 2, dtype=dtype))
    assert path.dtype == dtype
    assert torch.equal(path[0], torch.eye(2, dtype=dtype))
