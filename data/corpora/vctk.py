"""VCTK 0.92: wav48_silence_trimmed/p225/p225_001_mic1.flac and txt/p225/p225_001.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.corpora.reading import OnReject, expect, read_sentence
from data.filelist import Utterance


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of the first microphone; speakers are named as the folders."""
    texts = expect(source / "txt", "VCTK 0.92")
    for wav in sorted(expect(source / "wav48_silence_trimmed", "VCTK 0.92").glob("*/*_mic1.flac")):
        speaker = wav.parent.name
        text = texts / speaker / f"{wav.stem.removesuffix('_mic1')}.txt"
        if text.is_file():
            yield Utterance(wav, read_sentence(text), speaker)
        else:
            on_reject(wav, "no text")  # the texts of p315 were lost
