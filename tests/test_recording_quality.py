"""What is said of a recording: known defects of synthetic speech, each found, and nothing found where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import butter, sosfiltfilt

from data.recording_quality import (
    CHANGE,
    bandwidth,
    clipped_share,
    frame_levels,
    measure_quality,
    signal_to_noise,
    speaker_change,
)

RATE = 22050


def speech(seconds: float, hz: float = 120.0, tract: float = 1.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Harmonics under four gliding formants, with hisses and pauses, (N,); tract: factor of all formants."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    marks = np.arange(0, seconds + 0.2, 0.1)

    def glide(low: float, high: float) -> np.ndarray:
        return np.interp(time, marks, random.uniform(low, high, len(marks)))

    f0 = hz * 2 ** glide(-0.2, 0.2)
    phase = 2 * np.pi * np.cumsum(f0) / rate
    formants = [tract * glide(*ends) for ends in ((300, 800), (900, 1900), (2300, 2700), (3400, 3600))]
    voice = np.zeros(len(time))
    for number in range(1, int(min(5000, 0.45 * rate) / hz)):
        envelope = sum(1 / (1 + ((number * f0 - formant) / 120) ** 2) for formant in formants)
        voice += envelope * np.sin(number * phase + number**2) / number
    hiss = sosfiltfilt(butter(2, 0.3 * rate, "high", fs=rate, output="sos"), random.standard_normal(len(time)))
    syllable = np.clip(3 * np.sin(2 * np.pi * 2.5 * time), 0, 1)
    audio = voice / np.abs(voice).max() * syllable * glide(0.5, 1)
    audio += 0.05 * hiss / hiss.std() * np.clip(np.sin(2 * np.pi * 2.5 * time + 1) - 0.8, 0, 1) * 5
    return 0.5 * audio + 1e-3 * random.standard_normal(len(time))


def with_noise(audio: np.ndarray, decibels: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(len(audio))
    return audio + noise * np.sqrt(np.square(audio).mean()) * 10 ** (-decibels / 20)


def clipped(audio: np.ndarray, share: float) -> np.ndarray:
    limit = share * np.abs(audio).max()
    return 0.7 * np.clip(audio, -limit, limit)


def up_to(audio: np.ndarray, hz: float, rate: int = RATE) -> np.ndarray:
    return sosfiltfilt(butter(10, hz, fs=rate, output="sos"), audio)


VOICE = speech(8.0)


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
@pytest.mark.parametrize("hz", [95.0, 210.0])
def test_nothing_is_said_of_a_good_recording(rate: int, hz: float):
    assert measure_quality(speech(6.0, hz, rate=rate), rate).warnings() == []


@pytest.mark.parametrize(
    ("audio", "word"),
    [
        (VOICE[: RATE * 3 // 2], "short"),
        (clipped(VOICE, 0.4), "clipped"),
        (with_noise(VOICE, 8), "noisy"),
        (up_to(VOICE, 3400), "band-limited"),
        (np.concatenate([speech(5.0, 105, 0.88, seed=2), speech(5.0, 210, 1.15, seed=3)]), "two people"),
    ],
)
def test_each_defect_is_said_and_no_other(audio: np.ndarray, word: str):
    (warning,) = measure_quality(audio, RATE).warnings()
    assert warning.startswith(word) and "\n" not in warning


def test_several_defects_are_all_said():
    spoilt = clipped(with_noise(VOICE[: RATE * 3 // 2], 5), 0.2)
    assert [warning.split()[0] for warning in measure_quality(spoilt, RATE).warnings()] == [
        "short:",
        "clipped:",
        "noisy:",
    ]


@pytest.mark.parametrize("decibels", [0, 5, 10, 15, 20, 25])
def test_the_noise_is_measured_within_a_decibel(decibels: float):
    found = signal_to_noise(frame_levels(with_noise(VOICE, decibels), RATE))
    assert found == pytest.approx(decibels, abs=1)


def test_pauses_without_a_microphone_say_nothing_of_the_noise():
    audio = with_noise(VOICE, 8)
    gated = np.concatenate([np.zeros(RATE), audio, np.zeros(3 * RATE)])
    expected = signal_to_noise(frame_levels(audio, RATE))
    assert signal_to_noise(frame_levels(gated, RATE)) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_what_is_clipped_is_counted(share: float):
    audio = clipped(VOICE, share)
    assert clipped_share(audio) == pytest.approx((np.abs(audio) >= 0.995 * np.abs(audio).max()).mean())
    assert clipped_share(audio) >= (np.abs(VOICE) >= share * np.abs(VOICE).max()).mean()


@pytest.mark.parametrize("gain", [0.01, 1.0, 30.0])
def test_the_level_of_a_recording_is_no_defect(gain: float):
    assert measure_quality(gain * VOICE, RATE).warnings() == []
    assert clipped_share(gain * clipped(VOICE, 0.4)) > 0


@pytest.mark.parametrize("hz", [100.0, 440.0])
def test_a_tone_is_not_clipped(hz: float):
    assert clipped_share(np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)) == 0


@pytest.mark.parametrize("hz", [2500, 3400, 4500])
def test_the_band_is_measured(hz: float):
    assert hz <= bandwidth(up_to(VOICE, hz), RATE) <= 1.7 * hz


def test_a_file_of_few_samples_a_second_is_band_limited():
    assert "nothing above 4000 Hz" in " ".join(measure_quality(speech(6.0, rate=8000), 8000).warnings())


def test_one_person_who_raises_the_voice_is_one():
    raised = np.concatenate([speech(5.0, 115, seed=4), speech(5.0, 140, seed=5)])
    assert speaker_change(raised, RATE) < CHANGE


def test_a_dialogue_is_two_people_wherever_it_changes():
    turns = [speech(3.0, *who, seed=seed) for seed, who in enumerate([(105, 0.88), (210, 1.15)] * 3)]
    assert speaker_change(np.concatenate(turns), RATE) > CHANGE


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, st.integers(0, 3000), elements=st.floats(-2, 2, width=32)), st.sampled_from([1000, 22050, 96000])
)
def test_any_samples_have_a_quality(audio: np.ndarray, rate: int):
    quality = measure_quality(audio, rate)
    assert quality.speech >= 0 and 0 <= quality.clipped <= 1 and 0 <= quality.bandwidth <= rate / 2
    assert all(warning.splitlines() == [warning] for warning in quality.warnings())


@pytest.mark.parametrize("audio", [np.zeros(0), np.zeros(5 * RATE), np.ones(5 * RATE)])
def test_silence_has_a_quality_too(audio: np.ndarray):
    assert np.isfinite(measure_quality(audio, RATE).bandwidth)
