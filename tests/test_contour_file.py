"""Melodies as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from synthesis.contour_file import Contour, read_contour, write_contour

FRAME = 256 / 22050


def read(tmp_path: Path, content: str | bytes):
    path = tmp_path / "melody.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_contour(path)


def test_forms_of_a_line(tmp_path: Path):
    found = read(tmp_path, "seconds,hz\n# made by hand\n0.0, 100\n\n0.5\t0\n1 200.5\n2;150\n")
    assert found.seconds == (0.0, 1.0, 2.0) and found.hz == (100.0, 200.5, 150.0)


def test_points_are_joined_in_semitones_and_held_outside(tmp_path: Path):
    found = read(tmp_path, "1 100\n3 400\n")
    hz = np.exp(found.log_f0(8, 0.5))  # middles at .25, .75, ...
    assert np.allclose(
        hz,
        [
            100,
            100,
            100 * 4 ** (0.25 / 2),
            100 * 4 ** (0.75 / 2),
            100 * 4 ** (1.25 / 2),
            100 * 4 ** (1.75 / 2),
            400,
            400,
        ],
    )
    assert np.allclose(found.log_f0(4, 0.5, start=1.0), found.log_f0(6, 0.5)[2:])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.just(0.0), st.floats(60, 500)), min_size=1, max_size=80).filter(any))
def test_a_written_contour_is_the_same_at_its_voiced_frames(tmp_path_factory, f0: list[float]):
    path = tmp_path_factory.mktemp("contour") / "f0.csv"
    write_contour(path, np.array(f0), FRAME)
    found = np.exp(read_contour(path).log_f0(len(f0), FRAME))
    voiced = np.array(f0) > 0
    assert np.allclose(found[voiced], np.array(f0)[voiced], rtol=1e-4)
    assert found.min() > 59 and found.max() < 501


@pytest.mark.parametrize("names", ["time f0", "t,F0", "time_s;f0_hz", "Time(s),F0(Hz)", "time,f0,voiced"])
def test_a_first_line_of_names_is_skipped(tmp_path: Path, names: str):
    assert read(tmp_path, f"{names}\n0 100\n") == Contour((0.0,), (100.0,))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no voiced point"),
        ("0 0\n1 0\n", "no voiced point"),
        ("0 100\n0 120\n", ":2: the time 0 does not ascend"),
        ("1 100\n0 120\n", ":2: the time 0 does not ascend"),
        ("-1 100\n", ":1: the time -1"),
        ("0 100 3\n", ":1: expected seconds and Hz"),
        ("0 100\nseconds hz\n", ":2: expected seconds and Hz"),
        ("nan 100\n", ":1: expected seconds and Hz"),
        ("0 nan\n", ":1: expected seconds and Hz"),
        ("0 10\n", ":1: 10 Hz is no F0"),
        ("0 -100\n", ":1: -100 Hz is no F0"),
        (b"0 100\n\xff 100\n", ":2: byte 0xff is not UTF-8"),
    ],
)
def test_what_is_no_contour(tmp_path: Path, content: str | bytes, message: str):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_places_that_cannot_be_used(tmp_path: Path):
    with pytest.raises(InputError, match="check the path"):
        read_contour(tmp_path / "none.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_contour(tmp_path / "file" / "below.csv", np.array([100.0]), FRAME)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_any_file_is_read_or_refused_in_one_line(tmp_path_factory, content: str):
    path = tmp_path_factory.mktemp("contour") / "any.csv"
    path.write_text(content, encoding="utf-8", errors="replace")
    try:
        found = read_contour(path)
    except InputError as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert np.isfinite(found.log_f0(10, FRAME)).all()
