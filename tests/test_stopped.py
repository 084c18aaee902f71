"""Speaking and preparing are killed, stopped and cut off: nothing is half there, and the same command goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

import inference
import prepare_data
from data.audio import _is_cut_short as is_cut_short

from .tiny_synthesiser import voice_like, write_tiny_files
from .training_process import Run

TEXTS = [f"Number {number} of the day." for number in range(12)]


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    write_tiny_files(folder, "".join(f"{text}\n" for text in TEXTS))
    (folder / "source" / "anna").mkdir(parents=True)
    for number in range(12):
        soundfile.write(folder / "source" / "anna" / f"{number}.wav", voice_like(0.8, 110 + 5 * number), 22050)
        (folder / "source" / "anna" / f"{number}.txt").write_text(f"Day {number}.\n")
    return folder


def speaking(given: Path, out: Path, *more: str) -> list[str]:
    named = {"-f": given / "texts.txt", "-c": given / "tiny.pt", "--vocoder": given / "vocoder" / "generator"}
    named |= {"-o": out, "-t": 20, "--device": "cpu", "--threads": 1}
    return [*(str(part) for pair in named.items() for part in pair), *more]


def preparing(given: Path, folder: Path) -> list[str]:
    return ["folder", str(given / "source"), "--out", str(folder / "corpus"), "--cache", str(folder / "cache")]


def wait_for(pattern: str, folder: Path, count: int, run: Run) -> None:
    while len(list(folder.glob(pattern))) < count and run.process.is_alive():
        time.sleep(0.002)


def killed_or_done(run: Run) -> None:
    """Kill a run, unless it has come to its end while we waited."""
    with suppress(ProcessLookupError):
        os.kill(run.pid, signal.SIGKILL)
    assert run.wait() in (-signal.SIGKILL, 0), run.text


def assert_whole(out: Path) -> None:
    """Every recording is all there, and every row of the report has one."""
    for wav in out.glob("*.wav"):
        assert soundfile.info(wav).frames > 5000 and not is_cut_short(wav)
    if (out / "report.json").exists():
        for row in json.loads((out / "report.json").read_text())["results"]:
            assert (out / row["wav"]).exists()


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


@pytest.mark.parametrize(("kills", "more"), [(1, ()), pytest.param(20, ("--plots",), marks=pytest.mark.slow)])
def test_speaking_that_is_killed_leaves_whole_files(given, tmp_path, kills, more):
    dice, out = random.Random(kills), tmp_path / "out"
    for number in range(kills):
        run = Run(speaking(given, out, *more), tmp_path / f"{number}.txt", script="inference")
        wait_for("*.wav", out, dice.randint(0, 3), run)
        time.sleep(dice.uniform(0, 0.1))
        killed_or_done(run)
        assert_whole(out)
    assert inference.main(speaking(given, out)) == 0
    assert len(list(out.glob("*.wav"))) == len(TEXTS) and not leftovers(out)
    assert len(json.loads((out / "report.json").read_text())["results"]) == len(TEXTS)


@pytest.mark.parametrize(
    ("more", "number"),
    [
        *(((), number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        (("--stream",), signal.SIGINT),
        (("--emotion2", "angry"), signal.SIGTERM),
        *(pytest.param(("--stream",), number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGHUP)),
    ],
)
def test_speaking_that_is_asked_to_stop_ends_with_a_report(given, tmp_path, number, more):
    out = tmp_path / "out"
    run = Run(speaking(given, out, *more), tmp_path / "output.txt", script="inference")
    wait_for("*.wav", out, 3, run)
    os.kill(run.pid, number)
    assert run.wait(60) == 130, run.text
    assert run.text.endswith("stopped; what is finished stays\n") and "Traceback" not in run.text
    assert_whole(out)
    assert not leftovers(out) and json.loads((out / "report.json").read_text())["results"]


def assert_same_corpus(folder: Path, other: Path) -> None:
    for name in ("train.txt", "valid.txt", "speakers.txt", "emotions.txt", "summary.txt", "rejects.txt"):
        assert (folder / "corpus" / name).read_bytes() == (other / "corpus" / name).read_bytes()
    entries, others = ({p.relative_to(f / "cache") for p in f.glob("cache/*/*.npz")} for f in (folder, other))
    assert entries == others and len(entries) == 12
    for entry in entries:
        with np.load(folder / "cache" / entry) as own, np.load(other / "cache" / entry) as expected:
            assert all(np.array_equal(own[name], expected[name]) for name in expected.files)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_preparation_that_is_killed_goes_on(given, tmp_path, kills):
    dice, killed, whole = random.Random(kills), tmp_path / "killed", tmp_path / "whole"
    for number in range(kills):
        run = Run(preparing(given, killed), tmp_path / f"{number}.txt", script="prepare_data")
        wait_for("cache/*/*.npz", killed, dice.randint(0, 12), run)
        time.sleep(dice.uniform(0, 0.05))
        killed_or_done(run)
    assert prepare_data.main(preparing(given, killed)) == 0
    assert prepare_data.main(preparing(given, whole)) == 0
    assert_same_corpus(killed, whole)
    assert not leftovers(killed / "corpus")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_preparation_that_is_asked_to_stop_goes_on(given, tmp_path, number):
    run = Run(preparing(given, tmp_path), tmp_path / "output.txt", script="prepare_data")
    wait_for("cache/*/*.npz", tmp_path, 2, run)
    os.kill(run.pid, number)
    assert run.wait(60) == 130, run.text
    assert "the same command resumes" in run.text and "Traceback" not in run.text
    assert not leftovers(tmp_path)
    assert prepare_data.main(preparing(given, tmp_path)) == 0


# ------------------------------------------------------------- names and readers


def close_output() -> None:
    """As a reader that has seen enough."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


