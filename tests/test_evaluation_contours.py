"""Pitch, energy, spectrum: the metrics read known changes as what they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.filelist import read_filelist
from evaluation.carry import carry_f0, carry_values, positions, positions_by_phones, positions_by_proportion
from evaluation.contours import correlation, match_energy, match_pitch, median_and_range, movement
from evaluation.sound import Sound, read_sound
from evaluation.spectrum import distances, dtw_path, fine_structure, mel_cepstral_distortion, mel_cepstrum
from evaluation.speech import Phones, Speech, analyse, phones_of_recording, phones_of_tokens
from evaluation.words import count_syllables, speaking_rate
from params import Audio
from tests.resynthesis import RATE, TINY, raise_pitch, stretch
from text.symbols import BLANK

AUDIO = Audio()


def speech_of(audio: np.ndarray, phones: Phones | None = None) -> Speech:
    return analyse(Sound(audio.astype(np.float32), RATE), AUDIO, phones)


@pytest.fixture(scope="module")
def utterances():
    return read_filelist(TINY)


@pytest.fixture(scope="module")
def recordings(utterances) -> list[np.ndarray]:
    """A woman's, a man's and another woman's."""
    return [read_sound(utterances[i].wav, RATE).audio for i in (0, 8, 12)]


# -------------------------------------------------------------------------------------------------------------- pitch


def test_three_semitones_read_as_three(recordings):
    for audio in recordings[:2]:
        # both resynthesised, so that they differ in nothing but pitch
        low, high = (speech_of(raise_pitch(audio, semitones)).f0 for semitones in (0, 3))
        absolute, normalised = match_pitch(high, low), match_pitch(high, low, normalised=True)
        assert absolute.bias == pytest.approx(3.0, abs=0.1)
        assert absolute.rmse == pytest.approx(3.0, abs=0.1)
        assert absolute.correlation > 0.99
        assert normalised.rmse < 0.35 and normalised.correlation == pytest.approx(absolute.correlation)


def test_three_semitones_of_a_tone_read_as_three():
    time = np.arange(2 * RATE) / RATE
    f0 = 150 * 2 ** (0.3 * np.sin(2 * np.pi * time))
    tones = []
    for factor in (1, 2 ** (3 / 12)):
        phase = 2 * np.pi * np.cumsum(f0 * factor) / RATE
        tones.append(speech_of(0.1 * sum(np.sin(k * phase) / k for k in range(1, 10))).f0)
    match = match_pitch(tones[1], tones[0])
    assert match.rmse == pytest.approx(3.0, abs=0.02) and match.correlation > 0.999 and match.gross == 0


def test_errors_are_counted_as_defined():
    reference = np.array([100.0] * 10 + [0.0] * 10)
    f0 = reference.copy()
    f0[0] = 121.0  # grossly too high
    f0[1] = 119.0  # not yet
    f0[2] = 79.0  # grossly too low
    f0[3] = 0.0  # voiced taken for unvoiced
    f0[10:12] = 90.0  # and the other way round
    match = match_pitch(f0, reference)
    assert match.gross == pytest.approx(2 / 9)
    assert match.voicing_error == pytest.approx(3 / 20)
    assert match.frame_error == pytest.approx(5 / 20)


def test_a_constant_factor_is_no_error_once_normalised():
    reference = np.exp(np.random.default_rng(0).normal(5, 0.2, 50))
    match = match_pitch(reference * 2, reference, normalised=True)
    assert match.rmse == pytest.approx(0, abs=1e-9) and match.gross == 0
    assert match_pitch(reference * 2, reference).rmse == pytest.approx(12)
    assert match_pitch(reference * 2, reference).gross == 1


def test_too_few_voiced_frames_measure_nothing():
    match = match_pitch(np.array([100.0] * 4 + [0] * 6), np.array([100.0] * 10))
    assert math.isnan(match.rmse) and math.isnan(match.correlation) and math.isnan(match.frame_error)
    assert match.voicing_error == pytest.approx(0.6)
    assert all(math.isnan(value) for value in median_and_range(np.zeros(9)))
    with pytest.raises(ValueError, match="one and the same length"):
        match_pitch(np.ones(3), np.ones(4))


def test_correlation_of_a_constant_is_unknown():
    assert math.isnan(correlation(np.ones(5), np.arange(5.0)))
    assert correlation(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1)


@given(share=st.floats(-0.5, 1.5))
@settings(deadline=None, max_examples=30)
def test_movement_reads_the_share_of_the_way(share):
    generator = np.random.default_rng(1)
    origin, goal = (np.exp(generator.normal(5, 0.2, 40)) for _ in range(2))
    moved = np.exp((1 - share) * np.log(origin) + share * np.log(goal))
    moved[:7] = 0
    assert movement(moved, origin, goal) == pytest.approx(share, abs=1e-9)
    assert math.isnan(movement(moved, origin, origin))


# -------------------------------------------------------------------------------------------------------------- carry


