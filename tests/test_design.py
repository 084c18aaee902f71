"""The two ways in docs/design.md are those that runs take: at most ten stops each, called in this order."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType

import pytest

import inference
import train_multi_speaker

from .documentation import ROOT
from .test_train_script import arguments
from .tiny_corpus import write_corpus
from .tiny_synthesiser import write_tiny_files


def stops(heading: str) -> list[str]:
    """`path: function`, as the page has them."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^(\d+)\. `(\S+: [\w.]+)`", section, re.MULTILINE)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    assert len(found) == len(re.findall(r"^\d+\.", section, re.MULTILINE))
    return [stop for _, stop in found]


def called(run: Callable[[], int]) -> list[str]:
    """The project's functions that a run calls, by their first calls."""
    order: dict[str, None] = {}

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            path = frame.f_code.co_filename[len(str(ROOT)) + 1 :]
            order.setdefault(f"{path}: {frame.f_code.co_qualname}")

    sys.setprofile(watch)
    try:
        assert run() == 0
    finally:
        sys.setprofile(None)
    return list(order)


def speak(folder) -> int:
    files = write_tiny_files(folder, "Good night.\n")
    given = ["-f", files.texts, "-c", files.checkpoint, "--vocoder", files.vocoder, "-o", folder / "out"]
    return inference.main([str(argument) for argument in given])


def train(folder) -> int:
    corpus = write_corpus(folder / "corpus")
    return train_multi_speaker.main(arguments(corpus, folder / "log", steps=1, encoder_steps=0))


@pytest.mark.parametrize(
    ("heading", "run"),
    [("From a text to a wav", speak), ("From a batch to its losses", train)],
    ids=["text", "batch"],
)
def test_a_run_makes_the_stops_of_the_page(heading, run, tmp_path):
    on_the_page = stops(heading)
    assert 5 < len(on_the_page) <= 10
    order = called(lambda: run(tmp_path))
    assert [stop for stop in on_the_page if stop not in order] == []
    assert sorted(on_the_page, key=order.index) == on_the_page