def test_a_reader_that_leaves_is_one_line(given, tmp_path):
    run = Run(speaking(given, tmp_path / "out"), tmp_path / "output.txt", prepare=close_output, script="inference")
    assert run.wait(60) == 2
    assert run.text == "error: the reader of the output is gone; what is finished stays\n"
    assert_whole(tmp_path / "out")
    assert not leftovers(tmp_path / "out")


def test_names_that_are_no_utf_8(given, tmp_path, capsys):
    """Of folders, lists and models they are used; a filelist cannot hold one, so such a recording is rejected."""
    place = tmp_path / os.fsdecode(b"caf\xe9\x1b")
    place.mkdir()
    for name in ("tiny.pt", "texts.txt", "vocoder"):
        (place / name).symlink_to(given / name)
    argv = speaking(place, place / "out")
    argv[argv.index("-t") + 1] = "1"
    assert inference.main(argv) == 0
    report = json.loads((place / "out" / "report.json").read_text())
    assert len(report["results"]) == len(TEXTS) and report["settings"]["checkpoint"] == str(place / "tiny.pt")
    source = place / "source" / "anna"
    shutil.copytree(given / "source" / "anna", source)
    argv = preparing(place, tmp_path / "prepared")
    assert prepare_data.main(argv) == 2
    shown = "".join(capsys.readouterr())
    assert "\x1b" not in shown and "\\udce9" in shown and "cannot stand in a filelist" in shown
    argv[1] = str(shutil.move(place / "source", tmp_path / "source"))
    for name in (os.fsdecode(b"caf\xe9"), "a|b", "a\nb"):
        for suffix in (".wav", ".txt"):
            shutil.copy(given / "source" / "anna" / f"0{suffix}", tmp_path / "source" / "anna" / f"{name}{suffix}")
    assert prepare_data.main(argv) == 0
    assert (tmp_path / "prepared" / "corpus" / "rejects.txt").read_text().count("cannot stand in a filelist") == 3
