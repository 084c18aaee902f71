"""The held-out evaluation, on a tiny model with random weights."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import InputError
from data.mel import frame_energy
from evaluation.analyser import Analyser
from evaluation.speech import Phones
from evaluation.statistics import Mean, exactly
from held_out.measuring import Measurements, Work, corpus_sides, measure_held_out
from held_out.reference import (
    ATTRIBUTES,
    MEL_FRAMES,
    CorpusVoice,
    HeldOutReference,
    HeldOutSentence,
    read_reference,
    write_reference,
)
from held_out.speaking import (
    CONTOUR,
    ENERGY,
    PLAIN,
    RAISE,
    RAISED,
    REFERENCE,
    Spoken,
    real_time_factors,
    speak_held_out,
)
from held_out.table import ROWS, Findings, between, markdown, verdict
from params import Audio
from synthesis import load_model
from synthesis.synthesiser import Synthesiser
from tests.tiny_synthesiser import SPEAKERS, tiny_loaded, tiny_vocoder, write_tiny_checkpoint
from text.front_end import arpabet_front_end
from text.symbols import BLANK

TEXTS = ("A ship sails.", "Stay here, Tom.")
FRAMES = 70


def sentence(number: int, phones: bool = True) -> HeldOutSentence:
    rng = np.random.default_rng(number)
    symbols = tuple(symbol for symbol in arpabet_front_end().encode(TEXTS[number]).symbols if symbol != BLANK)
    f0 = np.where(np.arange(FRAMES) % 9 < 6, 120 + 30 * np.sin(np.arange(FRAMES) / 8 + number), 0).astype(np.float32)
    mel = rng.normal(-5, 1, (80, MEL_FRAMES)).astype(np.float32)
    boundaries = np.linspace(0, FRAMES, len(symbols) + 1)
    energy = frame_energy(rng.normal(-5, 1, (80, FRAMES)))
    known = Phones(symbols, boundaries) if phones else None
    return HeldOutSentence(TEXTS[number], SPEAKERS[number], f0, energy, known, mel, number, 3)


def reference(**changes: object) -> HeldOutReference:
    voices = {
        name: CorpusVoice(name, np.eye(256, dtype=np.float32)[i], (0.7, 0.6), styled=i == 0)
        for i, name in enumerate(SPEAKERS)
    }
    sides = {"angry": {"f0_median": 1, "f0_range": 0, "rate": 1, "energy": -1}}
    parts = {"sentences": [sentence(0), sentence(1, phones=False)], "voices": voices, "sides": sides}
    return HeldOutReference(**{**parts, "recogniser": "whisper base", **changes})


@pytest.fixture(scope="module")
def synthesiser() -> Synthesiser:
    loaded = tiny_loaded()
    torch.nn.init.constant_(loaded.model.encoder.voicing.bias, 5.0)  # an F0 is heard where the text is voiced
    return Synthesiser(loaded, tiny_vocoder(), torch.device("cpu"))


@pytest.fixture(scope="module")
def spoken(synthesiser) -> list[tuple[str, Spoken]]:
    return list(speak_held_out(synthesiser, reference(), synthesiser.options(steps=1)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """What is measured there is of exactly the same audio, whoever asks."""
    return tmp_path_factory.mktemp("cache")


def test_a_reference_comes_back_from_its_file(tmp_path):
    before = reference()
    write_reference(tmp_path / "x.npz", before)
    after = read_reference(tmp_path / "x.npz")
    assert after.sides == before.sides and after.recogniser == before.recogniser
    for old, new in zip(before.sentences, after.sentences, strict=True):
        assert (new.text, new.speaker, new.errors, new.words) == (old.text, old.speaker, old.errors, old.words)
        np.testing.assert_allclose(new.f0, old.f0, rtol=1e-3)
        np.testing.assert_allclose(new.energy, old.energy, rtol=1e-3)
        np.testing.assert_allclose(new.mel, old.mel, atol=4e-3)
    assert after.sentences[0].phones.symbols == before.sentences[0].phones.symbols
    np.testing.assert_allclose(after.sentences[0].phones.boundaries, before.sentences[0].phones.boundaries, rtol=1e-6)
    assert after.sentences[1].phones is None
    for name, voice in after.voices.items():
        assert voice.styled == before.voices[name].styled
        np.testing.assert_allclose(voice.centroid, before.voices[name].centroid)
        np.testing.assert_allclose(voice.fine_structure, before.voices[name].fine_structure, rtol=1e-6)


def test_another_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "y.npz", text=np.array(["a"]))
    for name in ("x.npz", "y.npz", "missing.npz"):
        with pytest.raises(InputError, match="is no reference of held-out sentences") as caught:
            read_reference(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_part_is_spread_over_the_whole():
    whole = reference(sentences=[sentence(i % 2) for i in range(10)])
    assert whole.take(5).sentences == whole.sentences[::2]
    assert whole.take(10).sentences == whole.sentences
    for count in (0, 11):
        with pytest.raises(InputError, match="there are 10 held-out sentences"):
            whole.take(count)


def test_sides_are_those_of_clear_differences_within_voices():
    rng = np.random.default_rng(0)
    utterances = []
    for speaker, height in (("low", 0.0), ("high", 12.0)):
        for style, shift, count in (("neutral", 0.0, 40), ("sad", -1.0, 10 if speaker == "low" else 70)):
            for _ in range(count):
                noise = rng.normal(0, 1, 4)
                values = [height + shift, 3 * (shift < 0), 0, -shift]  # the third does not differ
                utterances.append((speaker, style, dict(zip(ATTRIBUTES, values + noise, strict=True))))
    utterances.append(("low", "sad", dict.fromkeys(ATTRIBUTES, math.nan)))
    sides = corpus_sides(utterances)
    # Most sad utterances are of the high voice; the median is lower all the same.
    assert sides == {"sad": {"f0_median": -1, "f0_range": 1, "rate": 0, "energy": 1}}
    assert corpus_sides([u for u in utterances if u[1] == "neutral"]) == {}


def test_every_run_is_spoken_with_what_it_was_asked_for(spoken):
    given = reference()
    runs = [(run, each.number) for run, each in spoken]
    expected = [(PLAIN, 0), ("angry", 0), (CONTOUR, 0), (RAISED, 0), (ENERGY, 0), (REFERENCE, 0)]
    assert runs == [*expected, (PLAIN, 1), (REFERENCE, 1)]
    by_run = {run: each for run, each in spoken if each.number == 0}
    for run, each in by_run.items():
        assert each.result.emotion == ("angry" if run == "angry" else "neutral")
        own = run not in (CONTOUR, RAISED, ENERGY)
        assert (each.speaker == given.sentences[0].speaker) == own and each.result.speaker == each.speaker
        assert (each.asked is not None) == (run not in (PLAIN, "angry"))
        if each.asked is not None:
            assert len(each.asked) == each.result.frames
    contour, raised = by_run[CONTOUR].asked, by_run[RAISED].asked
    assert ((contour > 0) == (raised > 0)).all() and (contour > 0).any() and not (contour > 0).all()
    voiced = contour > 0
    np.testing.assert_allclose(raised[voiced] / contour[voiced], 2 ** (RAISE / 12), rtol=1e-4)
    assert contour[voiced].min() > 85 and contour[voiced].max() < 155
    # The melody of other words is there in every frame.
    assert (by_run[REFERENCE].asked > 0).all()
    # What is asked for changes what is heard.
    assert np.abs(by_run[CONTOUR].result.mel - by_run[RAISED].result.mel).max() > 1e-3


def test_measurements_become_a_table(spoken, cache):
    given = reference()
    measurements = Measurements(given, Analyser(cache, Audio(), asr="none"))
    for run, each in spoken:
        measurements.add(run, each)
    findings = measurements.findings
    means = findings.summary()
    assert {"fine_vertical", "fine_horizontal", "style", "raise", "energy"} <= means.keys()
    assert means["fine_vertical"].n == 2
    assert set(findings.check_shares()) == {"angry f0_median", "angry rate", "angry energy"}
    assert set(findings.by_speaker("fine_vertical", given)) == set(SPEAKERS[:2])
    assert not {"wer_plain", "leak"} & means.keys()  # nothing was recognised
    text = markdown({**means, "megabytes": exactly(12.0)})
    assert "| file size, MB | 12.0 | 60 | 30 | goal |" in text and "WER" not in text


class Ears:
    """Hears what it is told, in turn."""

    def __init__(self, transcripts: list[str]) -> None:
        self.transcripts = iter(transcripts)

    def transcribe(self, sound: object) -> str:
        return next(self.transcripts)


def test_word_errors_leak_and_the_gap_to_the_corpus(spoken, cache):
    given = reference()
    analyser = Analyser(cache, Audio(), asr="none")
    # plain 0, reference 0, plain 1, reference 1
    analyser._recogniser = Ears(["a ship sails", "a chip sail", "stay here bob", "stay here tom"])
    measurements = Measurements(given, analyser)
    for run, each in spoken:
        measurements.add(run, each)
    means = measurements.findings.summary()
    assert means["wer_plain"].value == pytest.approx(1 / 6)
    assert means["wer_reference"].value == pytest.approx(2 / 6)
    assert means["leak"].value == pytest.approx(1 / 6)
    assert means["wer_corpus"].value == pytest.approx(1 / 6)  # 0 and 1 errors of 3 words each
    assert means["wer_above"].value == pytest.approx(0)
    assert measurements.findings.by_speaker("wer_plain", given) == {SPEAKERS[0]: 0, SPEAKERS[1]: pytest.approx(1 / 3)}


def test_the_speed_is_of_plain_runs(synthesiser, spoken):
    given, options = reference(), synthesiser.options(steps=1)
    plain = {each.number: each.result for run, each in spoken if run == PLAIN}
    timed = list(real_time_factors(synthesiser, given, options, 2))
    assert [(number, seconds) for number, _, seconds in timed] == [(n, plain[n].seconds) for n in (0, 1)]
    assert all(factor > 0 for _, factor, _ in timed)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_several_processes_find_what_one_finds(tmp_path, cache, one_thread):
    checkpoint = str(write_tiny_checkpoint(tmp_path / "tiny.pt"))
    given, synthesiser = reference(), load_model(checkpoint, precision="auto")
    options = synthesiser.options(steps=1)
    work = Work(checkpoint, given, options, "none", cache, tmp_path / "out", 1)
    analyser = Analyser(cache, Audio(), asr="none")
    shared, backwards, alone = Findings(), Findings(), Measurements(given, analyser)
    found = list(measure_held_out(work, 2))
    for each, other in zip(found, reversed(found), strict=True):
        shared.include(each)
        backwards.include(other)
    for run, each in speak_held_out(synthesiser, given, options):
        alone.add(run, each)
    assert shared.summary() == backwards.summary()
    assert shared.summary().keys() == alone.findings.summary().keys()
    for name, mean in alone.findings.summary().items():
        assert shared.summary()[name].value == pytest.approx(mean.value, rel=1e-4, nan_ok=True), name
    assert (tmp_path / "out" / PLAIN / "0001.wav").is_file()


def test_verdicts():
    wer, rise = ROWS["wer_plain"], ROWS["raise"]
    assert [verdict(wer, value) for value in (0.05, 0.1, 0.11)] == ["floor", "floor", "below"]
    assert [verdict(rise, value) for value in (3.0, 3.6, 4.0, 4.3, 4.6)] == ["below", "floor", "goal", "floor", "below"]
    assert verdict(ROWS["mos"], 3.0) == ""
    assert verdict(ROWS["wer_above"], 0.03) == ""  # a goal alone
    assert between(1, 2, "").reached(1.5) and not between(1, 2, "").reached(math.nan)
    assert "[5.0%, 20.0%] | 10% |  | **below** |" in markdown({"wer_plain": Mean(0.12, 0.05, 0.2, 9)})


def test_the_default_model_knows_the_references_voices():
    pack = read_reference("resources/held_out_reference.npz")
    assert len(pack.sentences) == 100 and len(pack.voices) == 9
    assert set(pack.sides) == {"happy", "sad", "angry", "calm"}
    assert {sentence.speaker for sentence in pack.sentences} == set(pack.voices)
    box = load_model("checkpts/default.pt")
    assert set(pack.voices) <= set(box.speakers) and set(pack.sides) <= set(box.emotions)
