"""The comparison of interpolations, on a tiny model with random weights."""

from __future__ import annotations

import math
from argparse import Namespace

import interpolation
import numpy as np
import pytest
import torch

from common.errors import InputError
from evaluation.speech import Phones, Speech
from held_out.reference import read_reference
from model.interpolation import SameTime, name_of
from model.interpolation.pitch_transfer import PitchTransfer
from model.pitch_reader import PitchReader
from style_pairs.measuring import SWEEP, Heard, halves, judge_sweep, measure, rightly_heard
from style_pairs.pairs import TEXTS_PER_PAIR, A, B, StylePair, comparison_rows, default_row, draw_pairs
from style_pairs.speaking import Task, _half_later, speak_rows, tasks_of
from style_pairs.table import ORACLE, markdown, read_oracle, row_means, selection_score, tuned_markdown, write_oracle
from synthesis.result import Result
from synthesis.synthesiser import Synthesiser
from tests.tiny_synthesiser import tiny_loaded, tiny_vocoder

STYLES = ["neutral", "happy", "sad", "angry", "calm"]
CENTROIDS = {name: np.eye(256, dtype=np.float32)[i] for i, name in enumerate(("anna", "bert"))}
PAIR = StylePair("anna", "angry", "bert", "neutral", ("A ship sails.",))


def test_pairs_differ_in_voice_and_style_and_are_balanced():
    given = read_reference("resources/held_out_reference.npz")
    pairs = draw_pairs(given, STYLES, 40, 20)
    assert len(pairs) == 40 and pairs == draw_pairs(given, STYLES, 48, 20)[:40]
    assert pairs != draw_pairs(given, STYLES, 40, 21)
    for pair in pairs:
        assert pair.speaker_a != pair.speaker_b and pair.style_a != pair.style_b
        assert len(set(pair.texts)) == len(pair.texts) == TEXTS_PER_PAIR
    for side in ("speaker_a", "speaker_b"):
        names = [getattr(pair, side) for pair in pairs]
        assert {names.count(name) for name in set(names)} == {5} and len(set(names)) == 8
    texts = [text for pair in pairs for text in pair.texts]
    assert {texts.count(text) for text in set(texts)} == {1, 2} and len(set(texts)) == 100
    assert 0 < sum(pair.same_register for pair in pairs) < 40
    assert [task.number for task in tasks_of(pairs)] == list(range(120))


def test_rows_have_every_method_and_mask_and_one_default():
    rows = comparison_rows(bundled=True)
    assert len({row.name for row in rows}) == len(rows)
    frequency = {(name_of(row.settings), row.settings.mask) for row in rows if isinstance(row.settings, PitchTransfer)}
    assert len(frequency) == 12
    assert default_row(rows).settings == SameTime()
    assert len(comparison_rows(bundled=False)) == len(rows) - 1


def speech(f0: np.ndarray, mel: np.ndarray, boundaries: list[float]) -> Speech:
    return Speech(mel, f0, Phones(("AA", "S", "IY"), np.array(boundaries)))


def heard(f0: np.ndarray, mel: np.ndarray, boundaries: list[float], voice: str, said: str) -> Heard:
    return Heard("one two three", speech(f0, mel, boundaries), CENTROIDS[voice], said)


def test_a_is_all_the_way_and_b_has_not_moved():
    rng = np.random.default_rng(0)
    time = np.arange(60)
    f0_a, f0_b = 200 + 30 * np.sin(time / 6), 110 + 10 * np.cos(time / 9)
    mel_a, mel_b = (rng.normal(-5, 1, (80, 60)).astype(np.float32) for _ in range(2))
    a = heard(f0_a, mel_a, [0, 20, 40, 60], "anna", "one two three")
    b = heard(f0_b, mel_b, [0, 10, 50, 60], "bert", "one two tree")
    of_a, of_b = measure(a, a, b, PAIR, CENTROIDS), measure(b, a, b, PAIR, CENTROIDS)
    assert of_a["movement"] == pytest.approx(1) and of_b["movement"] == pytest.approx(0)
    assert of_a["f0_a"] == pytest.approx(1) and of_a["rmse_a"] == pytest.approx(0, abs=1e-9)
    assert of_b["f0_b"] == pytest.approx(1) and of_b["energy_b"] == pytest.approx(1)
    assert (of_a["nearest_b"], of_b["nearest_b"]) == (0, 1)
    assert (of_a["cosine_b"], of_b["cosine_b"]) == (pytest.approx(0), pytest.approx(1))
    assert of_a["wer"] == 0 and of_b["wer"] == pytest.approx(1 / 3) and of_b["words"] == 3
    # b with a's contour, carried phone by phone from a's frames to b's.
    places = np.interp(time + 0.5, [0, 10, 50, 60], [0, 20, 40, 60]) - 0.5
    carried = np.exp(np.interp(places, time, np.log(f0_a)))
    ab = measure(heard(carried, mel_b, [0, 10, 50, 60], "bert", "one two three"), a, b, PAIR, CENTROIDS)
    assert ab["movement"] == pytest.approx(1, abs=1e-6) and ab["f0_a"] == pytest.approx(1, abs=1e-6)
    assert ab["nearest_b"] == 1 and ab["energy_b"] == pytest.approx(1)


