"""Contours carried token by token, fields over time, envelopes, and the settings."""

from __future__ import annotations

import math

import librosa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.contour import carry_by_position
from model.interpolation import Linear, SameTime, Staged, Temporal
from model.interpolation.carry import (
    carry_by_tokens,
    constant_over_rows,
    crossing_by_token,
    hold_past_end,
    source_places,
    spread_over_frames,
)
from model.interpolation.joined import envelope, exchange_fine_structure, smoothing_matrix
from model.lengths import duration_path
from tests.tiny_model import seeded

COUNTS = st.lists(st.integers(0, 5), min_size=1, max_size=8)


def contour_of(durations: list[int], seed: int = 0) -> Tensor:
    return torch.randn(sum(durations), generator=seeded(seed))


def written_out(contour: list[float], source: list[int], target: list[int]) -> list[float]:
    """Token by token, frame by frame."""
    carried, start = [], 0
    for here, there in zip(source, target, strict=True):
        for frame in range(there):
            at = min(max(start + (frame + 0.5) / there * here - 0.5, 0), len(contour) - 1)
            left = min(math.floor(at), len(contour) - 1)
            right = min(left + 1, len(contour) - 1)
            carried.append(contour[left] * (1 - (at - left)) + contour[right] * (at - left))
        start += here
    return carried


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_carrying_is_the_written_out_one(data: st.DataObject) -> None:
    source = data.draw(COUNTS.filter(any))
    target = data.draw(st.lists(st.integers(0, 5), min_size=len(source), max_size=len(source)))
    contour = contour_of(source).double()
    carried = carry_by_tokens(contour, torch.tensor(source), torch.tensor(target))
    assert carried.dtype == contour.dtype and len(carried) == sum(target)
    expected = torch.tensor(written_out(contour.tolist(), source, target), dtype=torch.float64)
    torch.testing.assert_close(carried, expected, atol=1e-12, rtol=0)
    if len(carried):
        assert contour.min() - 1e-9 <= carried.min() and carried.max() <= contour.max() + 1e-9
        places = source_places(torch.tensor(source), torch.tensor(target))
        assert places.min() >= 0 and places.max() <= len(contour) - 1
        assert (places.diff() >= 0).all()  # time does not run backwards


@settings(deadline=None, max_examples=50)
@given(COUNTS.filter(any))
def test_equal_durations_carry_a_contour_unchanged(durations: list[int]) -> None:
    contour = contour_of(durations)
    carried = carry_by_tokens(contour, torch.tensor(durations), torch.tensor(durations))
    torch.testing.assert_close(carried, contour, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=30)
@given(COUNTS.filter(any), st.integers(1, 4))
def test_an_even_stretch_is_the_one_by_position(durations: list[int], factor: int) -> None:
    contour = contour_of(durations).double()
    lengths = torch.tensor(durations)
    carried = carry_by_tokens(contour, lengths, lengths * factor)
    torch.testing.assert_close(carried, carry_by_position(contour, len(contour) * factor), atol=1e-9, rtol=0)


def test_stretches_and_gaps_by_hand() -> None:
    contour = torch.tensor([0.0, 2.0, 4.0, 10.0])
    two = torch.tensor([3, 1])
    assert carry_by_tokens(contour, two, torch.tensor([6, 0])).tolist() == [0, 0.5, 1.5, 2.5, 3.5, 5.5]
    assert carry_by_tokens(contour, two, torch.tensor([1, 2])).tolist() == [2, 8.5, 10]
    # A token that the source does not have lies between its neighbours, or at the end.
    assert carry_by_tokens(contour, torch.tensor([3, 0, 1]), torch.tensor([3, 2, 1])).tolist() == [0, 2, 4, 7, 7, 10]
    assert carry_by_tokens(contour, torch.tensor([0, 4, 0]), torch.tensor([1, 1, 1])).tolist() == [0, 3, 10]
    assert carry_by_tokens(torch.tensor([5.0]), torch.tensor([1]), torch.tensor([3])).tolist() == [5, 5, 5]
    assert carry_by_tokens(contour, two, torch.tensor([0, 0])).tolist() == []
    assert source_places(two, torch.tensor([1, 2])).tolist() == [1, 2.75, 3]