@pytest.mark.parametrize(("factor", "carry"), [(1.25, "linear"), (0.8, "linear"), (1.25, "dtw"), (0.8, "dtw")])
def test_a_stretched_contour_carried_back_is_the_same(recordings, factor, carry):
    # as it was, but through the same overlap-add
    source, target = speech_of(stretch(recordings[1], 1.0001)), speech_of(stretch(recordings[1], factor))
    assert target.frames == pytest.approx(source.frames * factor, rel=0.02)
    position = positions(source, target, carry)
    match = match_pitch(target.f0, carry_f0(source.f0, position))
    assert match.rmse < (0.35 if carry == "linear" else 0.5)
    assert match.correlation > 0.97 and match.gross <= 0.01
    energy = match_energy(target.energy_db, carry_values(source.energy_db, position))
    # Overlap-add draws where it puts unvoiced stretches; a path by sound follows them.
    assert abs(energy.bias) < (0.5 if carry == "linear" else 1.0) and energy.correlation > 0.95
    # a contour that is not carried is another one
    n = min(source.frames, target.frames)
    assert match_pitch(target.f0[:n], source.f0[:n]).correlation < 0.8


def test_phones_carry_phone_by_phone():
    source = Phones(("a", "b", "c"), np.array([0.0, 2.0, 4.0, 10.0]))
    target = Phones(("a", "b", "c"), np.array([0.0, 4.0, 5.0, 8.0]))
    position = positions_by_phones(source, target, 8)
    np.testing.assert_allclose(position, [-0.25, 0.25, 0.75, 1.25, 2.5, 4.5, 6.5, 8.5])


def test_auto_takes_phones_only_where_they_are_the_same(recordings):
    plain = speech_of(recordings[0])
    half = plain.frames / 2
    known = Speech(plain.mel, plain.f0, Phones(("x", "y"), np.array([0.0, half, plain.frames])))
    shifted = Speech(plain.mel, plain.f0, Phones(("x", "y"), np.array([0.0, half / 2, plain.frames])))
    other = Speech(plain.mel, plain.f0, Phones(("x", "z"), np.array([0.0, half, plain.frames])))
    assert positions(known, shifted)[int(half / 2)] == pytest.approx(half, abs=2)
    for pair in ((known, other), (known, plain), (plain, plain)):
        np.testing.assert_array_equal(positions(*pair), np.arange(plain.frames))
    with pytest.raises(ValueError, match="carry by dtw or linear"):
        positions(known, other, "phones")
    longer = speech_of(recordings[1])
    by_dtw = positions(plain, longer, "dtw")
    np.testing.assert_array_equal(positions(plain, longer), by_dtw)
    assert not np.array_equal(by_dtw, positions(plain, longer, "linear"))


def test_f0_is_carried_in_octaves_and_never_across_a_gap():
    f0 = np.array([100.0, 200.0, 0.0, 300.0])
    np.testing.assert_allclose(carry_f0(f0, np.array([0.0, 0.5, 1.4, 1.6, 2.4, 2.6, 9.0, -3.0])),
                               [100, 100 * 2**0.5, 200, 0, 0, 300, 300, 100])  # fmt: skip