def test_the_score_is_one_for_a_perfect_exchange_and_the_default_is_marked():
    perfect = {"movement": 1, "f0_a": 1, "nearest_b": 1, "energy_b": 1, "wer": 0, "words": 4, "nfe": 4, "seconds": 1.0}
    half = {**perfect, "movement": 0.5, "wer": 0.25}
    assert selection_score(row_means([perfect])) == 1
    assert selection_score(row_means([half])) == pytest.approx((0.5 + 3 + 0.75) / 5)
    assert selection_score(row_means([{**perfect, "movement": 1.5}])) == pytest.approx(0.9)
    assert math.isnan(selection_score(row_means([{"movement": 1}])))
    # Words weigh in the mean of the WER.
    assert row_means([perfect, {**perfect, "wer": 1, "words": 12}])["wer"].value == pytest.approx(0.75)
    text = markdown({"x": [perfect], "y": [half], "nothing": []}, "y")
    assert "| x | 100% |" in text and "| **y (default)** | 50% |" in text and "nothing" not in text


@pytest.fixture(scope="module")
def synthesiser() -> Synthesiser:
    loaded = tiny_loaded()
    torch.nn.init.constant_(loaded.model.encoder.voicing.bias, 5.0)
    loaded.model.reader = PitchReader(loaded.params.audio.n_mels, 4).eval().requires_grad_(False)
    return Synthesiser(loaded, tiny_vocoder(), torch.device("cpu"))


