from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.labels import _can_be_laid_out, parse_labels, resample_f0, symbol_boundaries, token_spans
from params import Audio

AUDIO = Audio()
FRAME_RATE = AUDIO.sample_rate / AUDIO.hop_length


def archive(**arrays) -> bytes:
    values = dict(f0=[100.0], frame_rate=80.0, symbols=np.array(["A"]), symbol_seconds=[0.1]) | arrays
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


def test_values_at_frame_centres_stay_as_they_are():
    f0 = np.array([0, 100, 110, 0, 0, 200, 0], np.float32)
    between = np.insert(f0, range(1, 7), 0)  # at twice the rate, odd values are those of the frame centres
    between = np.concatenate([[0], between])
    np.testing.assert_allclose(resample_f0(between, 2 * FRAME_RATE, 7, AUDIO), f0, rtol=1e-5)


def test_log_f0_is_linear_between_voiced_values():
    rate = 80.0
    f0 = 100 * 2 ** (np.arange(160) / 80)  # an octave a second; value j at j / 80 s
    frames = 160
    found = resample_f0(f0.astype(np.float32), rate, frames, AUDIO)
    centres = (np.arange(frames) + 0.5) / FRAME_RATE
    np.testing.assert_allclose(found[:-10], 100 * 2 ** centres[:-10], rtol=1e-5)


def test_voicing_is_the_nearest_values_and_f0_never_crosses_a_gap():
    f0 = np.array([100, 100, 0, 400, 400, 0, 0, 0], np.float32)
    found = resample_f0(f0, FRAME_RATE * 0.3, 24, AUDIO)
    centres = (np.arange(24) + 0.5) * 0.3  # in values of f0
    np.testing.assert_allclose(found, f0[np.minimum(np.floor(centres + 0.5), 7).astype(int)], rtol=1e-5)
    assert set(np.round(found).tolist()) == {0, 100, 400}


def test_frames_behind_the_labels_are_unvoiced():
    found = resample_f0(np.full(10, 100, np.float32), FRAME_RATE, 13, AUDIO)
    np.testing.assert_allclose(found, [100] * 9 + [0] * 4, rtol=1e-5)


def test_boundaries_are_in_frames():
    boundaries = symbol_boundaries(np.array([1.0, 0.5], np.float32), AUDIO)
    np.testing.assert_allclose(boundaries, [0, FRAME_RATE, 1.5 * FRAME_RATE], rtol=1e-6)


@pytest.mark.parametrize(
    "arrays",
    [
        {"f0": [np.nan]},
        {"f0": [-1.0]},
        {"f0": []},
        {"frame_rate": 0.0},
        {"symbol_seconds": [np.inf]},
        {"symbol_seconds": [0.1, 0.2]},
        {"symbols": np.array([{}], dtype=object)},
    ],
)
def test_impossible_labels_are_refused(arrays):
    assert parse_labels(archive(), "x").symbols == ("A",)
    with pytest.raises(InputError, match=r"x\.labels"):
        parse_labels(archive(**arrays), "x.labels")


@settings(deadline=None, max_examples=50)
@given(data=st.binary(max_size=50), prefix=st.sampled_from([b"", b"PK\x03\x04", archive()[:300]]))
def test_any_bytes_give_an_input_error(data, prefix):
    with pytest.raises(InputError):
        parse_labels(prefix + data, "x.labels.npz")


# --- token spans -------------------------------------------------------------------------------------------------

BLANKED = [True, False, True, False, True]


def test_spans_of_two_symbols_between_blanks():
    spans = token_spans(BLANKED, np.array([0, 4.2, 10.0]), 10)
    assert spans.tolist() == [[0, 3], [0, 6], [2, 8], [3, 10], [7, 10]]


def test_spans_without_blanks():
    spans = token_spans([False] * 3, np.array([0, 4.2, 7.0, 9.5]), 10)
    assert spans.tolist() == [[0, 6], [3, 8], [6, 10]]


def test_the_ends_belong_to_the_outer_tokens_even_if_the_labels_are_off():
    for end in (9.0, 11.5):
        spans = token_spans([False, False], np.array([0, 5, end]), 10)
        assert spans[0, 0] == 0 and spans[-1, 1] == 10


