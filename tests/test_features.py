from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.audio import read_audio, read_header, write_wav
from data.features import extract
from data.mel import DB_PER_UNIT, frame_energy, mel_spectrogram
from data.pitch import extract_f0, extract_formants
from params import Audio

AUDIO = Audio()
RATE = AUDIO.sample_rate
HOP = AUDIO.hop_length


def voiced(samples: int, hz: float, start: int = 0, rate: int = RATE) -> np.ndarray:
    """A buzz of falling harmonics that starts at sample `start`."""
    time = np.arange(samples - start) / rate
    buzz = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 9))
    return np.concatenate([np.zeros(start), 0.2 * buzz]).astype(np.float32)


# --- audio -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 1 / 100),
        ("a.wav", "PCM_16", 1 / 30000),
        ("a.wav", "PCM_24", 1e-6),
        ("a.wav", "FLOAT", 0),
        ("a.flac", "PCM_16", 1 / 30000),
    ],
)
def test_reads_every_sample_format(tmp_path, name, subtype, tolerance):
    audio = voiced(3000, 150)
    soundfile.write(tmp_path / name, audio, RATE, subtype=subtype)
    read = read_audio(tmp_path / name, RATE)
    assert read.dtype == np.float32 and read.shape == audio.shape
    assert np.abs(read - audio).max() <= tolerance


def test_channels_are_averaged(tmp_path):
    left, right, middle = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 1000)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right, middle], 1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav", RATE), (left + right + middle) / 3, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
def test_resampling_keeps_the_signal_in_time_and_level(tmp_path, rate):
    def tone(r):
        return (0.5 * np.sin(2 * np.pi * 440 * np.arange(r) / r)).astype(np.float32)

    soundfile.write(tmp_path / "a.wav", tone(rate), rate, subtype="FLOAT")
    read = read_audio(tmp_path / "a.wav", RATE)
    assert abs(len(read) - RATE) <= 1
    inner = slice(1000, 20000)
    assert np.abs(read[inner] - tone(RATE)[inner]).max() < 1e-3


