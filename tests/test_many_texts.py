"""Many texts: several processes, several machines, and the reports joined."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from common.arguments import shard as parse_shard
from data.audio import write_wav
from data.filelist import TextLine
from inference import main
from synthesis.shards import main as join
from synthesis.shards import report_name, shard_of
from tests.tiny_synthesiser import voice_like, write_tiny_files

TEXTS = "One day.\nTwo birds sing here!\n|||\nIs it so?\n?!\nIt is.\nGood night, Anna.\nAnd good morning.\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    return write_tiny_files(tmp_path_factory.mktemp("many"), TEXTS)


def arguments(files, out: Path, *more: object) -> list[str]:
    given = [
        "-f",
        files.texts,
        "-c",
        files.checkpoint,
        "--vocoder",
        files.vocoder,
        "-o",
        out,
        "-t",
        1,
        "--threads",
        1,
        *more,
    ]
    return [str(argument) for argument in given]


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert main(arguments(files, out)) == 3
    return out


def rows(report: Path) -> list[dict]:
    """Without what depends on the clock."""
    found = json.loads(report.read_text())["results"]
    return [
        {name: value for name, value in row.items() if not name.endswith("_seconds") and name != "rtf"} for row in found
    ]


def assert_same_sounds(out: Path, whole: Path) -> None:
    wavs = sorted(path.name for path in whole.glob("*.wav"))
    assert wavs == sorted(path.name for path in out.glob("*.wav")) and len(wavs) == 6
    for name in wavs:
        a, b = (soundfile.read(folder / name, dtype="int16")[0].astype(int) for folder in (out, whole))
        assert a.shape == b.shape and np.abs(a - b).max() <= 2, name


def test_workers_speak_what_one_process_does(files, whole, tmp_path, capfd):
    assert main(arguments(files, tmp_path, "--workers", 2, "--plots")) == 3
    said = capfd.readouterr()
    assert "2 bad lines skipped" in said.err and "texts.txt:5" in said.err
    assert_same_sounds(tmp_path, whole)
    assert rows(tmp_path / "report.json") == rows(whole / "report.json")
    assert len(list(tmp_path.glob("*.png"))) == 6


def test_two_styles_by_workers(files, tmp_path):
    assert main(arguments(files, tmp_path, "--workers", 2, "-s2", "bert")) == 3
    assert len(list(tmp_path.glob("*_ab.wav"))) == 6


def test_with_strict_workers_speak_nothing_of_a_list_with_a_bad_line(files, tmp_path, capsys):
    assert main(arguments(files, tmp_path / "out", "--workers", 2, "--strict")) == 2
    assert not (tmp_path / "out").exists() and "texts.txt:3" in capsys.readouterr().err


def test_with_strict_workers_say_first_what_two_styles_cannot_speak(files, tmp_path, capsys):
    texts = tmp_path / "texts.txt"
    texts.write_text("One.\nTwo.\nThree.\nFour.\nFive.\n<speak><voice name='bert'>Six.</voice></speak>\n")
    given = arguments(files, tmp_path / "out", "--workers", 2, "--strict", "-s2", "bert", "-f", texts)
    assert main(given) == 2
    assert not (tmp_path / "out").exists() and "texts.txt:6" in capsys.readouterr().err


def test_workers_say_first_what_is_wrong_with_an_option(files, tmp_path, capsys):
    """Of the fifth line, which alone has a recording, and is in another batch than the first."""
    recording = tmp_path / "a voice.wav"
    write_wav(recording, voice_like(1.0, 120), 22050)
    texts = tmp_path / "texts.txt"
    texts.write_text(f"One.\nTwo.\nThree.\nFour.\nFive.|||{recording}\n")
    given = arguments(files, tmp_path / "out", "--workers", 2, "--take", "voice", "-f", texts)
    assert main(given) == 2
    assert not (tmp_path / "out").exists() and capsys.readouterr().err.count("\n") == 1


def test_a_shard_of_bad_lines_is_joined_as_nothing(files, tmp_path, capsys):
    texts, out = tmp_path / "texts.txt", tmp_path / "out"
    texts.write_bytes(b"One.\n\xff\nThree.\n")
    codes = [main(arguments(files, out, "--shard", f"{number}/3", "-f", texts)) for number in (1, 2, 3)]
    assert set(codes) == {3} and "texts.txt:2" in capsys.readouterr().err
    assert join([str(out)]) == 0 and capsys.readouterr().out.endswith("report.json: 2 texts\n")


def test_shards_joined_are_the_whole(files, whole, tmp_path, capsys):
    for number in (1, 2, 3):
        assert main(arguments(files, tmp_path, "--shard", f"{number}/3")) in (0, 3)
    assert join([str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("report.json: 6 texts\n")
    assert_same_sounds(tmp_path, whole)
    assert rows(tmp_path / "report.json") == rows(whole / "report.json")
    totals = [json.loads((folder / "report.json").read_text())["totals"] for folder in (tmp_path, whole)]
    assert totals[0]["texts"] == totals[1]["texts"] == 6 and totals[0]["frames"] == totals[1]["frames"]


@pytest.mark.parametrize(
    ("reports", "message"),
    [
        ({}, "has no report of a shard"),
        ({"report.1-of-2.json": {}}, "lacks report.2-of-2.json"),
        ({"report.1-of-1.json": {}, "report.1-of-2.json": {}}, "has shards of 1 and of 2"),
        ({"report.1-of-1.json": []}, "has no list of results"),
        ({"report.1-of-1.json": {"results": [{}]}}, "has no settings"),
        ({"report.1-of-1.json": {"results": [{}], "settings": {}}}, "a row that inference.py did not write"),
        ({"report.1-of-1.json": {"results": [7], "settings": {}}}, "a row that inference.py did not write"),
        (
            {
                "report.1-of-2.json": {"results": [], "settings": {"seed": 1, "threads": 2}},
                "report.2-of-2.json": {"results": [], "settings": {"seed": 2, "threads": 4}},
            },
            "was spoken with another seed than report.1-of-2.json",
        ),
        ({"report.1-of-1.json": {"results": [], "settings": {}}}, "no shard has a text that could be spoken"),
    ],
)
def test_reports_that_cannot_be_joined_are_one_line(reports, message, tmp_path, capsys):
    for name, report in reports.items():
        (tmp_path / name).write_text(json.dumps(report))
    assert join([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_folder_that_is_not_there_is_one_line(tmp_path, capsys):
    assert join([str(tmp_path / "none")]) == 2 and "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/100000", ""])
def test_what_is_no_shard_is_one_line(files, tmp_path, capsys, shard):
    with pytest.raises(SystemExit) as end:
        main(arguments(files, tmp_path, f"--shard={shard}"))
    assert end.value.code == 2 and "is no shard such as 2/4" in capsys.readouterr().err


def test_a_shard_without_a_text_and_a_stream_by_workers_are_one_line(files, tmp_path, capsys):
    assert main(arguments(files, tmp_path, "--shard", "9/9")) == 2
    assert "shard 9/9 has no text" in capsys.readouterr().err
    assert main(arguments(files, tmp_path, "--workers", 2, "--stream")) == 2
    assert "leave it out, or --workers" in capsys.readouterr().err


@given(st.integers(0, 40), st.integers(1, 12))
def test_every_text_is_in_one_shard(texts, count):
    lines = [TextLine(index, index + 1, "x") for index in range(texts)]
    found = []
    for which in range(1, count + 1):
        shard = parse_shard(f"{which}/{count}")
        if which <= texts:
            found += shard_of(lines, shard)
    assert sorted(line.index for line in found) == list(range(texts))
    assert report_name(None) == "report.json"
