"""`inference.py` as it is called from a shell."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from data.audio import write_wav
from inference import main
from tests.official_weights import random_state
from tests.tiny_synthesiser import voice_like, write_tiny_files

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    return write_tiny_files(tmp_path_factory.mktemp("models"), "Hello there.\n\nGood night.\nAnd a third one.\n")


@pytest.fixture
def run(files, tmp_path):
    """Calls `main`; a None takes a default argument away. Returns the exit code."""

    def call(*more: object, **changes: object) -> int:
        named = {
            "--file": files.texts,
            "--checkpoint": files.checkpoint,
            "--vocoder": files.vocoder,
            "--out": tmp_path / "out",
            "--timesteps": 2,
            "--device": "cpu",
        }
        named |= {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
        arguments = [str(part) for name, value in named.items() if value is not None for part in (name, value)]
        try:
            return main([*arguments, *(str(argument) for argument in more)])
        except SystemExit as exit:
            return exit.code

    return call


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def samples(path: Path) -> np.ndarray:
    audio, rate = soundfile.read(path, dtype="int16")
    assert rate == 22050 and audio.ndim == 1 and soundfile.info(path).subtype == "PCM_16"
    return audio


def test_a_wav_for_each_text_and_a_report(run, files, tmp_path, capsys):
    assert run() == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["0000.wav", "0001.wav", "0002.wav", "report.json"]
    report = report_of(out)
    assert [row["text"] for row in report["results"]] == ["Hello there.", "Good night.", "And a third one."]
    for index, row in enumerate(report["results"]):
        assert (row["index"], row["wav"], row["nfe"]) == (index, f"{index:04d}.wav", 2)
        audio = samples(out / row["wav"])
        assert len(audio) == row["frames"] * 256 and row["seconds"] == len(audio) / 22050 and audio.any()
        assert row["rtf"] == pytest.approx((row["mel_seconds"] + row["vocoder_seconds"]) / row["seconds"])
        assert (row["speaker"], row["emotion"], row["pieces"]) == ("anna", "neutral", 1)
    settings = report["settings"]
    assert settings["checkpoint"] == str(files.checkpoint) and settings["step"] == 5
    assert (settings["steps"], settings["temperature"], settings["seed"]) == (2, 2.0, 0)
    assert report["totals"]["texts"] == 3
    shown = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in shown[:3]] == ["0000", "0001", "0002"]
    assert all("RTF" in line for line in shown[:3]) and "Hello there." in shown[0]
    assert str(out) in shown[-1] and "3 texts" in shown[-1]


def test_the_same_seed_gives_the_same_files(run, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert run(out=tmp_path / name, seed=seed) == 0
    for number in range(3):
        a, b, c = ((tmp_path / name / f"{number:04d}.wav").read_bytes() for name in "abc")
        assert a == b and a != c


def test_texts_from_standard_input(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO("Café — hello!\n".encode())))
    assert run(file="-") == 0
    assert [row["text"] for row in report_of(tmp_path / "out")["results"]] == ["Café — hello!"]


def test_a_line_may_name_speaker_emotion_and_reference(run, tmp_path):
    write_wav(tmp_path / "ref.wav", voice_like(1.0, 120), 22050)
    texts = tmp_path / "texts.txt"
    texts.write_text("Hello there.|bert|angry\nHello there.\nHello there.|||ref.wav\n")
    assert run(file=texts, speaker="7") == 0
    rows = report_of(tmp_path / "out")["results"]
    assert [(row["speaker"], row["emotion"]) for row in rows] == [("bert", "angry"), ("7", "neutral"), ("7", "neutral")]
    assert run(file=texts, speaker="7", ref=tmp_path / "ref.wav", out=tmp_path / "all") == 0
    same = [
        (tmp_path / "out" / f"{i:04d}.wav").read_bytes() == (tmp_path / "all" / f"{i:04d}.wav").read_bytes()
        for i in range(3)
    ]
    assert same == [False, False, True]


@pytest.mark.parametrize("of_a_line", [False, True])
def test_a_recording_that_the_run_would_write_over_is_refused(run, tmp_path, capsys, of_a_line):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("0000_b.wav", "mine.wav"):
        write_wav(out / name, voice_like(1.0, 120), 22050)
    texts = tmp_path / "texts.txt"
    texts.write_text("Hello there.|||out/0000_b.wav\n" if of_a_line else "Hello there.\n")
    given = {"file": texts} if of_a_line else {"file": texts, "ref": out / "0000_b.wav"}
    assert run(**given) == 2
    assert "give another --out" in capsys.readouterr().err and (out / "0000_b.wav").exists()
    assert run(**given, out=tmp_path / "other") == 0
    texts.write_text("Hello there.\n")
    assert run(file=texts, ref=out / "mine.wav") == 0 and (out / "mine.wav").exists()


def test_options_reach_the_model(run, tmp_path):
    assert run("-s", 1, emotion="angry", temperature=3, length_scale=2, guidance_scale=1.5, seed=9) == 0
    report = report_of(tmp_path / "out")
    settings = {"steps": 2, "temperature": 3.0, "length_scale": 2.0, "guidance_scale": 1.5, "seed": 9}
    assert {name: report["settings"][name] for name in settings} == settings
    assert [(row["speaker"], row["emotion"], row["nfe"]) for row in report["results"]] == [("bert", "angry", 4)] * 3


def test_pictures_on_request(run, tmp_path):
    assert run("--plots") == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["0000.png", "0001.png", "0002.png"]


def test_threads(run, tmp_path):
    before = torch.get_num_threads()
    try:
        assert run(threads=1) == 0
        assert report_of(tmp_path / "out")["settings"]["threads"] == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_long_text_says_that_it_was_split(run, tmp_path, capsys):
    texts = tmp_path / "long.txt"
    texts.write_text("This sentence is spoken again and again, as it seems. " * 6)
    assert run(file=texts, timesteps=1) == 0
    assert report_of(tmp_path / "out")["results"][0]["pieces"] == 6
    assert "(6 pieces)" in capsys.readouterr().out


def test_an_official_checkpoint_speaks_and_takes_no_reference(run, tmp_path, capsys):
    torch.save(random_state(1, 5), tmp_path / "grad-tts.pt")
    (tmp_path / "one.txt").write_text("Hello.\n")
    given = {"checkpoint": tmp_path / "grad-tts.pt", "file": tmp_path / "one.txt", "timesteps": 1}
    assert run(**given) == 0
    report = report_of(tmp_path / "out")
    assert len(report["results"]) == 1 and samples(tmp_path / "out" / "0000.wav").any()
    assert (report["settings"]["sampler"], report["settings"]["temperature"]) == ("euler", 1.5)
    capsys.readouterr()
    write_wav(tmp_path / "ref.wav", voice_like(1.0, 120), 22050)
    assert run(**given, ref=tmp_path / "ref.wav") == 2
    assert "takes no reference" in capsys.readouterr().err


def test_a_multi_speaker_official_checkpoint_says_whom_it_took(run, tmp_path, capsys):
    torch.save({"model": {f"module.{key}": value for key, value in random_state(247, 5).items()}}, tmp_path / "x.pt")
    (tmp_path / "one.txt").write_text("Hello.\n")
    given = {"checkpoint": tmp_path / "x.pt", "file": tmp_path / "one.txt", "timesteps": 1}
    assert run(**given) == 0
    scale = (
        "note: these weights do not tell their time scale, so it is 1000; grad-tts-old.pt needs 1: --time-scale 1, "
        "or in training estimator.pe_scale=1"
    )
    chosen = "note: no speaker was given, so speaker 0 of 0 to 246 speaks; choose with -s"
    assert capsys.readouterr().err.splitlines() == [scale, chosen]
    first = samples(tmp_path / "out" / "0000.wav")
    assert run(**given, speaker=0, time_scale=1000) == 0
    assert capsys.readouterr().err == "" and (samples(tmp_path / "out" / "0000.wav") == first).all()
    assert run(**given, speaker=0, time_scale=1) == 0
    assert capsys.readouterr().err == "" and (samples(tmp_path / "out" / "0000.wav") != first).any()


BAD = {
    "a time scale for a model that has none": ({"time_scale": 1}, "only official checkpoints have a time scale"),
    "no such text file": ({"file": "nowhere.txt"}, "nowhere.txt"),
    "no text option": ({"file": None}, "-f/--file"),
    "no text in it": ({"file": "EMPTY"}, "holds no text"),
    "nothing to speak": ({"file": "MARKS"}, "marks.txt:1: nothing to speak"),
    "five columns": ({"file": "COLUMNS"}, "columns.txt:1"),
    "not UTF-8": ({"file": "LATIN"}, "not UTF-8"),
    "a folder of texts": ({"file": "."}, "directory"),
    "no such checkpoint": ({"checkpoint": "nowhere.pt"}, "nowhere.pt: no such file"),
    "an empty checkpoint": ({"checkpoint": "EMPTY"}, "empty"),
    "text as checkpoint": ({"checkpoint": "DOTS"}, "dots.txt"),
    "another's checkpoint": ({"checkpoint": "FOREIGN"}, "neither"),
    "no such vocoder": ({"vocoder": "nowhere"}, "nowhere: no such vocoder file"),
    "text as vocoder": ({"vocoder": "DOTS"}, "vocoder"),
    "unknown speaker": ({"speaker": "carl"}, "this model has anna, bert, 7"),
    "speaker id too large": ({"speaker": "3"}, "this model has anna, bert, 7"),
    "unknown emotion": ({"emotion": "bored"}, "this model has angry, neutral"),
    "a line's unknown speaker": ({"file": "CARL"}, "carl.txt:1: there is no speaker 'carl'"),
    "a line's missing reference": ({"file": "NOREF"}, "noref.txt:1"),
    "no such reference": ({"ref": "nowhere.wav"}, "nowhere.wav: no such file"),
    "text as reference": ({"ref": "DOTS"}, "cannot be read as audio"),
    "a short reference": ({"ref": "SHORT"}, "lasts 0.10 s"),
    "a silent reference": ({"ref": "SILENT"}, "no voiced frame"),
    "zero steps": ({"timesteps": 0}, "steps must be"),
    "half a step": ({"timesteps": 0.5}, "--timesteps"),
    "steps in words": ({"timesteps": "ten"}, "--timesteps"),
    "temperature 0": ({"temperature": 0}, "temperature must be"),
    "temperature nan": ({"temperature": "nan"}, "temperature must be"),
    "negative length scale": ({"length_scale": "-1"}, "length_scale must be"),
    "infinite guidance": ({"guidance_scale": "inf"}, "guidance_scale must be"),
    "negative seed": ({"seed": -1}, "seed must be"),
    "seed too large": ({"seed": 2**64}, "seed must be"),
    "no threads": ({"threads": 0}, "threads must be"),
    "unknown device": ({"device": "tpu"}, "--device"),
    "a file as output folder": ({"out": "DOTS"}, "output folder"),
    "an unknown option": ({"nonsense": 1}, "--nonsense"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_2(run, tmp_path, capsys, changes, message):
    contents = {
        "EMPTY": ("empty.txt", b""),
        "DOTS": ("dots.txt", b"Hello.\n...\n"),
        "MARKS": ("marks.txt", b"?!\n"),
        "COLUMNS": ("columns.txt", b"a|b|c|d|e\n"),
        "LATIN": ("latin.txt", b"caf\xe9\n"),
        "CARL": ("carl.txt", b"Hello.|carl\n"),
        "NOREF": ("noref.txt", b"Hello.|||nowhere.wav\n"),
    }
    paths = {}
    for key, (name, content) in contents.items():
        paths[key] = tmp_path / name
        paths[key].write_bytes(content)
    for key, audio in (("SHORT", voice_like(0.1, 150)), ("SILENT", np.zeros(22050))):
        paths[key] = tmp_path / f"{key}.wav"
        write_wav(paths[key], audio, 22050)
    paths["FOREIGN"] = tmp_path / "foreign.pt"
    torch.save({"a": torch.zeros(2)}, paths["FOREIGN"])
    changes = {name: paths.get(value, value) if isinstance(value, str) else value for name, value in changes.items()}
    assert run(**changes) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert message in captured.err and captured.out == ""
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_refused(run, capsys):
    assert run(device="cuda") == 2
    assert "no usable GPU" in capsys.readouterr().err


def test_bad_arguments_are_reported_before_torch_is_imported(files):
    script = (
        "import sys; from inference import main; code = main(sys.argv[1:]); assert 'torch' not in sys.modules; "
        "raise SystemExit(code)"
    )
    command = [sys.executable, "-c", script, "-f", str(files.texts), "-c", "nowhere.pt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr == "error: nowhere.pt: no such file; check the path\n"
