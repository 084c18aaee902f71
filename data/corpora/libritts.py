"""LibriTTS: [train-clean-100/]speaker/chapter/*.wav with a *.normalized.txt beside each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.errors import InputError
from data.corpora.reading import OnReject, read_sentence
from data.filelist import Utterance

SPLITS = {"train": "train", "dev": "valid", "test": "test"}


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of the whole corpus or of one of its subsets; the subset's name tells the split."""
    wavs = sorted([*source.glob("*/*/*.wav"), *source.glob("*/*/*/*.wav")])
    if not wavs:
        raise InputError(f"{source} has no speaker/chapter/*.wav: give LibriTTS's top folder or one of its subsets")
    for wav in wavs:
        subset = wav.parents[2].resolve().name
        text = wav.with_suffix(".normalized.txt")
        if text.is_file():
            split = SPLITS.get(subset.split("-")[0])
            yield Utterance(wav, read_sentence(text), wav.parents[1].name, split=split)
        else:
            on_reject(wav, "no text")