def test_what_cannot_be_carried() -> None:
    one, two = torch.tensor([4]), torch.tensor([2, 2])
    with pytest.raises(ValueError, match="1 tokens cannot be carried to 2"):
        carry_by_tokens(torch.zeros(4), one, two)
    with pytest.raises(ValueError, match="durations of 4 frames do not fit a contour of 5"):
        carry_by_tokens(torch.zeros(5), one, one)
    with pytest.raises(ValueError, match="without frames"):
        carry_by_tokens(torch.zeros(0), 0 * one, one)


# Fields


def test_a_crossing_of_zero_width_is_a_step_between_tokens() -> None:
    ten = torch.zeros(10)
    assert crossing_by_token(ten, 0.3, 0).tolist() == [1] * 3 + [0] * 7
    assert crossing_by_token(ten, 0, 0).tolist() == [0] * 10
    assert crossing_by_token(ten, 1, 0).tolist() == [1] * 10
    for count in range(1, 60):  # a word's first token is b's first, whatever the rounding
        for first in range(count):
            assert crossing_by_token(torch.zeros(count), first / count, 0).sum() == first


def test_a_wide_crossing_is_a_ramp_about_its_middle() -> None:
    ramp = crossing_by_token(torch.zeros(10), 0.5, 0.4)
    torch.testing.assert_close(ramp, torch.tensor([1, 1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0, 0]))
    torch.testing.assert_close(crossing_by_token(torch.zeros(2), 0.5, 1.0), torch.tensor([0.75, 0.25]))


def alignment(durations: list[int], frames: int) -> Tensor:
    """(S, frames) of 0 and 1."""
    counts = torch.tensor(durations)
    ones = torch.ones(1, 1, frames) * (torch.arange(frames) < counts.sum())
    return duration_path(counts[None].float(), torch.ones(1, 1, len(durations)), ones)[0]


def test_tokens_over_frames() -> None:
    values = torch.tensor([1.0, 0.5, 0.25, 0.0])
    spread = spread_over_frames(values, alignment([2, 0, 3, 0], 8), 5)
    assert spread.tolist() == [1, 1, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]  # past the end: of the last that is spoken
    assert spread_over_frames(values, alignment([1, 1, 1, 1], 4), 4).tolist() == values.tolist()
    field = constant_over_rows(spread, 5)
    assert field.shape == (1, 5, 8) and torch.equal(field[0, 3], spread)
    held = hold_past_end(torch.tensor([[1.0, 2, 3, 9], [4, 5, 6, 9]]), 3)
    assert held.tolist() == [[1, 2, 3, 3], [4, 5, 6, 6]]


# Envelopes

ROW_HZ = torch.from_numpy(librosa.mel_frequencies(82, fmin=0, fmax=8000)[1:-1])
SMOOTHING = smoothing_matrix(ROW_HZ)


def test_smoothing_keeps_what_is_smooth() -> None:
    assert SMOOTHING.shape == (80, 80) and SMOOTHING.min() >= 0
    torch.testing.assert_close(SMOOTHING.sum(1), torch.ones(80, dtype=torch.float64))
    level = torch.full((2, 80, 7), -3.5, dtype=torch.float64)
    torch.testing.assert_close(envelope(level, SMOOTHING), level)
    assert (SMOOTHING.argmax(1) == torch.arange(80)).all()
    # Each frame by itself.
    mel = torch.randn(1, 80, 5, generator=seeded(0), dtype=torch.float64)
    torch.testing.assert_close(envelope(mel, SMOOTHING)[..., 2:3], envelope(mel[..., 2:3], SMOOTHING))
    torch.testing.assert_close(envelope(mel, SMOOTHING)[0, 10, 3], SMOOTHING[10] @ mel[0, :, 3])


@pytest.mark.parametrize("f0", [90.0, 150.0, 220.0, 300.0])
def test_the_fine_structure_of_a_comb_is_no_part_of_its_envelope(f0: float) -> None:
    comb = torch.cos(2 * math.pi * ROW_HZ / f0)[None, :, None]  # peaks at the harmonics
    tilt = (-2 * ROW_HZ / 8000)[None, :, None]
    inner = slice(int((ROW_HZ < 450).sum()), int((ROW_HZ < 1000).sum()))  # away from the lowest row
    assert comb[:, inner].abs().max() > 0.8
    assert envelope(comb, SMOOTHING)[:, inner].abs().max() < 0.1
    torch.testing.assert_close(envelope(comb + tilt, SMOOTHING)[:, inner], tilt[:, inner], atol=0.1, rtol=0)


