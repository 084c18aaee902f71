"""`evaluate.py` as it is called from a shell, on folders as inference.py leaves them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from common.errors import InputError
from data.audio import write_wav
from data.filelist import read_filelist
from evaluate import main
from evaluation.clips import Clip, read_run
from evaluation.measure import _reference
from evaluation.references import ReferenceTexts, read_references, spread_by_speaker
from evaluation.sound import read_sound
from evaluation.summary import COLUMNS
from params import Audio
from tests.resynthesis import RATE, TINY, raise_pitch, write_run
from tests.tiny_synthesiser import write_tiny_checkpoint

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimpleNamespace:
    """A plain run of recordings, the same with other pitches, and a blend."""
    folder = tmp_path_factory.mktemp("runs")
    chosen = [read_filelist(TINY)[i] for i in (0, 3, 8, 12)]
    recordings = [read_sound(u.wav, RATE).audio for u in chosen]

    def sentences(change):
        return [
            {"text": u.text, "speaker": u.speaker, "emotion": u.emotion, "audio": {"": change(audio)}}
            for u, audio in zip(chosen, recordings, strict=True)
        ]

    write_run(folder / "plain", sentences(lambda audio: audio))
    write_run(folder / "raised", sentences(lambda audio: raise_pitch(audio, 3)))
    flat = [raise_pitch(audio, 0) for audio in recordings[:2]]
    blends = [
        {"text": u.text, "audio": {"a": raise_pitch(audio, 6), "b": audio, "ab": raise_pitch(audio, 3)}}
        for u, audio in zip(chosen, flat, strict=False)
    ]
    write_run(folder / "blend", blends)
    return SimpleNamespace(folder=folder, cache=folder / "cache", chosen=chosen, recordings=recordings)


@pytest.fixture
def run(made, tmp_path):
    def call(*arguments: object) -> int:
        try:
            return main([*map(str, arguments), "--cache", str(made.cache), "--out", str(tmp_path / "out")])
        except SystemExit as exit:
            return exit.code

    return call


def evaluation_of(folder: Path) -> dict:
    return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))


def test_two_copies_score_perfectly(run, made, tmp_path, capsys):
    assert run(made.folder / "plain", "--references", TINY, "--threads", 1) == 0
    out = tmp_path / "out"
    names = {"evaluation.json", "evaluation.csv", "sentences.csv", "report.html"}
    assert {path.name for path in out.iterdir()} == names
    content = evaluation_of(out)
    (system,) = content["systems"]
    means = {key: mean["value"] for key, mean in system["overall"].items()}
    # 16 bits were written and read at scales that differ by 1 in 32768
    exact = ("f0_rmse", "f0_rmse_norm", "f0_frame", "f0_voicing", "f0_gross", "mcd", "energy_rmse")
    assert all(means[key] == pytest.approx(0, abs=2e-4) for key in exact)
    ones = ("f0_correlation", "energy_correlation", "speaker_right", "gender_right", "rate_ratio")
    assert all(means[key] == pytest.approx(1) for key in ones)
    assert means["wer"] < 0.15 and 4 < means["mos"] < 5 and means["speaker_cosine"] > 0.8
    assert means["nfe"] == 10 and means["rtf"] == 0.25
    assert set(system["speakers"]) == {u.speaker for u in made.chosen}
    assert set(system["emotions"]) == {u.emotion for u in made.chosen}
    assert sum(means["f0_rmse"]["n"] for means in system["speakers"].values()) == 4
    assert content["command"].startswith("python evaluate.py ") and content["comparisons"] == []
    # what is shown
    shown = capsys.readouterr().out
    assert "| WER (%) ↓" in shown and ": needs a and b in the run" in shown and str(out / "report.html") in shown
    # the same numbers as lines
    with open(out / "sentences.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [u.text for u in made.chosen]
    assert [float(row["mos"]) for row in rows] == [row["mos"] for row in content["sentences"]]
    with open(out / "evaluation.csv", encoding="utf-8", newline="") as file:
        lines = {(row["group"], row["name"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(lines["all", "", "mos"]["mean"]) == means["mos"] and lines["speaker", "af_kore", "mos"]["n"] == "2"


def test_of_one_speaker_nobody_is_the_nearest(run, made, tmp_path):
    lines = [line for line in TINY.read_text().splitlines() if "|af_kore|" in line]
    (tmp_path / "one.txt").write_text("\n".join(str(TINY.parent / line) for line in lines) + "\n")
    assert run(made.folder / "plain", "--references", tmp_path / "one.txt", "--asr", "none", "--threads", 1) == 0
    content = evaluation_of(tmp_path / "out")
    (system,) = content["systems"]
    assert system["overall"]["speaker_cosine"]["value"] > 0.8
    assert not system["overall"].keys() & {"speaker_right", "gender_right"}
    assert "several speakers" in content["not_measured"]["speaker_right"]


def test_a_baseline_is_compared_sentence_by_sentence(run, made, tmp_path, capsys):
    code = run(made.folder / "raised", "--baseline", made.folder / "plain", "--asr", "none", "--references", TINY)
    assert code == 0
    content = evaluation_of(tmp_path / "out")
    assert [system["name"] for system in content["systems"]] == ["raised", "plain"]
    (comparison,) = content["comparisons"]
    assert (comparison["system"], comparison["baseline"]) == ("raised", "plain")
    rmse = comparison["columns"]["f0_rmse"]
    assert rmse["difference"]["value"] == pytest.approx(3, abs=0.4) and rmse["difference"]["n"] == 4
    assert 0.05 < rmse["p_value"] < 0.2  # four sentences cannot tell more
    assert comparison["columns"]["nfe"]["p_value"] == 1
    assert "raised minus plain" in capsys.readouterr().out
    assert content["not_measured"]["wer"] == "not asked for: --asr tiny or base"


def test_a_blend_is_measured_against_its_a_and_b(run, made, tmp_path):
    assert run(made.folder / "blend", "--asr", "none") == 0
    content = evaluation_of(tmp_path / "out")
    a, b, ab = ({k: m["value"] for k, m in system["overall"].items()} for system in content["systems"])
    assert [system["variant"] for system in content["systems"]] == ["a", "b", "ab"]
    assert a["f0_rmse"] == 0 and a["cosine_a"] == pytest.approx(1) and b["cosine_b"] == pytest.approx(1)
    assert b["f0_rmse"] == pytest.approx(6, abs=0.5) and ab["f0_rmse"] == pytest.approx(3, abs=0.4)
    assert b["f0_movement"] == pytest.approx(0, abs=1e-9) and a["f0_movement"] == pytest.approx(1, abs=0.05)
    assert ab["f0_movement"] == pytest.approx(0.5, abs=0.05) and ab["f0_correlation"] > 0.95
    assert b["energy_correlation"] == pytest.approx(1) and ab["energy_correlation"] > 0.9
    assert "mcd" not in ab and content["not_measured"]["mcd"].startswith("needs recordings")
    # report.json speaks of the wav that it names; the others' network evaluations are not known
    assert "nfe" in ab and "nfe" not in a


def test_without_the_extra_the_table_says_how_to_install_it(run, made, monkeypatch, capsys):
    import importlib.util

    find_spec = importlib.util.find_spec
    gone = {"faster_whisper", "resemblyzer", "distillmos"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in gone else find_spec(name, *a))
    assert run(made.folder / "plain", "--references", TINY) == 0
    shown = capsys.readouterr().out
    told = "WER, CER, MOS, speaker cosine, right speaker, right gender, cosine to a, cosine to b"
    (line,) = [line for line in shown.splitlines() if "not installed" in line]
    assert line.endswith(": not installed: pip install -e .[eval]")
    assert set(line.split(": ")[0].split(", ")) == set(told.split(", "))
    assert "F0 RMSE" in shown


def test_from_a_checkpoint(tmp_path, made, capsys):
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny.pt")
    (tmp_path / "texts.txt").write_text("Hi.\n?!\n")
    arguments = ["--checkpoint", checkpoint, "--texts", tmp_path / "texts.txt", "--asr", "none", "--threads", 1]
    assert main([*map(str, arguments), "--cache", str(made.cache), "--out", str(tmp_path / "out")]) == 3  # one is none
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"0000.wav", "report.json", "report.html", "evaluation.json"} <= names


def test_what_a_row_tells_is_of_its_own_wav(tmp_path, made):
    audio = made.recordings[0]
    row = {
        "text": "x", "audio": {"a": audio, "ab": audio}, "tokens": ["A", "B"], "durations": [3, 4], "speaker": "s"
    }  # fmt: skip
    clips = read_run(write_run(tmp_path / "r", [row]), Audio()).clips
    a, ab = clips
    assert (a.variant, a.speaker, a.nfe, a.phones) == ("a", None, None, None)
    assert (ab.variant, ab.speaker, ab.nfe, list(ab.phones.boundaries)) == ("ab", "s", 10, [0, 3, 7])


def test_recordings_are_found_by_text_or_stem_and_never_of_another_speaker(tmp_path):
    for name in ("bert/0000.wav", "anna/0000.wav", "0001.wav"):
        write_wav(tmp_path / name, np.zeros(2000), RATE)
    texts = ReferenceTexts(read_references(tmp_path))
    assert texts.find("any", "0000", "anna", None).wav == tmp_path / "anna/0000.wav"
    assert texts.find("any", "0000", "carl", None) is None
    assert texts.find("any", "0001", "carl", None).speaker is None
    assert texts.find("any", "0002", None, None) is None
    for name, variant, there in (("0000_ab_0.25", "0.25", "0000"), ("0001_a", "a", "0001"), ("0000_ab", "", None)):
        clip = Clip(int(name[:4]), "any", variant, Path(f"{name}.wav"), "anna", None, None, None, None)
        found = _reference(clip, texts)
        assert (found and found.wav.stem) == there
    by_text = ReferenceTexts(read_references(TINY))
    found = by_text.find("How strict 16 frightened strangers are", "0000", "bf_lily", "happy")
    assert found is not None and found.speaker == "bf_lily"
    spread = spread_by_speaker(read_references(TINY), 2)
    assert {speaker: len(own) for speaker, own in spread.items()} == {"af_kore": 2, "am_michael": 2, "bf_lily": 2}
    assert spread == spread_by_speaker(read_references(TINY), 2)


BAD = {
    "nothing": ([], "nothing to measure"),
    "no such folder": (["nowhere"], "nowhere is not a folder"),
    "not JSON": (["NOTJSON"], "is not JSON"),
    "another JSON": (["LIST"], "no list of results"),
    "a row without text": (["NOTEXT"], "lacks index, text or wav"),
    "a wav that is gone": (["GONE"], "no file"),
    "no results": (["NONE"], "has no results"),
    "a checkpoint without texts": (["--checkpoint", "x.pt"], "go together"),
    "phones that nobody knows": (["BLEND", "--asr", "none", "--carry", "phones"], "carry by dtw or linear"),
    "no such references": (["BLEND", "--references", "nowhere.txt"], "nowhere.txt"),
    "no such baseline": (["BLEND", "--baseline", "nowhere"], "nowhere"),
    "an unknown option": (["BLEND", "--nonsense"], "--nonsense"),
    "an unknown recogniser": (["BLEND", "--asr", "huge"], "--asr"),
    "references of no name": (["BLEND", "--references", ""], "it is empty; name a file or a folder"),
    "a number beyond all bounds": (["HUGE"], "nfe is 1000"),
    "fewer than no sentences": (["BLEND", "--sentences", "-1"], "not a whole number from 0"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_2(run, made, tmp_path, capsys, arguments, message):
    reports = {
        "NOTJSON": "{",
        "LIST": "[]",
        "NOTEXT": '{"results": [{"index": 0, "wav": "0000.wav"}]}',
        "GONE": '{"results": [{"index": 0, "text": "x", "wav": "0000.wav"}]}',
        "NONE": '{"results": []}',
        "HUGE": f'{{"results": [{{"index": 0, "text": "x", "wav": "0000.wav", "nfe": 1{"0" * 400}}}]}}',
    }
    for name, report in reports.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(report)
    places = {name: tmp_path / name for name in reports} | {"BLEND": made.folder / "blend"}
    assert run(*(places.get(argument, argument) for argument in arguments)) == 2
    captured = capsys.readouterr()
    last = captured.err.splitlines()[-1]
    assert last.startswith("error: ") and message in last and captured.out == ""
    assert not (tmp_path / "out").exists()


def test_of_texts_in_phones_no_words_are_counted(run, made, tmp_path):
    folder = write_run(tmp_path / "r", [{"text": "HH AH0 L OW1", "audio": {"": made.recordings[0]}}])
    report = json.loads((folder / "report.json").read_text())
    report["settings"] = {"phones": True}
    (folder / "report.json").write_text(json.dumps(report))
    assert run(folder) == 0
    (system,) = evaluation_of(tmp_path / "out")["systems"]
    assert "mos" in system["overall"] and not system["overall"].keys() & {"wer", "cer", "rate"}


def test_texts_without_vowels_other_scripts_and_recordings_of_silence_are_measured(run, made, tmp_path):
    """What they leave unknown is left out."""
    audio = made.recordings[0]
    sentences = [{"text": text, "speaker": "anna", "audio": {"": audio}} for text in ("Shh!", "Привет")]
    folder = write_run(tmp_path / "r", sentences)
    for name, samples in (("0000", audio), ("0001", audio), ("still", np.zeros(RATE, np.float32))):
        write_wav(tmp_path / "refs" / "anna" / f"{name}.wav", samples, RATE)
    assert run(folder, "--references", tmp_path / "refs", "--asr", "none") == 0
    rows = evaluation_of(tmp_path / "out")["sentences"]
    assert [row.keys() & {"rate", "rate_ratio"} for row in rows] == [{"rate"}, set()]
    assert all("f0_rmse" in row for row in rows)
    write_wav(tmp_path / "still" / "anna" / "x.wav", np.zeros(RATE, np.float32), RATE)
    assert run(folder, "--references", tmp_path / "still", "--asr", "none") == 0


def test_names_of_any_bytes_are_written(run, made, tmp_path):
    folder = write_run(
        tmp_path / "r", [{"text": "Hello.", "audio": {"": made.recordings[0]}}], {"ref": "caf\udce9.wav"}
    )
    assert run(folder, "--asr", "none") == 0
    assert "caf\\udce9.wav" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_speaker_0_is_one_where_others_are_named(tmp_path):
    for name in ("a", "b"):
        write_wav(tmp_path / f"{name}.wav", np.zeros(2000), RATE)
    path = tmp_path / "list.txt"
    path.write_text("a.wav|Hello there.|0\nb.wav|Hello there.|5\n")
    assert ReferenceTexts(read_references(path)).find("Hello there.", "x", "5", None).wav.name == "b.wav"
    assert ReferenceTexts(read_references(path)).find("Hello there.", "x", "7", None) is None
    path.write_text("a.wav|Hello there.\n")
    assert ReferenceTexts(read_references(path)).find("Hello there.", "x", "5", None).speaker is None


def test_the_recording_of_a_text(tmp_path):
    lines = ["a.wav|Hello there.|af_a", "b.wav|Hello there.|am_b", "c.wav|Привет|af_a", "d.wav|Привет, мир|af_a"]
    for name in "abcd":
        write_wav(tmp_path / f"{name}.wav", np.zeros(2000), RATE)
    path = tmp_path / "list.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    texts = ReferenceTexts(read_references(path))
    assert texts.find("Hello there.", "x", "am_b+af_c", None).wav.name == "b.wav"  # a blend, of which one is there
    assert texts.find("Hello there.", "x", "0", None) is None  # nobody knows which of them
    assert texts.find("Привет,  мир", "x", "af_a", None).wav.name == "d.wav"
    assert texts.find("Пока", "x", "af_a", None) is None
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n", encoding="utf-8")
    assert ReferenceTexts(read_references(path)).find("Hello there.", "x", "0", None).wav.name == "a.wav"


def test_whose_voice_a_blend_is(made, tmp_path):
    audio = {"audio": {"a": made.recordings[0], "b": made.recordings[1], "ab": made.recordings[0]}, "text": "x"}
    folder = write_run(tmp_path / "r", [audio | {"speaker": "af_a+af_a"}, audio | {"speaker": "af_a+am_b"}])
    speakers = {(clip.index, clip.variant): clip.speaker for clip in read_run(folder, Audio()).clips}
    assert speakers[0, "ab"] == "af_a" and speakers[1, "ab"] == "af_a+am_b"


def test_a_companion_of_two_rows_is_one_clip(made, tmp_path):
    audio = {"a": made.recordings[0], "b": made.recordings[1], "ab": made.recordings[0]}
    folder = write_run(tmp_path / "r", [{"text": "x", "audio": audio}])
    write_wav(folder / "0000_oracle.wav", made.recordings[0], RATE)
    report = json.loads((folder / "report.json").read_text())
    rows = report["results"]
    report["results"] = [rows[0] | {"wav": f"0000_{name}.wav"} for name in ("a", "b", "ab")]
    (folder / "report.json").write_text(json.dumps(report))
    assert [clip.variant for clip in read_run(folder, Audio()).clips] == ["a", "oracle", "b", "ab"]


def test_a_sweep_is_nobodys_baseline_but_that_of_the_same_weights(run, made, tmp_path):
    sweep = {"a": made.recordings[0], "ab_0.25": made.recordings[1], "b": made.recordings[1]}
    write_run(tmp_path / "sweep", [{"text": made.chosen[0].text, "audio": sweep}])
    assert run(made.folder / "blend", "--asr", "none", "--baseline", tmp_path / "sweep") == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert {compared["system"] for compared in found["comparisons"]} == {"blend a", "blend b"}
    assert found["settings"] == {"blend": {"steps": 10}, "sweep": {"steps": 10}}


def test_a_mask_must_be_a_picture(made, tmp_path):
    folder = write_run(tmp_path / "r", [{"text": "x", "audio": {"ab": made.recordings[0]}}])
    run = read_run(folder, Audio())
    assert run.mask(0) is None
    np.save(folder / "0000_mask.npy", np.zeros(3))
    with pytest.raises(InputError, match="must have shape"):
        run.mask(0)


def test_bad_arguments_are_reported_before_torch_is_imported():
    script = (
        "import sys; from evaluate import main; code = main([]); assert 'torch' not in sys.modules; "
        "raise SystemExit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: nothing to measure")


def test_columns_are_named_once():
    keys = [column.key for column in COLUMNS]
    assert len(keys) == len(set(keys)) and len({column.heading for column in COLUMNS}) == len(keys)