def test_every_row_is_spoken_from_the_same_noise(synthesiser, monkeypatch):
    # The tiny vocoder makes noise: its pitch is what the text's index says.
    monkeypatch.setattr("data.pitch.extract_f0", lambda audio, _: np.full(len(audio) // 256, 150.0, np.float32))
    rows = [row for row in comparison_rows(bundled=True) if "formants" not in row.name and "f0-4" not in row.name]
    task = Task(3, PAIR, PAIR.texts[0])
    options = synthesiser.options(steps=2)
    clips = list(speak_rows(synthesiser, task, rows, options, synthesiser))
    spoken = {clip.name: clip.result for clip in clips}
    assert list(spoken)[:2] == [A, B] and set(spoken) == {A, B, *(row.name for row in rows)}
    for clip in speak_rows(synthesiser, task, rows[:3], options):
        assert np.array_equal(clip.result.mel, spoken[clip.name].mel)
    extra = {clip.name: clip.extra for clip in clips}
    assert all(extra[name] == {} for name in (A, B, "linear", "temporal"))
    # The tiny vocoder gives both styles one pitch: exchanging it changes no envelope.
    assert extra["same-time, no mask"]["leak"] == pytest.approx(0, abs=1e-4)
    assert extra["staged, no mask, random steps"]["leak"] > 0.01
    assert all(clip.extra["plain_seconds"] > 0 for clip in clips if clip.name.startswith("staged"))
    steps = torch.arange(6.0).expand(1, 2, 6)
    assert _half_later(steps, 4).tolist() == [[[2, 3, 0, 1, 4, 5]] * 2]
    shifted, plain = spoken["same-time, harmonics, mask half the text later"], spoken["same-time, harmonics"]
    assert shifted.mel.shape == plain.mel.shape
    assert not np.array_equal(spoken["staged, no mask, random steps"].mel, spoken["staged, no mask"].mel)


def result(audio: np.ndarray, durations: list[int]) -> Result:
    rate, frames = 22050, sum(durations)
    mel = np.zeros((80, frames), np.float32)
    tokens = tuple("AA" for _ in durations)
    return Result(
        0, "x", "s", "e", ("x",), audio, rate, mel, mel, tokens, np.array(durations), ("x",),
        (0,) * len(durations), 1, 0.1, 0.1,
    )  # fmt: skip


def test_the_oracles_numbers_come_back_and_others_are_refused(tmp_path):
    rows = {0: {ORACLE: {"movement": 0.98765}}, 11: {ORACLE: {"wer": 0.0}}}
    write_oracle(tmp_path / "x.json", rows)
    assert read_oracle(tmp_path / "x.json") == {0: {ORACLE: {"movement": 0.9877}}, 11: {ORACLE: {"wer": 0.0}}}
    (tmp_path / "seed.json").write_text('{"seed": 1, "texts": {}}')
    (tmp_path / "list.json").write_text("[1]")
    for name, message in (("seed.json", "of other pairs"), ("list.json", "no numbers"), ("none.json", "no numbers")):
        with pytest.raises(InputError, match=message):
            read_oracle(tmp_path / name)


def test_halves_are_cut_at_the_crossing_token():
    durations = [40, 60, 150, 150]
    audio = np.concatenate([np.full(100 * 256, 0.1), np.full(300 * 256, 0.2)]).astype(np.float32)
    cut = halves(result(audio, durations), 0.5)
    assert len(cut.before.audio) == 100 * 256 and len(cut.after.audio) == 300 * 256
    assert cut.jump == pytest.approx(20 * math.log10(2), abs=1e-3)
    assert not cut.long_enough and halves(result(np.tile(audio, 2), [200, 200, 200, 200]), 0.5).long_enough


class Voices:
    """Embeds a sound as the mean of its samples says, and hears its pitch there too."""

    def embedding(self, sound) -> np.ndarray:
        share = float(sound.audio.mean())
        return share * CENTROIDS["anna"] + (1 - share) * CENTROIDS["bert"]

    def speech(self, sound) -> Speech:
        return Speech(np.zeros((80, 20), np.float32), np.full(20, 100 * 2 ** float(sound.audio.mean())))


def test_a_half_is_right_where_its_own_voice_is_nearer():
    cut = halves(result(np.concatenate([np.full(200 * 256, 0.9), np.full(200 * 256, 0.2)]), [100] * 4), 0.5)
    speakers, others = ("anna", "bert"), ("bert", "anna")
    assert rightly_heard(cut, speakers, others, CENTROIDS, Voices()) == [1, 1]
    assert rightly_heard(cut, others, speakers, CENTROIDS, Voices()) == [0, 0]


def test_a_sweep_goes_one_way_or_not():
    def sweep(shares: list[float]) -> list[Result]:
        return [result(np.full(40 * 256, share, np.float32), [10] * 4) for share in shares]

    straight = judge_sweep(sweep(list(SWEEP)), CENTROIDS["anna"], CENTROIDS["bert"], Voices())
    assert straight.apart == pytest.approx(12, abs=1e-3) and straight.f0_monotone and straight.voice_monotone
    bent = judge_sweep(sweep([0, 0.5, 0.4, 0.75, 1]), CENTROIDS["anna"], CENTROIDS["bert"], Voices())
    assert not bent.f0_monotone and not bent.voice_monotone


def test_what_tuning_gains_is_counted_over_the_texts_that_have_every_row():
    def clip(movement: float, wer: float, leak: float) -> dict[str, float]:
        values = {"movement": movement, "wer": wer, "words": 10.0, "leak": leak}
        return values | {"f0_a": 0.9, "nearest_b": 1.0, "dearer": 1.75}

    whole = {
        B: clip(0.0, 0.1, 0.0),
        "staged, f0": clip(0.9, 0.12, 1.0),
        "staged, f0, random steps": clip(0.5, 0.1, 1.0),
        "staged, no mask": clip(1.0, 0.2, 4.0),
    }
    cut = {name: clip(0.3, 0.9, 9.0) for name in whole if "random" not in name}
    assert tuned_markdown([cut], ["f0"]) == ""
    heading, _, *rows = tuned_markdown([whole, cut, whole], ["f0", "no mask"]).splitlines()
    assert heading == "| staged | f0 (2 texts) | floor | goal |"
    found = [row.split(" | ")[1] for row in rows]
    assert found == ["90%", "40%", "0.90", "100%", "2.0%", "75%", "1.8x"]


def test_the_first_record_after_a_half_written_line_is_kept(tmp_path):
    path = tmp_path / "kept.jsonl"
    kept = interpolation._Kept(path)
    kept.put(("frequency", 0, "a"), {"wer": 0.0})
    with path.open("a") as file:
        file.write('[["frequency", 0, "b al')
    resumed = interpolation._Kept(path)
    assert resumed.values == kept.values
    resumed.put(("frequency", 0, "b"), {"wer": 0.5})
    assert interpolation._Kept(path).values == resumed.values and len(resumed.values) == 2


def test_a_table_is_of_the_rows_asked_for_and_the_texts_that_have_them(tmp_path):
    clip = {"movement": 0.5, "wer": 0.1, "words": 10.0, "f0_a": 0.9, "nearest_b": 1.0}
    kept = interpolation._Kept(tmp_path / "kept.jsonl")
    for number in range(3):
        for name in (A, B, "same-time, no mask"):
            kept.put(("frequency", number, name), clip)
    kept.put(("frequency", 0, "staged, no mask"), clip)  # of a wider run that was stopped
    write_oracle(tmp_path / "oracle.json", {})
    given = {"bundled": None, "oracle": tmp_path / "oracle.json", "asr": "base", "pairs": 1}
    tasks = [Task(number, PAIR, "A ship sails.") for number in range(3)]

    def table(rows: list[str] | None) -> str:
        return next(interpolation._tables(Namespace(rows=rows, **given), tasks, kept))

    narrow, wide = table(["same-time"]), table(None)
    assert narrow.startswith("All pairs (3 texts)") and "staged" not in narrow and "same-time, no mask" in narrow
    assert wide.startswith("All pairs (1 texts)") and "staged, no mask" in wide
