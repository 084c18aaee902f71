"""ESD: 0011/0011.txt (`id<tab>text<tab>emotion`) and 0011/Angry/[train|evaluation|test/]0011_000351.wav."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from common.errors import InputError
from common.files import read_bounded
from data.corpora.reading import OnReject, audio_files
from data.filelist import Utterance

SPLITS = {"train": "train", "evaluation": "valid", "test": "test"}
EMOTIONS = {"Angry": "angry", "Happy": "happy", "Neutral": "neutral", "Sad": "sad", "Surprise": "surprise"}


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of the English speakers (0011-0020); those of the Chinese ones are rejected."""
    speakers = [folder for folder in sorted(source.iterdir()) if (folder / f"{folder.name}.txt").is_file()]
    if not speakers:
        raise InputError(f"{source} has no 0011/0011.txt: this is not the published layout of ESD; give its top folder")
    for folder in speakers:
        texts = _texts(folder / f"{folder.name}.txt")
        for wav in audio_files(folder):
            parts = wav.relative_to(folder).parts  # (emotion, [split,] file)
            emotion, split = EMOTIONS.get(parts[0]), SPLITS.get(parts[1])
            text = texts.get(wav.stem, "")
            if emotion is None:
                on_reject(wav, f"{parts[0]} is not an emotion of ESD")
            elif not text:
                on_reject(wav, "no text")
            elif sum(not character.isascii() for character in text) > len(text) / 5:
                on_reject(wav, "the text is not English")
            else:
                yield Utterance(wav, text, folder.name, emotion, split)


def _texts(path: Path) -> dict[str, str]:
    """Texts by id. The files of the release differ in their encodings."""
    content = read_bounded(path)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    rows = [[column.strip() for column in line.split("\t")] for line in text.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) >= 2}
