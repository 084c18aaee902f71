"""LJSpeech 1.1: metadata.csv with `id|text|normalised text`, wavs/id.wav; one speaker.

Corpora in its likeness may have other audio formats, and may name the files with their suffix.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.files import read_lines
from data.corpora.reading import OnReject, expect, find_audio
from data.filelist import Utterance


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of speaker `LJ`, with the normalised text."""
    folder = expect(source / "wavs", "LJSpeech")
    for line in read_lines(expect(source / "metadata.csv", "LJSpeech")):
        if not line.strip():
            continue
        name, *texts = line.split("|")  # the file has no quoting
        wav = find_audio(folder, name.strip())
        if wav is None:
            on_reject(folder / name, "no audio file")
        else:
            yield Utterance(wav, texts[-1].strip() if texts else "", "LJ")
