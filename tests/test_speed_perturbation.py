"""Further voices out of a corpus: faster and slower, with labels that still fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.audio import read_audio, write_wav
from data.cache import FeatureCache
from data.filelist import Utterance, read_filelist, write_filelist
from data.labels import labels_path
from data.speed_perturbation import LARGEST, SMALLEST, factors, main, perturb
from params import Audio, Params

RATE = Audio.sample_rate
HZ, SECONDS = 200.0, 1.5


@pytest.fixture
def filelist(tmp_path):
    time = np.arange(int(SECONDS * RATE)) / RATE
    tone = sum(0.2 / k * np.sin(2 * np.pi * k * HZ * time) for k in range(1, 6)).astype(np.float32)
    utterances = []
    for number in range(5):
        path = tmp_path / "corpus" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        write_wav(path, tone, RATE)
        np.savez(
            labels_path(path), f0=np.full(120, HZ, np.float32), frame_rate=np.float32(80.0),
            symbols=np.array(["AA1", "T"]), symbol_seconds=np.array([1.0, 0.5], np.float32),
        )  # fmt: skip
        utterances.append(Utterance(str(path), "art", "anna", "neutral"))
    write_filelist(tmp_path / "train.txt", utterances)
    return tmp_path / "train.txt"


def test_factors_are_slower_and_faster_in_turn():
    for speaker in ("anna", "ben", "v0_0001"):
        found = factors(speaker, 4)
        assert found == factors(speaker, 4) and len({*factors(speaker, 8)}) == 8
        assert [r > 1 for r in found[::2]] in ([True] * 2, [False] * 2)
        assert [r > 1 for r in found[1::2]] == [not found[0] > 1] * 2
        assert all(SMALLEST - 0.01 <= max(r, 1 / r) <= LARGEST + 0.02 for r in found)


def test_a_known_tone_and_its_labels(filelist, tmp_path, capsys):
    out = tmp_path / "more"
    assert main([str(filelist), "--out", str(out), "--factors", "2"]) == 0
    made = read_filelist(out / "train.txt")
    assert len(made) == 5 and len({u.speaker for u in made}) == 2  # every utterance once, by one of the two
    cache = FeatureCache(tmp_path / "cache", Params().audio)
    for utterance in made:
        factor = float(utterance.speaker.partition("~")[2])
        audio = read_audio(utterance.wav, RATE)
        assert len(audio) / RATE == pytest.approx(SECONDS / factor, abs=1e-3)
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
        assert np.argmax(spectrum) * RATE / len(audio) == pytest.approx(HZ * factor, abs=1.5)
        features = cache.get(utterance.wav)
        np.testing.assert_allclose(features.f0[features.f0 > 0], HZ * factor, rtol=1e-5)
        np.testing.assert_allclose(features.symbol_seconds, np.array([1.0, 0.5]) / factor, rtol=1e-5)


def test_what_is_there_is_not_made_again(filelist, tmp_path):
    out = tmp_path / "more"
    main([str(filelist), "--out", str(out)])
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.wav")}
    assert before
    main([str(filelist), "--out", str(out)])
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.wav")} == before


def test_at_most_so_many_of_a_speaker(filelist, tmp_path):
    out = tmp_path / "more"
    main([str(filelist), "--out", str(out), "--factors", "1", "--most", "2"])
    assert len(read_filelist(out / "train.txt")) == 2


def test_two_recordings_of_one_name_stay_two(tmp_path):
    time = np.arange(RATE) / RATE
    utterances = []
    for folder, hz in (("s1", 150.0), ("s2", 250.0)):
        path = tmp_path / "corpus" / folder / "001.wav"
        path.parent.mkdir(parents=True)
        write_wav(path, 0.3 * np.sin(2 * np.pi * hz * time).astype(np.float32), RATE)
        utterances.append(Utterance(str(path), f"text of {folder}", "anna", "neutral"))
    write_filelist(tmp_path / "train.txt", utterances)
    assert main([str(tmp_path / "train.txt"), "--out", str(tmp_path / "more"), "--factors", "1"]) == 0
    made = read_filelist(tmp_path / "more" / "train.txt")
    assert len({utterance.wav for utterance in made}) == 2
    for utterance, hz in zip(made, (150.0, 250.0), strict=True):
        audio, factor = read_audio(utterance.wav, RATE), float(utterance.speaker.partition("~")[2])
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
        assert np.argmax(spectrum) * RATE / len(audio) == pytest.approx(hz * factor, abs=2)


@pytest.mark.parametrize("speaker", ["../../../evil", "/tmp/evil", "..", "a\0b", "a\\b"])
def test_a_speakers_name_is_no_way_out_of_the_folder(filelist, tmp_path, speaker):
    utterance, *_ = read_filelist(filelist)
    made = perturb(replace(utterance, speaker=speaker), 1.1, tmp_path / "more", "0")
    assert made.speaker == f"{speaker}~1.10"
    (wav,) = (tmp_path / "more").rglob("*.wav")
    assert wav == tmp_path / "more" / made.wav and len(wav.relative_to(tmp_path / "more").parts) == 3
