"""A folder of your own recordings, each with its text in a .txt or .lab file of the same name:

    my_wavs/anna/hello.wav     my_wavs/anna/hello.txt
    my_wavs/bert/bye.flac      my_wavs/bert/bye.txt

or with all texts in my_wavs/metadata.csv, in lines of `file|text`, where the files may lie in wav/ or wavs/:

    anna/hello.wav|Hello there.

A subfolder is a speaker, by its name; recordings that lie in none are one speaker's, named after the folder itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common.errors import BadLines, InputError
from common.files import read_numbered_lines
from data.corpora.reading import AUDIO_SUFFIXES, OnReject, audio_files, find_audio, read_sentence
from data.filelist import Utterance

TEXT_SUFFIXES = (".txt", ".lab")
AUDIO_FOLDERS = ("", "wav", "wavs")  # which are no speakers


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
            yield Utterance(wav, sentence, _speaker(source, wav.relative_to(source)))


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
            yield Utterance(wav, texts[0], _speaker(source, Path(name)))


def _find(source: Path, name: str) -> Path | None:
    """The file of a metadata row: with or without its suffix, in one of the usual subfolders."""
    return next((path for folder in AUDIO_FOLDERS if (path := find_audio(source / folder, name))), None)


def _speaker(source: Path, wav: Path) -> str:
    folders = [name for name in wav.parts[:-1] if name not in AUDIO_FOLDERS]
    return folders[0] if folders else source.resolve().name or "speaker"
