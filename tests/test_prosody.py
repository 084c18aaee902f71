"""Edits of durations, contours and mels by token: exactly what is asked, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.mel import DB_PER_UNIT, frame_energy
from model.cond_text_encoder import round_durations
from model.lengths import duration_path
from model.prosody import TokenProsody
from model.units import SILENCE
from synthesis.contour_file import Contour
from synthesis.prosody_edits import ProsodyEdits
from synthesis.times import RELEASE_FRAMES, phone_times, word_times
from text.front_end import EncodedText, arpabet_front_end
from text.prosody import BOUNDS, NEUTRAL, Prosody

FRAME = 256 / 22050  # seconds
ENCODED = arpabet_front_end().encode("One small bird, two cats.")


def tokens(count: int, **columns: list[float]) -> TokenProsody:
    """Neutral but for the columns."""
    neutral = {"pitch": 0.0, "range": 1.0, "rate": 1.0, "volume": 0.0, "longest": math.inf, "pause": -1}
    return TokenProsody(**{name: torch.tensor([columns.get(name, [value] * count)]) for name, value in neutral.items()})


def durations_of(prosody: TokenProsody, expected: torch.Tensor, length_scale: float = 1.0) -> torch.Tensor:
    """As a model spreads a text (B, S)."""
    return round_durations(prosody.log_durations(expected.log(), length_scale).exp() * length_scale)


def path_of(durations: torch.Tensor, frames: int | None = None) -> torch.Tensor:
    size = int(durations.sum()) if frames is None else frames
    return duration_path(durations.float(), torch.ones(1, 1, durations.shape[1]), torch.ones(1, 1, size))


def of_word(encoded: EncodedText, word: int) -> torch.Tensor:
    """Its phones and their blanks, and the boundary in front of it."""
    inside = [own == word for own in encoded.word_of]
    first = inside.index(True)
    boundary = [encoded.symbols[i] == " " or encoded.symbols[i - 1 : i + 1] == [" ", "<blank>"] for i in range(first)]
    return torch.tensor([*(inside[i] or (boundary[i] and i >= first - 2) for i in range(first)), *inside[first:]])


EXPECTED = st.lists(st.floats(0.05, 20), min_size=2, max_size=30)


@given(EXPECTED)
def test_asking_nothing_changes_no_bit(expected: list[float]):
    lengths = torch.tensor([expected])
    nothing = tokens(len(expected))
    durations = durations_of(nothing, lengths)
    # Before they are rounded: exp rounds by where a number lies in memory, which decides a tie of half a frame.
    assert torch.equal(nothing.log_durations(lengths.log(), 1.0), lengths.log())
    path = path_of(durations)
    contour = torch.randn(1, path.shape[2])
    mel = torch.randn(1, 4, path.shape[2])
    assert torch.equal(nothing.log_f0(contour, torch.ones_like(contour), path), contour)
    assert torch.equal(nothing.mel(mel, path), mel)


@given(EXPECTED, st.floats(0.25, 4))
def test_every_stretch_lasts_by_its_rate_within_a_frame(expected: list[float], rate: float):
    lengths = torch.tensor([expected])
    durations = durations_of(tokens(len(expected), rate=[rate] * len(expected)), lengths)[0]
    ends = durations.cumsum(0)
    wanted = (lengths[0].double() / rate).cumsum(0)
    assert (ends[:-1] - wanted[:-1]).abs().max() <= 0.5 + 1e-4
    assert abs(ends[-1] - wanted[-1]) <= 1  # one frame at least


@given(EXPECTED, st.data())
def test_pauses_have_their_frames_and_the_rest_keeps_its_own(expected: list[float], data: st.DataObject):
    count = len(expected)
    at = data.draw(st.integers(0, count - 1))
    frames = data.draw(st.integers(0, 500))
    pause = [frames if i == at else -1 for i in range(count)]
    rate = data.draw(st.lists(st.floats(0.25, 4), min_size=count, max_size=count))
    lengths = torch.tensor([expected])
    length_scale = data.draw(st.sampled_from([1.0, 0.7, 1.3]))
    durations = durations_of(tokens(count, rate=rate, pause=pause), lengths, length_scale)
    others = torch.arange(count) != at
    alone = lengths[:, others] / torch.tensor(rate)[others] * length_scale
    # A sum that lies in the very middle of two frames may be rounded either way.
    middle = ((alone.double().cumsum(1) % 1 - 0.5).abs() < 1e-4).any()
    assert abs(durations[0, at] - frames) <= int(middle)
    ends = durations[:, others].cumsum(1) - round_durations(alone).cumsum(1)
    assert ends.abs().max() <= 1  # the least frame of a text may fall on another token


@pytest.mark.parametrize(("length_scale", "expected"), [(1.0, [5, 3, 2]), (2.0, [10, 3, 4])])
def test_a_token_has_no_more_than_its_longest(length_scale: float, expected: list[int]):
    limited = tokens(3, longest=[math.inf, 3.0, math.inf])
    assert durations_of(limited, torch.tensor([[5.0, 9.0, 2.0]]), length_scale).tolist() == [expected]


def test_pitch_moves_its_tokens_alone():
    durations = torch.tensor([[3, 4, 5]])
    path = path_of(durations, 16)
    contour = torch.randn(1, 16)
    moved = tokens(3, pitch=[0.0, 2.0, 0.0]).log_f0(contour, torch.ones_like(contour), path)
    semitones = (moved - contour) * 12 / math.log(2)
    expected = torch.tensor([0.0] * 3 + [2.0] * 4 + [0.0] * 9)
    assert torch.allclose(semitones[0], expected, atol=1e-5)
    assert torch.equal(moved[0, 7:], contour[0, 7:])


@given(st.floats(*BOUNDS["range"]), st.floats(*BOUNDS["pitch"]), st.integers(0, 2**31))
def test_range_stretches_about_the_voiced_median(factor: float, pitch: float, seed: int):
    generator = torch.Generator().manual_seed(seed)
    contour = 5 + 0.2 * torch.randn(1, 41, generator=generator, dtype=torch.float64)
    voicing = (torch.rand(1, 41, generator=generator) > 0.4).double()
    voicing[0, 0] = 1
    path = path_of(torch.tensor([[20, 21]])).double()
    edits = tokens(2, range=[factor] * 2, pitch=[pitch] * 2)
    moved = edits.log_f0(contour, voicing, path)
    voiced = contour[voicing > 0]
    centre = voiced.median()
    expected = centre + (contour - centre) * float(edits.range[0, 0]) + float(edits.pitch[0, 0]) * math.log(2) / 12
    assert torch.allclose(moved, expected, atol=1e-6)


def test_range_without_a_voiced_frame_changes_nothing():
    contour = torch.randn(1, 8)
    moved = tokens(1, range=[2.0]).log_f0(contour, torch.zeros(1, 8), path_of(torch.tensor([[8]])))
    assert torch.equal(moved, contour)


@given(st.floats(-20, 20))
def test_volume_is_exact_in_decibels(decibels: float):
    mel = torch.randn(1, 80, 30) - 2
    path = path_of(torch.tensor([[10, 20]]))
    louder = tokens(2, volume=[decibels] * 2).mel(mel, path)
    change = (frame_energy(louder[0].numpy()) - frame_energy(mel[0].numpy())) * DB_PER_UNIT
    assert np.allclose(change, decibels, atol=1e-3)


def test_volume_of_one_token_has_smooth_edges():
    mel = torch.zeros(1, 2, 12)
    path = path_of(torch.tensor([[4, 4, 4]]))
    change = tokens(3, volume=[0.0, 8.0, 0.0]).mel(mel, path)[0, 0] * DB_PER_UNIT
    assert torch.allclose(change, torch.tensor([0, 0, 0, 2, 6, 8, 8, 6, 2, 0, 0, 0.0]), atol=1e-4)


def test_silence_is_the_floor_and_nothing_goes_below():
    mel = torch.tensor([[[-2.0, SILENCE + 1, SILENCE - 1]]])
    path = path_of(torch.tensor([[3]]))
    lowered = tokens(1, volume=[-96.0]).mel(mel, path)
    assert torch.allclose(lowered, torch.tensor([[[SILENCE, SILENCE, SILENCE - 1]]]))


def test_a_pause_is_silent_from_its_first_to_its_last_frame():
    mel = torch.randn(1, 80, 10)
    silent = tokens(3, pause=[-1, 4, -1]).mel(mel, path_of(torch.tensor([[3, 4, 3]])))
    assert (silent[..., 3:7] == SILENCE).all()
    assert torch.equal(silent[..., :3], mel[..., :3]) and torch.equal(silent[..., 7:], mel[..., 7:])


# ------------------------------------------------------------------ by word


def test_words_become_tokens():
    words = [NEUTRAL] * 5
    words[1] = Prosody(pitch=2, volume=-3)
    found = ProsodyEdits(words=tuple(words)).of_tokens(ENCODED, FRAME)
    inside = of_word(ENCODED, 1)
    assert (found.pitch[0, inside] == 2).all() and (found.volume[0, inside] == -3).all()
    assert (found.pitch[0, ~inside] == 0).all() and (found.pause == -1).all()


@pytest.mark.parametrize(
    ("one", "other", "mark"), [(0.9, 0.8, 0.9), (0.8, 0.9, 0.9), (0.8, 1.2, 1.0), (1.2, 1.0, 1.0), (1.5, 1.5, 1.5)]
)
def test_a_mark_between_two_words_has_what_both_have(one: float, other: float, mark: float):
    words = (NEUTRAL, NEUTRAL, Prosody(rate=one), Prosody(rate=other), Prosody(rate=0.5))
    found = ProsodyEdits(words=words).of_tokens(ENCODED, FRAME).rate[0]
    comma, stop = ENCODED.symbols.index(","), ENCODED.symbols.index(".")
    assert [round(float(rate), 6) for rate in found[comma : comma + 4]] == [mark, mark, other, other]
    assert (found[stop:] == 0.5).all()


def test_everything_and_a_word_compose():
    words = (NEUTRAL, Prosody(pitch=2, rate=0.5), NEUTRAL, NEUTRAL, NEUTRAL)
    everything = ProsodyEdits(overall=Prosody(pitch=-1, rate=0.9, volume=3))
    found = everything.merge(ProsodyEdits(words=words)).of_tokens(ENCODED, FRAME)
    inside = of_word(ENCODED, 1)
    assert torch.allclose(found.pitch[0, inside], torch.tensor(1.0))
    assert torch.allclose(found.rate[0, inside], torch.tensor(0.45))
    assert torch.allclose(found.pitch[0, ~inside], torch.tensor(-1.0))
    assert torch.allclose(found.volume, torch.tensor(3.0))


@settings(deadline=None)
@given(st.floats(0, 10), st.sampled_from([2, 4]), st.lists(st.floats(0, 30), min_size=1, max_size=9))
def test_a_pause_lasts_what_it_says_within_a_frame(seconds: float, word: int, lengths: list[float]):
    """By the times of the report, whatever the model would have made of the mark and the blanks around it."""
    found = ProsodyEdits(pauses={word: seconds}).of_tokens(ENCODED, FRAME)
    expected = torch.tensor([[lengths[i % len(lengths)] for i in range(len(ENCODED.ids))]])
    durations = durations_of(found, expected)[0]
    timed = phone_times(ENCODED.symbols, durations.tolist(), ENCODED.word_of, FRAME)
    words = word_times(ENCODED.words, timed)
    end = words[word + 1].start if word + 1 < len(words) else durations.sum() * FRAME
    assert abs(end - words[word].end - seconds) <= FRAME / 2 + 1e-6  # times are single precision
    silent = (found.pause[0] >= 0).nonzero().squeeze(1)
    assert durations[silent[0] - 1] <= RELEASE_FRAMES + 1  # rounded in running sums


def test_a_pause_before_everything_is_no_token():
    found = ProsodyEdits(pauses={-1: 2.0}).of_tokens(ENCODED, FRAME)
    assert (found.pause == -1).all() and found.longest.isinf().all()


def test_what_a_piece_begins_with_is_bounded():
    found = ProsodyEdits().of_tokens(ENCODED, FRAME, lead=2 * FRAME)
    assert found.longest[0, 0] == 2 and found.longest[0, 1:].isinf().all()


def test_edits_that_do_not_fit_the_text():
    with pytest.raises(InputError, match="2 words are changed in a text of 5"):
        ProsodyEdits(words=(NEUTRAL, NEUTRAL)).of_tokens(ENCODED, FRAME)
    open_end = arpabet_front_end().encode("no mark")
    assert (ProsodyEdits(pauses={1: 0.0}).of_tokens(open_end, FRAME).pause == -1).all()
    with pytest.raises(InputError, match="no mark after word 1"):
        ProsodyEdits(pauses={1: 1.0}).of_tokens(open_end, FRAME)


@pytest.mark.parametrize(
    ("name", "value"), [(n, v + d) for n, (lo, hi) in BOUNDS.items() for v, d in ((lo, -1), (hi, 1))]
)
def test_bounds(name: str, value: float):
    with pytest.raises(InputError, match=name):
        Prosody(**{name: value})
    with pytest.raises(InputError):
        Prosody(**{name: math.nan})


def test_what_a_text_asks_comes_on_top_and_its_pauses_and_contour_win():
    low, high = Contour((0.0,), (100.0,)), Contour((0.0,), (200.0,))
    outer = ProsodyEdits(Prosody(pitch=1), (Prosody(rate=0.5), NEUTRAL), {0: 1.0, 1: 2.0}, low)
    inner = ProsodyEdits(Prosody(pitch=2), (Prosody(rate=2), Prosody(volume=3)), {1: 0.0}, high)
    assert outer.merge(inner) == ProsodyEdits(Prosody(pitch=3), (NEUTRAL, Prosody(volume=3)), {0: 1.0, 1: 0.0}, high)
    assert outer.merge(ProsodyEdits()) == ProsodyEdits().merge(outer) == outer
    with pytest.raises(InputError, match="2 words are changed in a text of 1"):
        outer.merge(ProsodyEdits(words=(NEUTRAL,)))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.data())
def test_edits_of_a_text_are_cut_into_those_of_its_pieces(counts: list[int], data: st.DataObject):
    total = sum(counts)
    words = tuple(Prosody(pitch=i % 20) for i in range(total))
    pauses = data.draw(st.dictionaries(st.integers(-1, total - 1), st.floats(0, 3)))
    parts = ProsodyEdits(Prosody(volume=1), words, pauses).cut(counts)
    assert sum((part.words for part in parts), ()) == words
    assert all(part.overall == Prosody(volume=1) for part in parts)
    first, joined = 0, {}
    for part, count in zip(parts, counts, strict=True):
        assert all(word < count and (word >= 0 or first == 0) for word in part.pauses)
        joined |= {word + first: seconds for word, seconds in part.pauses.items()}
        first += count
    assert joined == pauses


def test_edits_of_other_words_cannot_be_cut():
    with pytest.raises(InputError, match="2 words are changed in a text of 3"):
        ProsodyEdits(words=(NEUTRAL, NEUTRAL)).cut([1, 2])
    with pytest.raises(InputError, match="a pause after word 3 of a text of 3"):
        ProsodyEdits(pauses={3: 1.0}).cut([1, 2])


def test_neutral_edits_know_that_they_are():
    assert ProsodyEdits().neutral and ProsodyEdits(words=(NEUTRAL, NEUTRAL)).neutral
    for one in (
        ProsodyEdits(overall=Prosody(volume=-1)),
        ProsodyEdits(words=(NEUTRAL, Prosody(rate=2))),
        ProsodyEdits(pauses={0: 0.0}),
        ProsodyEdits(contour=Contour((0.0,), (100.0,))),
    ):
        assert not one.neutral
