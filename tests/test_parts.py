"""What is taken of recordings, by one style and by two, and what the command line says of it."""

from __future__ import annotations

import json
import shutil
from argparse import ArgumentTypeError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data.pitch
from common.errors import InputError
from data.audio import write_wav
from inference import main
from synthesis.parts import MANNER, MELODY, PARTS, VOICE, Given, parse_parts, shared_with
from tests.tiny_synthesiser import voice_like, write_tiny_checkpoint, write_tiny_files

X, Y = [Path("x.wav")], [Path("y.wav"), Path("z.wav")]


@given(st.permutations(PARTS), st.integers(1, 3))
def test_some_of_the_parts_in_any_order(parts: list[str], count: int):
    assert parse_parts(" , ".join(parts[:count])) == tuple(parts[:count])


@pytest.mark.parametrize("text", ["", "face", "voice,", "voice,voice", "voice manner", "voice,face", "Voice"])
def test_what_is_no_part_is_refused(text: str):
    with pytest.raises(ArgumentTypeError, match="must be some of voice, manner, melody, by comma"):
        parse_parts(text)


@pytest.mark.parametrize(
    ("style", "hears", "line"),
    [
        (Given(ref=X), True, "voice, manner, melody of x.wav"),
        (Given("ann", ref=X), True, "manner, melody of x.wav; voice of ann"),
        (Given(emotion="sad", ref=Y), True, "voice, melody of y.wav and z.wav; manner: sad"),
        (
            Given(ref=Y * 2, take=(VOICE,)),
            True,
            "voice of y.wav and 3 others; manner: calm; the melody is the text's own",
        ),
        (Given(ref=X), False, "melody, timbre of x.wav; voice of bob; manner: calm"),
        (Given("ann"), True, "voice of ann; manner: calm; the melody is the text's own"),
    ],
)
def test_one_line_says_what_comes_from_where(style: Given, hears: bool, line: str):
    assert style.sources("bob", "calm", hears) == line


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Given("ann", "sad"), Given("bob"), Given("bob", "sad")),
        (Given("ann"), Given(emotion="sad"), Given("ann", "sad")),
        (Given("ann", "sad"), Given(ref=X), Given(None, None, X, PARTS)),
        (Given("ann", "sad"), Given(ref=X, take=(MANNER,)), Given("ann", None, X, (MANNER,))),
        (Given("ann", "sad"), Given("bob", ref=X), Given("bob", None, X, (MANNER, MELODY))),
        (Given(ref=X), Given("bob"), Given("bob")),
        (Given(ref=X), Given(emotion="sad"), Given(None, "sad", X, (VOICE,))),
        (Given(ref=X), Given(ref=Y), Given(None, None, Y, PARTS)),
        (Given("ann"), Given(ref=Y, take=(MELODY,)), Given("ann", None, Y, (MELODY,))),
        (Given("ann", ref=X), Given(emotion="sad"), Given("ann", "sad")),
    ],
)
def test_what_b_is_not_given_it_shares_with_a(a: Given, b: Given, expected: Given):
    found = shared_with(a, b, hears=True)
    assert (found.speaker, found.emotion, found.ref) == (expected.speaker, expected.emotion, expected.ref)
    assert set(found.take or ()) == set(expected.take or ())


def test_b_cannot_have_its_voice_from_one_recording_and_its_melody_from_another():
    with pytest.raises(InputError, match="b's voice is nobody's"):
        shared_with(Given(ref=X), Given(ref=Y, take=(MELODY,)), hears=True)


def test_without_ears_b_has_names_and_its_own_melody():
    assert shared_with(Given("ann", ref=X), Given(emotion="sad"), hears=False) == Given("ann", "sad")
    assert shared_with(Given("ann"), Given(ref=X), hears=False) == Given("ann", None, X, (MELODY,))
    with pytest.raises(InputError, match="hears no voice"):
        shared_with(Given("ann"), Given(ref=X, take=(VOICE,)), hears=False)


# ------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("models")
    files = write_tiny_files(folder, "Hello there, my friend.\n")
    files.hearing = write_tiny_checkpoint(folder / "hearing.pt", voice_channels=8)
    for name, hz in (("x", 110), ("y", 170), ("z", 150)):
        write_wav(folder / f"{name}.wav", voice_like(2.5, hz), 22050)
    return files


