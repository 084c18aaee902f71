from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from common.errors import InputError
from data.audio import read_audio
from data.cache import FeatureCache
from data.features import extract
from params import Audio

AUDIO = Audio()
RATE = AUDIO.sample_rate


def tone(hz: float, samples: int = 8000) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(samples) / RATE)).astype(np.float32)


def write_labels(wav: Path, seconds: float, hz: float, rate: float = 80.0) -> None:
    values = round(seconds * rate)
    np.savez(
        wav.with_suffix(".labels.npz"),
        f0=np.full(values, hz, np.float32),
        energy=np.zeros(values, np.float32),
        frame_rate=np.float32(rate),
        symbols=np.array(["AH0", " ", "."]),
        symbol_seconds=np.array([0.5, 0.25, 0.25], np.float32) * seconds,
    )


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(150), RATE)
    return path


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache", AUDIO)


def entries(cache: FeatureCache) -> list[Path]:
    return [path for path in cache.folder.rglob("*") if path.is_file()]


def assert_same(a, b):
    for name in ("mel", "f0", "voicing", "energy"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype == np.float32
    assert a.symbols == b.symbols


def test_an_entry_equals_the_extraction(cache, wav):
    made, read = cache.get(wav), cache.get(wav)
    fresh = extract(read_audio(wav, RATE), AUDIO)
    assert_same(made, read)
    assert np.abs(read.mel - fresh.mel).max() < 0.01
    np.testing.assert_array_equal(read.f0, fresh.f0)
    np.testing.assert_array_equal(read.energy, fresh.energy)
    assert len(entries(cache)) == 1


def test_float16_is_close_enough_over_the_whole_range_of_a_mel():
    mel = np.linspace(-11.6, 3, 100001).astype(np.float32)
    assert np.abs(mel.astype(np.float16).astype(np.float32) - mel).max() < 0.01


def test_an_entry_is_read_not_made_again(cache, wav, monkeypatch):
    cache.get(wav)
    monkeypatch.setattr("data.cache.extract", lambda *_: pytest.fail("extracted again"))
    cache.get(wav)
    copy = wav.with_name("moved.wav")
    copy.write_bytes(wav.read_bytes())
    cache.get(copy)  # keyed by content, not by name


def test_the_key_has_content_parameters_and_labels(cache, wav):
    keys = [cache.entry_path(wav)]
    write_labels(wav, 8000 / RATE, 120)
    keys.append(cache.entry_path(wav))
    write_labels(wav, 8000 / RATE, 121)
    keys.append(cache.entry_path(wav))
    soundfile.write(wav, tone(151), RATE)
    keys.append(cache.entry_path(wav))
    keys.append(FeatureCache(cache.folder, replace(AUDIO, f0_max=400.0)).entry_path(wav))
    assert len(set(keys)) == 5
    assert FeatureCache(cache.folder, Audio()).entry_path(wav) == keys[3]


def test_the_key_has_the_version(cache, wav, monkeypatch):
    before = cache.entry_path(wav)
    monkeypatch.setattr("data.cache.EXTRACTION_VERSION", 10**6)
    assert cache.entry_path(wav) != before


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "byte", "other arrays", "other lengths"])
def test_a_damaged_entry_is_made_again(cache, wav, damage):
    whole = cache.get(wav)
    entry = cache.entry_path(wav)
    content = bytearray(entry.read_bytes())
    if damage == "empty":
        entry.write_bytes(b"")
    elif damage == "cut":
        entry.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        entry.write_bytes(b"not an archive")
    elif damage == "byte":
        content[400] ^= 0xFF  # inside the mel's data
        entry.write_bytes(content)
    elif damage == "other arrays":
        np.savez(entry, x=np.zeros(3))
    else:
        np.savez(entry, mel=np.zeros((80, 3), np.float16), f0=np.zeros(2), energy=np.zeros(3))
    assert_same(cache.get(wav), whole)
    assert_same(FeatureCache(cache.folder, AUDIO).get(wav), whole)
    assert cache.entry_path(wav).read_bytes()[:2] == b"PK"


def test_an_interrupted_write_leaves_nothing(cache, wav, monkeypatch):
    def interrupted(file, **arrays):
        file.write(b"PK half an archive")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("data.cache.np.savez", interrupted)
        cache.get(wav)
    assert entries(cache) == []
    cache.get(wav)
    assert entries(cache) == [cache.entry_path(wav)]


def test_labels_say_how_high_the_audio_says_where(cache, wav):
    soundfile.write(wav, np.concatenate([tone(150, 6000), np.zeros(2000, np.float32)]), RATE)
    measured = cache.get(wav)
    assert 0 < measured.voicing.sum() < len(measured.voicing)
    write_labels(wav, 8000 / RATE, 123.0)
    for features in (cache.get(wav), cache.get(wav)):
        np.testing.assert_allclose(features.f0, 123.0 * measured.voicing, rtol=1e-6)
        np.testing.assert_array_equal(features.voicing, measured.voicing)
        assert features.symbols == ("AH0", " ", ".")
        np.testing.assert_allclose(features.symbol_seconds, np.array([0.5, 0.25, 0.25]) * 8000 / RATE, rtol=1e-6)
        np.testing.assert_allclose(features.boundaries, np.array([0, 0.5, 0.75, 1]) * 8000 / 256, rtol=1e-6)


