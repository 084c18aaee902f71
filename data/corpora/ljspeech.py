"""LJSpeech 1.1: metadata.csv with `id|text|normalised text`, wavs/id.wav; one speaker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.files import read_lines
from data.corpora.reading import OnReject, expect
from data.filelist import Utterance


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of speaker `LJ`, with the normalised text."""
    folder = expect(source / "wavs", "LJSpeech")
    for line in read_lines(expect(source / "metadata.csv", "LJSpeech")):
        if not line.strip():
            continue
        name, *texts = line.split("|")  # the file has no quoting
        wav = folder / f"{name}.wav"
        if not wav.is_file():
            on_reject(wav, "no audio file")
        else:
            yield Utterance(wav, texts[-1].strip() if texts else "", "LJ")