@pytest.fixture
def run(files, tmp_path, monkeypatch):
    monkeypatch.chdir(files.folder)

    def call(*more: str, checkpoint: Path = files.hearing) -> int:
        named = ["-f", files.texts, "-c", checkpoint, "--vocoder", files.vocoder, "-t", 1, "--device", "cpu"]
        try:
            return main([*map(str, named), "-o", str(tmp_path / "out"), *more])
        except SystemExit as ended:
            return ended.code

    return call


def report_of(folder: Path) -> dict:
    return json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))


def test_parts_of_several_recordings(run, tmp_path, capsys):
    assert run("--ref", "x.wav", "y.wav", "--ref", "z.wav", "--take", "voice,manner") == 0
    error = capsys.readouterr().err
    assert "note: style: voice, manner of x.wav and 2 others; the melody is the text's own\n" in error
    report = report_of(tmp_path)
    assert report["settings"]["ref"] == ["x.wav", "y.wav", "z.wav"]
    assert report["settings"]["take"] == ["voice", "manner"] and report["settings"]["ref2"] is None
    assert (report["results"][0]["speaker"], report["results"][0]["emotion"]) == ("x", "x")


def test_a_name_keeps_its_voice(run, tmp_path, capsys):
    assert run("--ref", "x.wav", "-s", "bert") == 0
    assert "note: style: manner, melody of x.wav; voice of bert\n" in capsys.readouterr().err
    (row,) = report_of(tmp_path)["results"]
    assert (row["speaker"], row["emotion"]) == ("bert", "x")


def test_the_columns_of_a_line_win_over_what_is_taken(run, files, tmp_path):
    (tmp_path / "texts.txt").write_text(f"One.|bert\nTwo.||angry\nThree.|||{files.folder / 'y.wav'}\n")
    assert run("--ref", "x.wav", "--take", "voice,manner", "-f", str(tmp_path / "texts.txt")) == 0
    rows = report_of(tmp_path)["results"]
    assert [(row["speaker"], row["emotion"]) for row in rows] == [("bert", "x"), ("x", "angry"), ("y", "y")]


def test_recordings_of_some_lines_may_be_in_other_shares_of_the_list(run, files, tmp_path):
    lines = [f"Number {number}." for number in range(5)]
    (tmp_path / "texts.txt").write_text("\n".join([*lines, f"The last.|||{files.folder / 'y.wav'}"]))
    given = ["--take", "voice", "-f", str(tmp_path / "texts.txt")]
    for more in (["--workers", "2"], ["--shard", "1/6"]):
        assert run(*given, *more) == 0
    assert report_of(tmp_path)["results"][-1]["speaker"] == "y"
    assert run(*given, "--shard", "6/6") == 0
    assert run(*given, "--shard", "1/6", "--workers", "2", "--strict") == 0


def test_a_lines_recording_that_is_none_costs_that_line(run, files, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text(f"One.\nTwo.|||{files.texts}\nThree.|||{files.folder / 'y.wav'}\n")
    assert run("-f", str(tmp_path / "texts.txt")) == 3
    error = capsys.readouterr().err
    assert "1 bad line skipped" in error and "texts.txt:2" in error
    assert len(report_of(tmp_path)["results"]) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--take", "voice"], "without a recording to take it from"),
        (["--ref", "x.wav", "--take", "face"], "must be some of voice, manner, melody"),
        (["--ref", "x.wav", "--take", "voice", "-s", "bert"], "the speaker is given too"),
        (["--ref", "x.wav", "none.wav"], "none.wav: no such file"),
        (["--take2", "voice", "-s2", "bert"], "--take2 needs a recording"),
        (["--ref2", "x.wav", "--take2", "manner", "--emotion2", "angry"], "the emotion is given too"),
        (["--from-a", "voice"], "--from-a needs a second style"),
        (["-s2", "bert", "--from-a", "voice"], "--from-a belongs to --interp same-time"),
        (["-s2", "bert", "--interp", "frequency", "--from-a", "nose"], "from_a must be some of pitch, energy"),
    ],
)
def test_what_cannot_be_taken_is_one_line(run, capsys, given: list[str], message: str):
    assert run(*given) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("error:") == 1


@pytest.mark.parametrize("parts", ["voice", "manner,melody"])
def test_a_checkpoint_without_ears_refuses_voices_and_manners(run, files, capsys, parts: str):
    assert run("--ref", "x.wav", "--take", parts, checkpoint=files.checkpoint) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"this checkpoint hears no {parts.split(',')[0]} in a recording" in line
    assert run("--ref", "x.wav", "--take", "melody", checkpoint=files.checkpoint) == 0


