"""Two hundred random command lines through the scripts' `main`; `python -m tests.fuzz` runs more of them."""

from __future__ import annotations

import pytest
import torch

from .fuzz.cases import make_world
from .fuzz.driver import CODES, End, complaint, run_case

CASES = 200
PARTS = 10  # so that several processes share them


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("fuzz") / "world")


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_given_ends_in_one_line_and_a_code(world, part):
    threads = torch.get_num_threads()
    wrong = []
    try:
        for seed in range(part, CASES, PARTS):
            case, end, words = run_case(world, world.folder.parent, seed)
            if words:
                wrong.append(f"seed {seed}: {words}\n{case.script} {case.arguments}\n{end.output[-2000:]}")
    finally:
        torch.set_num_threads(threads)
    assert not wrong, "\n\n".join(wrong)


ERROR = "error: no such file\n"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (End(2, ERROR, 1, 0), None),
        (End(0, "done\n", 1, 0), None),
        (End(None, "", 60, 0), "not at its end"),
        (End(1, "Traceback (most recent call last):\n", 1, 0), "code 1"),
        (End(-9, "", 1, 0), "code -9"),
        (End(0, "Traceback (most recent call last):\n", 1, 0), "says 'Traceback'"),
        (End(2, "error: there is too little memory; give less\n", 1, 0), "too little memory"),
        (End(2, "", 1, 0), "code 2 with 0 lines"),
        (End(2, ERROR * 2, 1, 0), "code 2 with 2 lines"),
        (End(0, ERROR, 1, 0), "with a line of error"),
        (End(0, "\x1b]0;evil\x07", 1, 0), "says"),
        (End(0, "", 1, 4 * 2**30), "4.0 GB"),
    ],
)
def test_the_driver_sees_what_is_wrong(end, words):
    found = complaint(end, {}, {})
    assert found is None if words is None else words in found


def test_the_driver_sees_what_is_written_elsewhere():
    assert "wrote ['b']" in complaint(End(0, "", 1, 0), {"a": (1, 1)}, {"a": (1, 1), "b": (1, 2)})
    assert "wrote ['a']" in complaint(End(0, "", 1, 0), {"a": (1, 1)}, {"a": (1, 2)})
    assert CODES == (0, 2, 3)