@given(n=st.integers(1, 40), m=st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_proportional_positions_are_symmetric(n, m):
    position = positions_by_proportion(n, m)
    np.testing.assert_allclose(position + position[::-1], n - 1, atol=1e-9)


def test_a_blank_belongs_half_to_each_neighbour():
    phones = phones_of_tokens([BLANK, "A", BLANK, "B", BLANK], [1, 2, 3, 4, 5])
    assert phones.symbols == ("A", "B")
    np.testing.assert_array_equal(phones.boundaries, [0, 4.5, 15])
    np.testing.assert_array_equal(phones_of_tokens(["A", "B", "C"], [1, 2, 3]).boundaries, [0, 1, 3, 6])
    for tokens, durations in ((["A"], [1, 2]), ([BLANK], [1])):
        with pytest.raises(ValueError):
            phones_of_tokens(tokens, durations)


def test_phones_of_a_generated_recording_fill_it(utterances):
    phones = phones_of_recording(utterances[0].wav, AUDIO)
    frames = len(read_sound(utterances[0].wav, RATE).audio) / 256
    assert len(phones.boundaries) == len(phones.symbols) + 1 and phones.boundaries[-1] == pytest.approx(frames, abs=2)


# ---------------------------------------------------------------------------------------------------------------- dtw


def cheapest_by_recursion(cost: np.ndarray) -> float:
    best = np.full(cost.shape, np.inf)
    for i in range(cost.shape[0]):
        for j in range(cost.shape[1]):
            before = [best[a, b] for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if a >= 0 and b >= 0]
            best[i, j] = cost[i, j] + (min(before) if before else 0)
    return best[-1, -1]


@given(n=st.integers(1, 9), m=st.integers(1, 9), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_dtw_path_is_cheapest_and_steps_by_one(n, m, seed):
    cost = np.random.default_rng(seed).random((n, m))
    path = dtw_path(cost)
    assert tuple(path[0]) == (0, 0) and tuple(path[-1]) == (n - 1, m - 1)
    steps = np.diff(path, axis=0)
    assert ((steps >= 0) & (steps <= 1)).all() and (steps.sum(1) > 0).all()
    assert cost[path[:, 0], path[:, 1]].sum() == pytest.approx(cheapest_by_recursion(cost))


def test_distances_are_euclidean():
    a, b = (np.random.default_rng(i).random((3, 4 + i)) for i in range(2))
    expected = [[np.linalg.norm(x - y) for y in b.T] for x in a.T]
    np.testing.assert_allclose(distances(a, b), expected, atol=1e-7)
    with pytest.raises(ValueError, match="nothing to align"):
        dtw_path(np.zeros((0, 3)))


# ------------------------------------------------------------------------------------------- energy, spectrum, rate


def test_six_decibels_read_as_six(recordings):
    quiet, loud = speech_of(0.4 * recordings[1]), speech_of(0.4 * 10 ** (6 / 20) * recordings[1])
    match = match_energy(loud.energy_db, quiet.energy_db)
    assert match.bias == pytest.approx(6.0, abs=0.05) and match.rmse == pytest.approx(6.0, abs=0.05)
    assert match.correlation > 0.9999
    assert mel_cepstral_distortion(loud, quiet) < 0.1  # loudness is left out


def test_cepstrum_of_one_ripple_is_one_coefficient():
    centres = (np.arange(80) + 0.5) * math.pi / 80
    mel = (2.0 + 0.7 * np.cos(3 * centres))[:, None] * np.ones((1, 4))
    expected = np.zeros((13, 4))
    expected[2] = 0.7
    np.testing.assert_allclose(mel_cepstrum(mel), expected, atol=1e-12)


def test_distortion_of_a_ripple_is_what_the_formula_says():
    centres = (np.arange(80) + 0.5) * math.pi / 80
    f0 = np.full(50, 100.0)
    flat = Speech(np.zeros((80, 50), np.float32), f0)
    ripple = Speech((0.5 * np.cos(2 * centres)[:, None] * np.ones((1, 50))).astype(np.float32), f0)
    assert mel_cepstral_distortion(ripple, flat) == pytest.approx(10 / math.log(10) * math.sqrt(2) * 0.5, rel=1e-5)


def test_two_copies_match_perfectly(recordings):
    speech = speech_of(recordings[2])
    position = positions(speech, speech, "dtw")
    match = match_pitch(speech.f0, carry_f0(speech.f0, position))
    assert match.rmse == 0 and match.correlation == pytest.approx(1, abs=1e-12) and match.frame_error == 0
    energy = match_energy(speech.energy_db, carry_values(speech.energy_db, position))
    assert energy.rmse == 0 and energy.correlation == pytest.approx(1, abs=1e-12)
    assert mel_cepstral_distortion(speech, speech) == 0


def test_distortion_rises_with_noise_and_with_another_sentence(recordings):
    clean = speech_of(recordings[0])
    noise = np.random.default_rng(0).normal(0, 1, len(recordings[0]))
    little, much = (speech_of(recordings[0] + share * recordings[0].std() * noise) for share in (0.02, 0.3))
    assert 0.5 < mel_cepstral_distortion(little, clean) < mel_cepstral_distortion(much, clean)
    assert mel_cepstral_distortion(stretched := speech_of(stretch(recordings[0], 1.2)), clean) < 2.5
    assert mel_cepstral_distortion(speech_of(recordings[2]), clean) > 2 * mel_cepstral_distortion(stretched, clean)


def test_smoothing_takes_fine_structure_away(recordings):
    speech = speech_of(recordings[0])
    vertical, horizontal = fine_structure(speech)
    kernel = np.ones(5) / 5
    along = lambda axis: np.apply_along_axis(np.convolve, axis, speech.mel, kernel, "same")  # noqa: E731
    assert fine_structure(Speech(along(0), speech.f0))[0] < 0.6 * vertical
    assert fine_structure(Speech(along(1), speech.f0))[1] < 0.6 * horizontal


def test_rate_counts_syllables_between_the_first_and_the_last_sound(recordings):
    assert count_syllables("Everyone normally saves the dragons.") == 10
    silence = np.zeros(RATE)
    plain, padded = speech_of(recordings[0]), speech_of(np.concatenate([silence, recordings[0], silence]))
    text = "Everyone normally saves the dragons."
    assert speaking_rate(text, padded, AUDIO) == pytest.approx(speaking_rate(text, plain, AUDIO), rel=0.03)
    slow = speech_of(stretch(recordings[0], 1.25))
    assert speaking_rate(text, slow, AUDIO) == pytest.approx(speaking_rate(text, plain, AUDIO) / 1.25, rel=0.03)