@pytest.mark.parametrize(
    ("given", "speakers", "lines"),
    [
        (
            ["--ref", "x.wav", "--ref2", "y.wav"],
            "x+y",
            ["a: voice, manner, melody of x.wav", "b: voice, manner, melody"],
        ),
        (["--ref", "x.wav", "-s2", "bert"], "x+bert", ["b: voice of bert; manner: neutral"]),
        (["-s", "bert", "--ref2", "x.wav"], "bert+x", ["a: voice of bert", "b: voice, manner, melody of x.wav"]),
        (["--ref", "x.wav", "--emotion2", "angry"], "x+x", ["b: voice of x.wav; manner: angry"]),
        (["-s", "bert", "--ref2", "x.wav", "--take2", "manner"], "bert+bert", ["b: manner of x.wav; voice of bert"]),
    ],
)
def test_two_styles_of_recordings_and_names(run, tmp_path, monkeypatch, capsys, given, speakers, lines):
    heard = lambda audio, params: np.full(len(audio) // params.hop_length, 140.0, dtype=np.float32)  # noqa: E731
    monkeypatch.setattr(data.pitch, "extract_f0", heard)
    assert run(*given, "--interp", "frequency", "--from-a", "pitch,voice") == 0
    error = capsys.readouterr().err
    assert all(f"note: {line}" in error for line in lines)
    report = report_of(tmp_path)
    assert report["results"][2]["speaker"] == speakers
    assert report["settings"]["interpolations"]["ab"]["from_a"] == "pitch,voice"


@pytest.mark.parametrize(
    ("text", "given", "speakers"),
    [
        ("Hello.|||x.wav", ["--emotion2", "angry"], "x+x"),  # as --ref does
        ("Hello.|||x.wav", ["--ref", "y.wav", "--emotion2", "angry"], "x+x"),
        ("Hello.|bert||x.wav", ["--emotion2", "angry"], "bert+bert"),
        ("Hello.|||x.wav", ["-s2", "bert"], "x+bert"),
        ("Hello.|||x.wav", ["--ref2", "y.wav"], "x+y"),
        ("Hello.", ["--emotion2", "angry"], "anna+anna"),
    ],
)
def test_a_recording_in_a_line_lends_b_its_voice(files, run, tmp_path, monkeypatch, text, given, speakers):
    heard = lambda audio, params: np.full(len(audio) // params.hop_length, 140.0, dtype=np.float32)  # noqa: E731
    monkeypatch.setattr(data.pitch, "extract_f0", heard)
    monkeypatch.setattr(files, "texts", tmp_path / "texts.txt")
    for recording in ("x.wav", "y.wav"):
        shutil.copy(files.folder / recording, tmp_path)
    files.texts.write_text(f"First.\n{text}\n")
    assert run(*given, "--interp", "temporal") == 0
    results = report_of(tmp_path)["results"]
    assert [row["speaker"] for row in results if row["index"] == 1][-1] == speakers


def test_a_line_cannot_lend_its_voice_to_a_b_with_another_melody(files, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "texts", files.folder / "lent.txt")
    files.texts.write_text("Hello.|||x.wav\n")
    assert run("--ref2", "y.wav", "--take2", "melody") == 2
    assert "b's voice is nobody's" in capsys.readouterr().err


def test_warnings_are_lines_and_in_the_report(run, files, tmp_path, capsys):
    quiet = np.clip(voice_like(0.8, 120), -0.05, 0.05)
    write_wav(tmp_path / "bad.wav", quiet, 22050)
    assert run("--ref", str(tmp_path / "bad.wav")) == 0
    error = capsys.readouterr().err.splitlines()
    warnings = report_of(tmp_path)["warnings"]
    assert [line.removeprefix("warning: ") for line in error if line.startswith("warning: ")] == warnings
    assert [one.split(": ")[1] for one in warnings][:2] == ["short", "clipped"]
    assert run() == 0 and report_of(tmp_path)["warnings"] == []


def test_a_list_says_what_recordings_are_good_for(files, capsys):
    for checkpoint, words in ((files.hearing, "voice, manner and melody"), (files.checkpoint, "melody and timbre")):
        assert main(["--list", "-c", str(checkpoint)]) == 0
        assert words in capsys.readouterr().out
