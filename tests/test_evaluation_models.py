"""The optional models: speaker, words, naturalness; and what happens without them.

They are installed with the tests' requirements (requirements-eval.txt), so these tests fail rather than skip.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import istft, stft

from common.errors import InputError
from data.filelist import read_filelist
from evaluation.analyser import Analyser
from evaluation.mos import MosPredictor
from evaluation.optional import NotInstalledError, import_with_placeholders, require
from evaluation.recogniser import Recogniser, cut_at_pauses, whisper_folder
from evaluation.sound import MODEL_RATE, AnalysisCache, Sound, read_sound
from evaluation.speaker import (
    SpeakerEncoder,
    Voice,
    Voices,
    centroid,
    cosine,
    gender_by_name,
    nearest,
    perceived_gender,
    read_genders,
)
from evaluation.statistics import bootstrap_mean
from evaluation.words import word_errors
from params import Audio
from tests.resynthesis import RATE, TINY

KATHLEEN = Path(__file__).resolve().parents[2] / "shared" / "data" / "kathleen"


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> AnalysisCache:
    return AnalysisCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def utterances():
    return read_filelist(TINY)


@pytest.fixture(scope="module")
def sounds(utterances) -> list[Sound]:
    return [read_sound(utterance.wav, RATE) for utterance in utterances]


@pytest.fixture(scope="module")
def encoder(cache) -> SpeakerEncoder:
    return SpeakerEncoder(cache)


# ------------------------------------------------------------------------------------------------------------ speaker


def test_another_speaker_lowers_the_cosine(encoder, sounds, utterances):
    embeddings = [encoder.embed(sound) for sound in sounds]
    same = [cosine(a, b) for i, a in enumerate(embeddings) for j, b in enumerate(embeddings)
            if i < j and utterances[i].speaker == utterances[j].speaker]  # fmt: skip
    different = [cosine(a, b) for i, a in enumerate(embeddings) for j, b in enumerate(embeddings)
                 if utterances[i].speaker != utterances[j].speaker]  # fmt: skip
    assert np.mean(same) > np.mean(different) + 0.15 and min(same) > np.mean(different)
    assert embeddings[0].shape == (256,) and np.linalg.norm(embeddings[0]) == pytest.approx(1, abs=1e-5)
    assert cosine(embeddings[0], encoder.embed(Sound(sounds[0].audio.copy(), RATE))) == pytest.approx(1, abs=1e-6)


def test_every_recording_is_nearest_to_its_own_voice_and_gender(encoder, sounds, utterances):
    embeddings = [encoder.embed(sound) for sound in sounds]
    for i, utterance in enumerate(utterances):
        others = [(e, u.speaker) for j, (e, u) in enumerate(zip(embeddings, utterances, strict=True)) if j != i]
        centroids = {name: centroid([e for e, s in others if s == name]) for name in {s for _, s in others}}
        assert nearest(embeddings[i], centroids) == utterance.speaker
        references = [(e, gender_by_name(s)) for e, s in others]
        assert perceived_gender(embeddings[i], references) == gender_by_name(utterance.speaker)


def test_silence_has_an_embedding_too(encoder):
    assert np.isfinite(encoder.embed(Sound(np.zeros(RATE, np.float32), RATE))).all()


def test_genders_of_names_and_files(tmp_path):
    names = ("af_kore", "bm_george", "kathleen", "xf_a", "af_kore+bm_george")
    assert [gender_by_name(name) for name in names] == ["f", "m", None, None, None]
    path = tmp_path / "genders.txt"
    path.write_text("kathleen|f\n\np225 | f\nbert|m\n")
    assert read_genders(path) == {"kathleen": "f", "p225": "f", "bert": "m"}
    path.write_text("kathleen|f\nbert|x\n")
    with pytest.raises(InputError, match=r"genders.txt:2: expected"):
        read_genders(path)


def test_of_one_gender_alone_none_is_perceived():
    voices = [
        Voice(name, name, np.array([1.0, 0.1 * i]), (1.0, 1.0)) for i, name in enumerate(("anna", "beth", "carl"))
    ]
    women = Voices(voices[:2], {"anna": "f", "beth": "f"})
    assert women.perceived_gender(np.array([1.0, 0.0])) is None
    assert Voices(voices, {"anna": "f", "beth": "f", "carl": "m"}).perceived_gender(np.array([1.0, 0.0])) == "f"


def test_perceived_gender_is_that_of_the_five_nearest():
    axis = np.eye(2)
    near, far = axis[0], axis[1]
    references = [(near, "f")] * 2 + [(near + 0.1 * far, "m")] * 3 + [(far, "f")] * 9
    assert perceived_gender(near, references) == "m"  # of fewer, or of more, the most are women's
    assert perceived_gender(far, references) == "f"


# -------------------------------------------------------------------------------------------------------------- words


def test_tiny_hears_what_is_said(cache, sounds, utterances):
    recogniser = Recogniser("tiny", cache, threads=1)
    chosen = range(0, len(sounds), 4)
    rates = [word_errors(recogniser.transcribe(sounds[i]), utterances[i].text) for i in chosen]
    assert sum(rate.errors for rate in rates) / sum(rate.length for rate in rates) < 0.15
    # the words of another sentence are wrong
    heard = recogniser.transcribe(sounds[0])
    assert word_errors(heard, utterances[1].text).rate > 0.6
    assert recogniser.transcribe(sounds[0]) == heard


def test_a_long_recording_is_cut_where_it_is_quiet():
    rng = np.random.default_rng(0)
    audio = rng.normal(0, 0.1, 75 * MODEL_RATE).astype(np.float32)
    for second in (25, 29.5, 52):  # the second pause is too short
        audio[round(second * MODEL_RATE) :][: round((0.02 if second == 29.5 else 0.2) * MODEL_RATE)] = 0
    parts = cut_at_pauses(audio)
    np.testing.assert_array_equal(np.concatenate(parts), audio)
    assert [len(part) / MODEL_RATE for part in parts] == pytest.approx([25.1, 27, 22.9], abs=0.1)
    assert len(cut_at_pauses(audio[: 30 * MODEL_RATE])) == 1 and len(cut_at_pauses(np.zeros(0))) == 1


def test_words_in_another_order_are_errors(cache, sounds, utterances):
    recogniser = Recogniser("tiny", cache, threads=1)
    words = utterances[8].text.split()
    heard = recogniser.transcribe(sounds[8])
    assert word_errors(heard, utterances[8].text).rate < 0.2
    assert word_errors(heard, " ".join(words[::-1])).rate > 0.5


def test_base_is_joined_from_its_parts_once(tmp_path):
    folder = whisper_folder("base", tmp_path)
    names = {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"}
    assert {path.name for path in folder.iterdir()} == names
    before = (folder / "model.bin").stat()
    whisper_folder("base", tmp_path)
    assert (folder / "model.bin").stat().st_mtime_ns == before.st_mtime_ns and before.st_size == 145217532
    (folder / "model.bin").write_bytes(b"cut short")
    assert (whisper_folder("base", tmp_path) / "model.bin").stat().st_size == before.st_size


@pytest.mark.slow
@pytest.mark.skipif(not KATHLEEN.is_dir(), reason=f"needs the recordings in {KATHLEEN}")
def test_word_errors_of_real_speech_are_below_eight_percent(tmp_path):
    """60 of the 1,132 sentences, drawn by seed, heard by Whisper base."""
    recogniser = Recogniser("base", AnalysisCache(tmp_path))
    lines = (KATHLEEN / "metadata.csv").read_text(encoding="utf-8").splitlines()
    errors, words = [], []
    for i in np.random.default_rng(0).permutation(len(lines))[:60]:
        name, text, *_ = lines[i].split("|")
        rate = word_errors(recogniser.transcribe(read_sound(KATHLEEN / "wav" / name, RATE)), text)
        errors.append(rate.rate)
        words.append(rate.length)
    mean = bootstrap_mean(errors, words)
    print(f"WER {100 * mean.value:.2f}% [{100 * mean.low:.2f}, {100 * mean.high:.2f}] of {sum(words)} words")
    assert mean.value < 0.08


# ---------------------------------------------------------------------------------------------------------------- MOS


def test_noise_lowers_the_mos(cache, sounds):
    predictor = MosPredictor(cache)
    clean = sounds[4]
    noise = np.random.default_rng(0).normal(0, clean.audio.std(), len(clean.audio)).astype(np.float32)
    scores = [predictor.predict(Sound(clean.audio + 10 ** (-snr / 20) * noise, RATE)) for snr in (60, 20, 5)]
    assert 4 < predictor.predict(clean) < 5
    assert scores[0] > scores[1] + 0.3 and scores[1] > scores[2] + 0.3
    assert predictor.predict(Sound(clean.audio.copy(), RATE)) == predictor.predict(clean)


def test_speech_without_its_phases_has_a_lower_mos(cache, sounds):
    predictor = MosPredictor(cache)
    generator = np.random.default_rng(0)
    _, _, spectrum = stft(sounds[8].audio, RATE, nperseg=1024)
    shuffled = np.abs(spectrum) * np.exp(2j * np.pi * generator.random(spectrum.shape))
    buzzing = istft(shuffled, RATE, nperseg=1024)[1].astype(np.float32)
    assert predictor.predict(Sound(buzzing, RATE)) < predictor.predict(sounds[8]) - 1


# ------------------------------------------------------------------------------------------------- cache and absence


def test_what_was_measured_is_not_measured_again(tmp_path):
    cache = AnalysisCache(tmp_path)
    calls = []

    def make():
        calls.append(1)
        return np.arange(3.0)

    for digest, kind in (("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")):
        np.testing.assert_array_equal(cache.get(digest, kind, make), np.arange(3.0))
    assert len(calls) == 3
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:40])  # cut short
    cache.get("a", "x", make)
    assert len(calls) == 4
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        AnalysisCache(tmp_path / "file").get("a", "x", make)


def test_the_digest_is_of_the_samples(sounds):
    copy = Sound(sounds[0].audio.copy(), RATE)
    changed = sounds[0].audio.copy()
    changed[100] += 1e-4
    assert copy.digest == sounds[0].digest
    assert len({copy.digest, Sound(changed, RATE).digest, Sound(copy.audio, 16000).digest}) == 3


def test_without_the_extra_nothing_fails_and_the_reason_is_told(tmp_path, monkeypatch, sounds):
    find_spec = importlib.util.find_spec
    gone = {"faster_whisper", "resemblyzer", "distillmos"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in gone else find_spec(name, *a))
    analyser = Analyser(tmp_path, Audio())
    assert set(analyser.unavailable) == {"transcript", "embedding", "mos"}
    assert set(analyser.unavailable.values()) == {"not installed: pip install -e .[eval]"}
    assert analyser.transcript(sounds[0]) is analyser.embedding(sounds[0]) is analyser.mos(sounds[0]) is None
    with pytest.raises(NotInstalledError):
        require("numpy", "faster_whisper")


def test_no_recogniser_when_none_is_asked_for(tmp_path):
    analyser = Analyser(tmp_path, Audio(), asr="none")
    assert analyser.unavailable == {"transcript": "not asked for: --asr tiny or base"}


def test_placeholders_stand_in_only_for_what_is_missing_and_only_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "greedy_module.py").write_text("import absent_module, json\nseen = absent_module.x, json.__name__\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = import_with_placeholders("greedy_module", {"absent_module": {"x": 7}, "json": {}})
    assert module.seen == (7, "json")
    assert "absent_module" not in sys.modules and hasattr(sys.modules["json"], "loads")
    del sys.modules["greedy_module"]
