"""A folder of one's own: audio with a .txt or .lab of the same name beside it, or a metadata.csv `file|text`.

The speaker is the first subfolder's name; files directly in the folder are of speaker `0`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.errors import BadLines, InputError
from common.files import read_numbered_lines
from data.corpora.reading import AUDIO_SUFFIXES, OnReject, audio_files, find_audio, read_sentence
from data.filelist import DEFAULT_SPEAKER, Utterance

TEXT_SUFFIXES = (".txt", ".lab")
AUDIO_FOLDERS = ("", "wav", "wavs")  # where metadata.csv's files may lie


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of a metadata.csv if the folder has one, else of the texts beside the audio."""
    if (source / "metadata.csv").is_file():
        yield from _read_metadata(source, on_reject)
        return
    wavs = audio_files(source)
    if not wavs:
        raise InputError(f"{source} holds no audio; supported: {', '.join(sorted(AUDIO_SUFFIXES))}")
    for wav in wavs:
        text = next((wav.with_suffix(s) for s in TEXT_SUFFIXES if wav.with_suffix(s).is_file()), None)
        if text is None:
            on_reject(wav, "no text")
            continue
        try:
            sentence = read_sentence(text)
        except InputError as error:
            on_reject(wav, str(error))
        else:
            yield Utterance(wav, sentence, _speaker(wav.relative_to(source)))


def _read_metadata(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    table, bad_lines = source / "metadata.csv", BadLines()
    lines = read_numbered_lines(table, bad_lines)
    for message in bad_lines.messages:
        on_reject(table, message)
    for number, line in lines:
        if not line.strip():
            continue
        name, *texts = [column.strip() for column in line.split("|")]
        if not texts:
            on_reject(table, f"{table}:{number}: expected `file|text`, found {line[:80]!r}")
            continue
        wav = _find(source, name)
        if wav is None:
            on_reject(source / name, "no audio file")
        else:
            yield Utterance(wav, texts[0], _speaker(Path(name)))


def _find(source: Path, name: str) -> Path | None:
    """The file of a metadata row: with or without its suffix, in one of the usual subfolders."""
    return next((path for folder in AUDIO_FOLDERS if (path := find_audio(source / folder, name))), None)


def _speaker(relative: Path) -> str:
    return relative.parts[0] if len(relative.parts) > 1 else DEFAULT_SPEAKER