@pytest.mark.parametrize("size", [0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_size_that_nobody_went_back_to_fill_in_is_no_promise(tmp_path, size):
    soundfile.write(tmp_path / "a.wav", voiced(3000, 100), RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    assert content[36:40] == b"data"
    (tmp_path / "a.wav").write_bytes(content)
    assert len(read_audio(tmp_path / "a.wav", RATE)) == 3000
    content[40:44] = (100_000).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InputError, match="truncated"):
        read_audio(tmp_path / "a.wav", RATE)


def test_a_flac_without_a_length_is_refused_for_that(tmp_path):
    soundfile.write(tmp_path / "a.flac", voiced(3000, 100), RATE)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0  # the last 36 bits before the checksum: how many samples there are
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    for read in (read_header, partial(read_audio, sample_rate=RATE)):
        with pytest.raises(InputError, match="does not say how long it is"):
            read(tmp_path / "a.flac")


def test_unusable_audio_names_the_file(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is not audio\n" * 20)
    soundfile.write(tmp_path / "header.wav", np.zeros(0, np.float32), RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan, 0], np.float32), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "whole.wav", voiced(3000, 100), RATE)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:20])
    (tmp_path / "bytes.raw").write_bytes(b"\0" * 100)
    (tmp_path / "folder").mkdir()
    for name in ("missing", "empty", "text", "header", "nan", "cut"):
        with pytest.raises(InputError, match=f"{name}.wav"):
            read_audio(tmp_path / f"{name}.wav", RATE)
    for name in ("folder", "bytes.raw"):
        with pytest.raises(InputError, match=name):
            read_audio(tmp_path / name, RATE)


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=200), header=st.sampled_from([b"", b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3"]))
def test_any_bytes_give_audio_or_an_input_error(tmp_path_factory, data, header):
    path = tmp_path_factory.mktemp("fuzz") / "x.wav"
    path.write_bytes(header + data)
    try:
        assert np.isfinite(read_audio(path, RATE)).all()
    except InputError as error:
        assert "\n" not in str(error)


def test_write_wav_is_16_bit_scaled_and_clipped(tmp_path):
    path = tmp_path / "new" / "a.wav"
    write_wav(path, np.array([0.0, 1.0, -1.0, 0.5, 2.0, -3.0]), RATE)
    pcm, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE and soundfile.info(path).subtype == "PCM_16"
    assert pcm.tolist() == [0, 32767, -32767, 16384, 32767, -32767]
    assert os.listdir(path.parent) == ["a.wav"]


def test_write_wav_refuses_what_it_cannot_write(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder"):
        write_wav(tmp_path / "file" / "a.wav", np.zeros(10), RATE)
    with pytest.raises(ValueError, match="finite"):
        write_wav(tmp_path / "a.wav", np.array([np.nan]), RATE)
    with pytest.raises(ValueError, match="shape"):
        write_wav(tmp_path / "a.wav", np.zeros((2, 10)), RATE)
    assert os.listdir(tmp_path) == ["file"]


# --- mel ---------------------------------------------------------------------------------------------------------


def reference_mel(audio: np.ndarray, frames: list[int]) -> np.ndarray:
    """HiFi-GAN's mel at some frames, spelled out: DFT by its definition, every filter from the slaney formula."""
    n_fft, pad = 1024, (1024 - 256) // 2
    audio = audio.astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(n_fft)) / n_fft)

    def sample(i):  # reflection about the first and last sample, which are not repeated
        return audio[-i] if i < 0 else audio[2 * (len(audio) - 1) - i] if i >= len(audio) else audio[i]

    def to_mel(hz):
        return hz / (200 / 3) if hz < 1000 else 15 + math.log(hz / 1000) / (math.log(6.4) / 27)

    def to_hz(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)

    edges = [to_hz(m) for m in np.linspace(0, to_mel(8000), 82)]
    hz = np.arange(n_fft // 2 + 1) * 22050 / n_fft
    filters = np.zeros((80, n_fft // 2 + 1))
    for row in range(80):
        low, centre, high = edges[row : row + 3]
        triangle = np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre))
        filters[row] = np.maximum(triangle, 0) * 2 / (high - low)
    columns = []
    for frame in frames:
        piece = np.array([sample(i) for i in range(frame * 256 - pad, frame * 256 - pad + n_fft)])
        spectrum = dft @ (piece * window)
        magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
        columns.append(np.log(np.maximum(filters @ magnitude, 1e-5)))
    return np.stack(columns, 1)


@pytest.mark.parametrize("samples", [385, 1000, 2560, 5001])
def test_mel_equals_a_plain_reference(samples):
    audio = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    mel = mel_spectrogram(audio, AUDIO)
    assert mel.dtype == np.float32 and mel.shape == (80, samples // 256)
    np.testing.assert_allclose(mel, reference_mel(audio, list(range(samples // 256))), atol=2e-4)


def test_mel_of_a_tone_equals_the_reference_in_its_quiet_rows_too():
    audio = voiced(4096, 220)
    np.testing.assert_allclose(mel_spectrogram(audio, AUDIO), reference_mel(audio, list(range(16))), atol=5e-3)


def test_mel_of_silence_is_the_floor():
    # Every slaney filter sums to about n_fft / rate, so the root of 1e-9 stays far below 1e-5.
    np.testing.assert_array_equal(mel_spectrogram(np.zeros(2048), AUDIO), np.float32(np.log(np.float32(1e-5))))


@settings(deadline=None, max_examples=25)
@given(samples=st.integers(256, 3000))
def test_frame_counts_are_samples_over_hop(samples):
    features = extract(np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32), AUDIO)
    frames = samples // HOP
    assert features.frames == frames and features.mel.shape == (80, frames)
    assert features.f0.shape == features.voicing.shape == features.energy.shape == (frames,)
    assert all(np.isfinite(v).all() for v in (features.mel, features.f0, features.energy))


@pytest.mark.parametrize("hop", [275, 16, 1023, 1024])
@pytest.mark.parametrize("beyond", [0, 1, 15])
def test_frame_counts_at_other_hops(hop, beyond):
    params = replace(AUDIO, hop_length=hop)
    samples = 6 * 1024 // hop * hop + beyond
    features = extract(voiced(samples, 150), params)
    assert features.mel.shape[1] == len(features.f0) == len(features.energy) == samples // hop


def test_mel_refuses_what_has_no_frame():
    with pytest.raises(InputError, match="255 samples"):
        mel_spectrogram(np.zeros(255), AUDIO)
    with pytest.raises(ValueError, match="shape"):
        mel_spectrogram(np.zeros((2, 2000)), AUDIO)


# --- F0, energy, formants ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("hz", [70, 100, 151.3, 220, 333, 480])
def test_f0_of_a_tone(hz):
    f0 = extract_f0(voiced(RATE, hz), AUDIO)
    inner = f0[4:-4]
    assert (inner > 0).all()
    np.testing.assert_allclose(inner, hz, rtol=0.005)


def test_f0_of_a_glide_is_that_of_the_frame_centre():
    seconds = np.arange(RATE) / RATE
    audio = sum(np.sin(2 * np.pi * k * (100 * seconds + 50 * seconds**2)) / k for k in range(1, 9)) * 0.2
    f0 = extract_f0(audio, AUDIO)  # 100 Hz rising by 100 Hz a second: half a frame off would be 0.58 Hz
    centres = (np.arange(len(f0)) + 0.5) * HOP / RATE
    np.testing.assert_allclose(f0[5:-5], 100 + 100 * centres[5:-5], atol=0.25)


def test_silence_and_noise_are_unvoiced():
    assert not extract_f0(np.zeros(RATE), AUDIO).any()
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    assert (extract_f0(noise, AUDIO) > 0).mean() < 0.1
    assert set(np.unique(extract(voiced(RATE, 120, RATE // 2), AUDIO).voicing)) == {0.0, 1.0}


@pytest.mark.parametrize("start_frame", [20, 33, 50])
@pytest.mark.parametrize("hz", [120, 300])
def test_a_tone_starts_at_the_same_frame_everywhere(start_frame, hz):
    """The first frame whose centre lies after the tone's first sample."""
    features = extract(voiced(RATE, hz, start_frame * HOP), AUDIO)
    energy = features.energy
    half = (energy > energy[60:-4].mean() - 1.0).argmax()
    row = features.mel[:, 70].argmax()
    in_mel = (features.mel[row] > features.mel[row, 60:-4].mean() - 1.0).argmax()
    assert abs(int(half) - start_frame) <= 1
    assert abs(int(in_mel) - start_frame) <= 1
    assert abs(int((features.f0 > 0).argmax()) - start_frame) <= 1


def test_energy_is_the_norm_of_the_mel_amplitude():
    mel = mel_spectrogram(voiced(8000, 200), AUDIO)
    np.testing.assert_allclose(frame_energy(mel), np.log(np.linalg.norm(np.exp(mel.astype(float)), axis=0)), atol=1e-5)
    assert np.isfinite(frame_energy(np.full((80, 3), 500.0))).all()


def test_energy_in_decibels():
    audio = voiced(8000, 200)
    louder = frame_energy(mel_spectrogram(audio, AUDIO)) - frame_energy(mel_spectrogram(audio / 10, AUDIO))
    np.testing.assert_allclose(louder[3:-3] * DB_PER_UNIT, 20, atol=0.05)


def test_formants_of_resonators():
    audio = np.zeros(RATE)
    audio[:: RATE // 110] = 1.0
    for hz, width in ((700, 80), (1220, 90), (2600, 120), (3500, 150), (4500, 200)):
        radius, angle = math.exp(-math.pi * width / RATE), 2 * math.pi * hz / RATE
        out = np.zeros_like(audio)
        for i, x in enumerate(audio):
            out[i] = x + 2 * radius * math.cos(angle) * out[i - 1] - radius**2 * out[i - 2]
        audio = out
    formants = extract_formants(audio / np.abs(audio).max(), AUDIO)
    assert formants.frequency.shape == formants.bandwidth.shape == (4, RATE // HOP)
    median = np.median(formants.frequency[:, 10:-10], axis=1)
    np.testing.assert_allclose(median, [700, 1220, 2600, 3500], rtol=0.08)
    assert np.isfinite(formants.bandwidth).all() and (formants.bandwidth[:, 10:-10] > 0).all()


def test_formants_of_silence_are_zero_not_nan():
    formants = extract_formants(np.zeros(5000), AUDIO)
    assert not formants.frequency.any() and not formants.bandwidth.any()


KATHLEEN = Path(__file__).resolve().parents[2] / "shared" / "data" / "kathleen" / "wav"


@pytest.mark.skipif(not KATHLEEN.is_dir(), reason="needs ../shared/data/kathleen")
def test_a_real_voice():
    features = extract(read_audio(KATHLEEN / "arctic_a0001.flac", RATE), AUDIO)
    assert 0.3 < features.voicing.mean() < 0.9
    assert 120 < np.median(features.f0[features.f0 > 0]) < 280
    assert features.energy[features.f0 > 0].mean() > features.energy[features.f0 == 0].mean() + 1