def test_what_cannot_be_laid_out_gives_none():
    assert token_spans(BLANKED, np.array([0, 2.0, 4.0]), 4) is None  # five tokens, four frames
    crowded = np.array([0, 20, 20.1, 20.2, 20.3, 20.4, 20.5, 40])  # six symbols of a tenth of a frame
    assert token_spans([False] * 7, crowded, 40) is None


def test_another_number_of_symbols_is_an_error():
    with pytest.raises(ValueError, match="2 symbols but boundaries of 3"):
        token_spans(BLANKED, np.array([0, 1, 2, 3]), 10)


def brute_force_fits(spans: np.ndarray, frames: int) -> bool:
    """Whether a monotonic alignment inside the spans exists, by walking every frame with every possible token."""
    possible = {0} if spans[0, 0] <= 0 < spans[0, 1] else set()
    for frame in range(1, frames):
        possible = {
            token
            for token in range(len(spans))
            if spans[token, 0] <= frame < spans[token, 1] and (token in possible or token - 1 in possible)
        }
    return len(spans) - 1 in possible


@settings(deadline=None, max_examples=200)
@given(
    lengths=st.lists(st.floats(0.1, 6), min_size=1, max_size=8),
    blanks=st.booleans(),
    offset=st.floats(-0.9, 0.9),
)
def test_spans_hold_an_alignment_or_are_none(lengths, blanks, offset):
    durations = np.concatenate([[0], np.cumsum(lengths)])
    frames = max(1, int(durations[-1] + offset))
    is_blank = [i % 2 == 0 for i in range(2 * len(lengths) + 1)] if blanks else [False] * len(lengths)
    spans = token_spans(is_blank, durations, frames)
    if spans is None:
        # Room enough for every token, wherever it begins, always gives spans.
        assert frames < len(is_blank) or min(lengths) < 2.5 or frames < durations[-1] - 0.5
        return
    assert spans.min() >= 0 and spans.max() <= frames
    assert brute_force_fits(spans, frames)
    symbols = spans[~np.array(is_blank)]
    for (start, end), low, high in zip(symbols, durations[:-1], durations[1:], strict=True):
        assert start <= low and end >= min(high, frames)  # the exact interval is allowed whole


def test_no_symbols_are_an_error():
    with pytest.raises(ValueError, match="0 symbols but boundaries of 0"):
        token_spans([True, True], np.array([0.0]), 10)


def test_blanks_next_to_each_other_share_a_span():
    spans = token_spans([True, True, False, True, True, False, True, True], np.array([0, 6, 12.0]), 14)
    assert spans.tolist() == [[0, 3], [0, 3], [0, 7], [3, 9], [3, 9], [5, 13], [9, 14], [9, 14]]


def test_labels_that_begin_late_leave_the_first_frames_to_the_first_token():
    assert token_spans([False, False], np.array([3, 5, 8.0]), 12).tolist() == [[0, 6], [4, 12]]


@settings(deadline=None, max_examples=200)
@given(data=st.data(), frames=st.integers(1, 7), tokens=st.integers(1, 5))
def test_spans_can_be_laid_out_if_there_is_a_way(data, frames, tokens):
    edges = st.tuples(st.integers(0, frames), st.integers(0, frames))
    spans = np.array([sorted(data.draw(edges)) for _ in range(tokens)])
    spans[0, 0], spans[-1, 1] = 0, frames
    assert _can_be_laid_out(spans, frames) == brute_force_fits(spans, frames)


@pytest.mark.parametrize(
    ("spans", "frames", "possible"),
    [
        ([[0, 1], [1, 2], [2, 3]], 3, True),  # exactly one way
        ([[0, 1], [2, 3]], 3, False),  # nobody has frame 1
        ([[0, 2], [0, 1], [1, 3]], 3, False),  # the second has to end before it begins
        ([[0, 3], [0, 3], [0, 3], [0, 3]], 3, False),
        ([[0, 3], [0, 3], [0, 3]], 3, True),
    ],
)
def test_laying_out(spans, frames, possible):
    assert _can_be_laid_out(np.array(spans), frames) == possible
