"""Readers of published corpora and of your own recordings, by name; `kokoro`, which is generated, is apart.

A reader is a function whose docstring begins with the layout that it reads, and a line in `READERS`.
"""

from __future__ import annotations

import codecs
import inspect
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import BadLines, InputError
from common.files import read_bounded, read_lines, read_numbered_lines
from data.audio import AUDIO_SUFFIXES
from data.filelist import Utterance

# Told of every file that is left out, and why.
OnReject = Callable[[Path, str], None]
# A corpus folder -> its utterances. Raises InputError if the folder does not have the corpus's layout.
Reader = Callable[[Path, OnReject], Iterator[Utterance]]


def read_ljspeech(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """LJSpeech 1.1: metadata.csv with `id|text|normalised text`, wavs/id.wav; one speaker.

    Corpora in its likeness may have other audio formats, and may name the files with their suffix.

    Utterances of speaker `LJ`, with the normalised text.
    """
    folder = _expect(source / "wavs", "LJSpeech")
    for line in read_lines(_expect(source / "metadata.csv", "LJSpeech")):
        if not line.strip():
            continue
        name, *texts = line.split("|")  # the file has no quoting
        wav = _find_audio(folder, name.strip())
        if wav is None:
            on_reject(folder / name, "no audio file")
        else:
            yield Utterance(wav, texts[-1].strip() if texts else "", "LJ")


def read_vctk(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """VCTK 0.92: wav48_silence_trimmed/p225/p225_001_mic1.flac and txt/p225/p225_001.txt.

    Utterances of the first microphone; speakers are named as the folders.
    """
    texts = _expect(source / "txt", "VCTK 0.92")
    for wav in sorted(_expect(source / "wav48_silence_trimmed", "VCTK 0.92").glob("*/*_mic1.flac")):
        speaker = wav.parent.name
        text = texts / speaker / f"{wav.stem.removesuffix('_mic1')}.txt"
        if text.is_file():
            yield Utterance(wav, _read_sentence(text), speaker)
        else:
            on_reject(wav, "no text")  # the texts of p315 were lost


_LIBRITTS_SPLITS = {"train": "train", "dev": "valid", "test": "test"}


def read_libritts(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """LibriTTS: [train-clean-100/]speaker/chapter/*.wav with a *.normalized.txt beside each.

    Utterances of the whole corpus or of one of its subsets; the subset's name tells the split.
    """
    wavs = sorted([*source.glob("*/*/*.wav"), *source.glob("*/*/*/*.wav")])
    if not wavs:
        raise InputError(f"{source} has no speaker/chapter/*.wav: give LibriTTS's top folder or one of its subsets")
    for wav in wavs:
        subset = wav.parents[2].resolve().name
        text = wav.with_suffix(".normalized.txt")
        if text.is_file():
            split = _LIBRITTS_SPLITS.get(subset.split("-")[0])
            yield Utterance(wav, _read_sentence(text), wav.parents[1].name, split=split)
        else:
            on_reject(wav, "no text")


_ESD_SPLITS = {"train": "train", "evaluation": "valid", "test": "test"}
_ESD_EMOTIONS = {"Angry": "angry", "Happy": "happy", "Neutral": "neutral", "Sad": "sad", "Surprise": "surprise"}


def read_esd(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """ESD: 0011/0011.txt (`id<tab>text<tab>emotion`) and 0011/Angry/[train|evaluation|test/]0011_000351.wav.

    Utterances of the English speakers (0011-0020); those of the Chinese ones are rejected.
    """
    speakers = [folder for folder in sorted(source.iterdir()) if (folder / f"{folder.name}.txt").is_file()]
    if not speakers:
        raise InputError(f"{source} has no 0011/0011.txt: this is not the published layout of ESD; give its top folder")
    for folder in speakers:
        texts = _esd_texts(folder / f"{folder.name}.txt")
        for wav in _audio_files(folder):
            parts = wav.relative_to(folder).parts  # (emotion, [split,] file)
            if len(parts) == 1:
                on_reject(wav, "not in the folder of an emotion")
                continue
            emotion, split = _ESD_EMOTIONS.get(parts[0]), _ESD_SPLITS.get(parts[1])
            text = texts.get(wav.stem, "")
            if emotion is None:
                on_reject(wav, f"{parts[0]} is not an emotion of ESD")
            elif not text:
                on_reject(wav, "no text")
            elif sum(not character.isascii() for character in text) > len(text) / 5:
                on_reject(wav, "the text is not English")
            else:
                yield Utterance(wav, text, folder.name, emotion, split)


def _esd_texts(path: Path) -> dict[str, str]:
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


_RAVDESS_EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgust",
    "08": "surprised",
}  # fmt: skip
_RAVDESS_STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
_RAVDESS_SPEECH = "01"  # "02": song

# modality - vocal channel - emotion - intensity - statement - repetition - actor
_RAVDESS_NAME = re.compile(r"\d\d-(\d\d)-(\d\d)-\d\d-(\d\d)-\d\d-(\d\d)")


def read_ravdess(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """RAVDESS, speech: Actor_01/03-01-06-01-02-01-12.wav; the name's numbers tell everything, the text included.

    Utterances of all actors; both intensities of an emotion have its name.
    """
    wavs = sorted(source.rglob("Actor_*/*.wav"))
    if not wavs:
        raise InputError(f"{source} has no Actor_*/*.wav: this is not the published layout of RAVDESS")
    for wav in wavs:
        match = _RAVDESS_NAME.fullmatch(wav.stem)
        channel, emotion, statement, actor = match.groups() if match else ("", "", "", "")
        if emotion not in _RAVDESS_EMOTIONS or statement not in _RAVDESS_STATEMENTS:
            on_reject(wav, "not a RAVDESS file name")
        elif channel != _RAVDESS_SPEECH:
            on_reject(wav, "song")
        else:
            yield Utterance(wav, _RAVDESS_STATEMENTS[statement], f"Actor_{actor}", _RAVDESS_EMOTIONS[emotion])


def read_kathleen(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Kathleen: metadata.csv with `file|text|seconds`, wav/file; CMU ARCTIC sentences by one speaker, CC0.

    Utterances of speaker `kathleen`.
    """
    folder = _expect(source / "wav", "Kathleen")
    for line in read_lines(_expect(source / "metadata.csv", "Kathleen")):
        if not line.strip():
            continue
        name, text, *_ = [*line.split("|"), ""]
        if (folder / name).is_file():
            yield Utterance(folder / name, text.strip(), "kathleen")
        else:
            on_reject(folder / name, "no audio file")


_TEXT_SUFFIXES = (".txt", ".lab")
_AUDIO_FOLDERS = ("", "wav", "wavs")  # which are no speakers


def read_folder(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """A folder of your own recordings, each with its text in a .txt or .lab file of the same name:

        my_wavs/anna/hello.wav     my_wavs/anna/hello.txt
        my_wavs/bert/bye.flac      my_wavs/bert/bye.txt

    or with all texts in my_wavs/metadata.csv, in lines of `file|text`, where the files may lie in wav/ or wavs/:

        anna/hello.wav|Hello there.

    A subfolder is a speaker, by its name; recordings that lie in none are one speaker's, named after the folder itself.

    Utterances of a metadata.csv if the folder has one, else of the texts beside the audio.
    """
    if (source / "metadata.csv").is_file():
        yield from _read_table(source, on_reject)
        return
    wavs = _audio_files(source)
    if not wavs:
        raise InputError(f"{source} holds no audio; supported: {', '.join(sorted(AUDIO_SUFFIXES))}")
    for wav in wavs:
        text = next((wav.with_suffix(s) for s in _TEXT_SUFFIXES if wav.with_suffix(s).is_file()), None)
        if text is None:
            on_reject(wav, "no text")
            continue
        try:
            sentence = _read_sentence(text)
        except InputError as error:
            on_reject(wav, str(error))
        else:
            yield Utterance(wav, sentence, _speaker(source, wav.relative_to(source)))


def _read_table(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
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
            yield Utterance(wav, texts[0], _speaker(source, _inside(source, wav)))


def _find(source: Path, name: str) -> Path | None:
    """The file of a metadata row: with or without its suffix, in one of the usual subfolders."""
    return next((path for folder in _AUDIO_FOLDERS if (path := _find_audio(source / folder, name))), None)


def _inside(source: Path, wav: Path) -> Path:
    """A file's path below the corpus; of one that lies elsewhere, its folder and name."""
    wav, source = (Path(os.path.abspath(path)) for path in (wav, source))
    return wav.relative_to(source) if wav.is_relative_to(source) else Path(*wav.parts[-2:])


def _speaker(source: Path, wav: Path) -> str:
    folders = [name for name in wav.parts[:-1] if name not in _AUDIO_FOLDERS]
    return folders[0] if folders else source.resolve().name or "speaker"


READERS: dict[str, Reader] = {
    "ljspeech": read_ljspeech,
    "vctk": read_vctk,
    "libritts": read_libritts,
    "esd": read_esd,
    "ravdess": read_ravdess,
    "kathleen": read_kathleen,
    "folder": read_folder,
}


def layout(name: str) -> str:
    """How the folder of a corpus has to look, in words."""
    return inspect.getdoc(READERS[name])


# ------------------------------------------------------------- what they share


def _expect(path: Path, corpus: str) -> Path:
    """`path` if it exists, else InputError: the folder is not that corpus."""
    if not path.exists():
        raise InputError(f"{path} is missing: this is not the published layout of {corpus}; give its top folder")
    return path


def _read_sentence(path: Path) -> str:
    """The text of a file, its lines joined by blanks."""
    return " ".join(" ".join(read_lines(path)).split())


def _audio_files(folder: Path) -> list[Path]:
    """All audio files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())


def _find_audio(folder: Path, name: str) -> Path | None:
    """The audio file that a table calls `name`, with or without its suffix; None where there is none."""
    if Path(name).suffix.lower() in AUDIO_SUFFIXES:
        candidates = [folder / name]
    else:
        candidates = [folder / f"{name}{suffix}" for suffix in (".wav", *sorted(AUDIO_SUFFIXES - {".wav"}))]
    return next((path for path in candidates if os.path.isfile(path)), None)
