"""What the corpus readers share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import InputError
from common.files import read_lines
from data.filelist import Utterance

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"})

# Told of every file that is left out, and why.
OnReject = Callable[[Path, str], None]
# A corpus folder -> its utterances. Raises InputError if the folder does not have the corpus's layout.
Reader = Callable[[Path, OnReject], Iterator[Utterance]]


def expect(path: Path, corpus: str) -> Path:
    """`path` if it exists, else InputError: the folder is not that corpus."""
    if not path.exists():
        raise InputError(f"{path} is missing: this is not the published layout of {corpus}; give its top folder")
    return path


def read_sentence(path: Path) -> str:
    """The text of a file, its lines joined by blanks."""
    return " ".join(" ".join(read_lines(path)).split())


def audio_files(folder: Path) -> list[Path]:
    """All audio files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())


def find_audio(folder: Path, name: str) -> Path | None:
    """The audio file that a table calls `name`, with or without its suffix; None where there is none."""
    if Path(name).suffix.lower() in AUDIO_SUFFIXES:
        candidates = [folder / name]
    else:
        candidates = [folder / f"{name}{suffix}" for suffix in (".wav", *sorted(AUDIO_SUFFIXES - {".wav"}))]
    return next((path for path in candidates if os.path.isfile(path)), None)
