"""Kathleen: metadata.csv with `file|text|seconds`, wav/file; CMU ARCTIC sentences by one speaker, CC0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.files import read_lines
from data.corpora.reading import OnReject, expect
from data.filelist import Utterance


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of speaker `kathleen`."""
    folder = expect(source / "wav", "Kathleen")
    for line in read_lines(expect(source / "metadata.csv", "Kathleen")):
        if not line.strip():
            continue
        name, text, *_ = [*line.split("|"), ""]
        if (folder / name).is_file():
            yield Utterance(folder / name, text.strip(), "kathleen")
        else:
            on_reject(folder / name, "no audio file")