def test_fine_structure_is_exchanged_inside_the_mask() -> None:
    a, b = (torch.randn(1, 80, 6, generator=seeded(seed), dtype=torch.float64) for seed in (0, 1))
    fine_a, fine_b = (mel - envelope(mel, SMOOTHING) for mel in (a, b))
    ones = torch.ones(1, 80, 6, dtype=torch.float64)
    torch.testing.assert_close(exchange_fine_structure(a, b, 0 * ones, SMOOTHING), b)
    torch.testing.assert_close(exchange_fine_structure(a, b, ones, SMOOTHING), envelope(b, SMOOTHING) + fine_a)
    torch.testing.assert_close(exchange_fine_structure(b, b, 0.3 * ones, SMOOTHING), b)
    half = exchange_fine_structure(a, b, 0.25 * ones, SMOOTHING)
    torch.testing.assert_close(half, envelope(b, SMOOTHING) + 0.25 * fine_a + 0.75 * fine_b)


# Settings

TYPES_OF_A = "pitch, energy, timbre, speaker, emotion, voice, manner"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Linear, {"weight": 1.5}, "weight must be a number from 0 to 1, not 1.5"),
        (Linear, {"weight": math.nan}, "weight must be a number from 0 to 1, not nan"),
        (Linear, {"blend": "sum"}, "blend must be one of condition, score, not 'sum'"),
        (Temporal, {"cross": -0.1}, "cross must be a number from 0 to 1, not -0.1"),
        (Temporal, {"cross_width": 2}, "cross_width must be a number from 0 to 1, not 2"),
        (Temporal, {"cross_word": -1}, "cross_word must be a whole number, 0 or more, not -1"),
        (Temporal, {"cross_word": 1.5}, "cross_word must be a whole number, 0 or more, not 1.5"),
        (SameTime, {"mask": "f1"}, "mask must be one of f0, harmonics, f0-4, none, not 'f1'"),
        (SameTime, {"carry": "words"}, "carry must be one of phones, linear, attention, not 'words'"),
        (SameTime, {"durations": "c"}, "durations must be one of a, b, mean, not 'c'"),
        (SameTime, {"from_a": "pitch,face"}, f"from_a must be some of {TYPES_OF_A}, by comma, not 'pitch,face'"),
        (SameTime, {"from_a": "voice,voice"}, f"from_a must be some of {TYPES_OF_A}, by comma, not 'voice,voice'"),
        (Staged, {"loss": "l2"}, "loss must be one of competing, original, not 'l2'"),
        (Staged, {"tal1": 0.1, "tal2": 0.2}, "tal2 must not be above tal1, but they are 0.2 and 0.1"),
        (Staged, {"tal1": 1.1}, "tal1 must be a number from 0 to 1, not 1.1"),
        (Staged, {"tal2": math.nan}, "tal2 must be a number from 0 to 1, not nan"),
        (Staged, {"gamma": -1}, "gamma must be a number, 0 or more, not -1"),
        (Staged, {"gamma": math.nan}, "gamma must be a number, 0 or more, not nan"),
        (Staged, {"epoch": 101}, "epoch must be a whole number from 0 to 100, not 101"),
        (Staged, {"epoch": 0.5}, "epoch must be a whole number from 0 to 100, not 0.5"),
        (Staged, {"step_size": 0}, "step_size must be a number above 0, not 0"),
        (Staged, {"step_size": math.inf}, "step_size must be a number above 0, not inf"),
    ],
)
def test_nonsense_is_refused_in_one_line(kind: type, options: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        kind(**options)
    assert str(caught.value) == message


def test_the_limits_themselves_are_allowed() -> None:
    Linear(0), Linear(1), Temporal(0, 0, 0), Temporal(1, None, 1)
    Staged(tal1=1, tal2=1, gamma=0, epoch=0), Staged(tal1=0, tal2=0, epoch=100)