def test_labels_that_do_not_fit_are_refused(cache, wav):
    write_labels(wav, 3.0, 123.0)
    with pytest.raises(InputError, match=r"a\.wav: its labels \(F0\) last 3\.00 s, the audio 0\.36 s"):
        cache.get(wav)
    wav.with_suffix(".labels.npz").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"a\.labels\.npz is not a label file"):
        cache.get(wav)


def test_what_cannot_be_used_is_named(cache, tmp_path):
    soundfile.write(tmp_path / "short.wav", tone(100, 200), RATE)
    with pytest.raises(InputError, match=r"short\.wav.*200 samples"):
        cache.get(tmp_path / "short.wav")
    for path in (tmp_path / "none.wav", tmp_path, ""):
        with pytest.raises(InputError, match=r"check the path|cannot be read"):
            cache.get(path)


def test_a_cache_that_cannot_be_written_ends_the_run_and_rejects_nothing(tmp_path, wav):
    (tmp_path / "file").touch()
    cache = FeatureCache(tmp_path / "file", AUDIO)
    for call in (lambda: cache.get(wav), lambda: cache.build([wav])):
        with pytest.raises(OSError, match=r"the cache cannot be written \(Not a directory\): '.*file'"):
            call()


def test_what_was_left_half_written_an_hour_ago_is_removed(cache, wav):
    cache.get(wav)
    (entry,) = cache.folder.glob("*/*.npz")
    old, new = (entry.with_name(f".{letter * 32}.tmp") for letter in "ab")
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 3700,) * 2)
    cache.build([wav])
    assert not old.exists() and new.exists() and entry.exists()


def corpus(tmp_path) -> list[Path]:
    paths = []
    for i in range(5):
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], tone(100 + 10 * i, 3000), RATE)
    (tmp_path / "bad.wav").write_text("no audio")
    soundfile.write(tmp_path / "silent.wav", np.zeros(3000), RATE)
    return [*paths, tmp_path / "bad.wav", tmp_path / "silent.wav"]


def test_build_makes_all_and_tells_rejects(tmp_path, cache):
    rejects = cache.build(corpus(tmp_path))
    assert [reject.path.name for reject in rejects] == ["bad.wav", "silent.wav"]
    assert "cannot be read as audio" in rejects[0].reason and "no voiced frame" in rejects[1].reason
    assert len(entries(cache)) == 5


def test_processes_build_the_same(tmp_path, cache):
    paths = corpus(tmp_path)
    rejects = cache.build(paths, workers=2)
    alone = FeatureCache(tmp_path / "alone", AUDIO)
    assert alone.build(paths) == rejects
    for path in paths[:5]:
        assert_same(cache.get(path), alone.get(path))
        assert cache.entry_path(path).read_bytes() == alone.entry_path(path).read_bytes()


def test_shards_share_the_work(tmp_path, cache):
    paths = corpus(tmp_path)[:5]
    for i, done in enumerate((2, 4, 5)):
        cache.build(paths, shard=(i, 3))
        assert len(entries(cache)) == done
    with pytest.raises(ValueError, match="shard 3 of 3"):
        cache.build(paths, shard=(3, 3))


def test_a_progress_bar_is_shown(tmp_path, cache, capsys):
    cache.build(corpus(tmp_path)[:2])
    assert "2/2" in capsys.readouterr().err


def test_nothing_but_entries_is_left(tmp_path, cache):
    cache.build(corpus(tmp_path))
    assert all(path.suffix == ".npz" and path.parent.parent == cache.folder for path in entries(cache))
    assert all(len(name) == 2 for name in os.listdir(cache.folder))


def test_a_cache_that_remembers_reads_no_audio_again(tmp_path, wav, monkeypatch):
    remembering = FeatureCache(tmp_path / "cache", AUDIO, remember=True)
    entry = remembering.entry_path(wav)
    made = remembering.get(wav)
    with monkeypatch.context() as patch:
        patch.setattr("data.cache._read_bytes", lambda path: pytest.fail("read the audio again"))
        assert_same(remembering.get(wav), made)
        assert_same(remembering.get(str(wav)), made)
        assert_same(pickle.loads(pickle.dumps(remembering)).get(wav), made)  # in a data-loader process
        assert remembering.entry_path(wav) == entry
    entry.write_bytes(b"damaged")
    assert_same(remembering.get(wav), made)
    entry.unlink()
    assert_same(remembering.get(wav), made)
    assert entry.exists()


def test_only_a_cache_that_remembers_overlooks_a_change(tmp_path, wav):
    plain, remembering = (FeatureCache(tmp_path / "cache", AUDIO, remember) for remember in (False, True))
    before = remembering.get(wav)
    plain.get(wav)
    soundfile.write(wav, tone(200), RATE)
    assert_same(remembering.get(wav), before)
    assert np.median(plain.get(wav).f0) > np.median(before.f0) + 40
