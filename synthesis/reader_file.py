"""Where a checkpoint's pitch reader is: CHECKPOINT.reader.pt beside CHECKPOINT.pt, so that either is trained alone."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import InputError
from data.checkpoint_file import read_checkpoint
from model.pitch_reader import PitchReader, unpack_reader


def reader_path(checkpoint: str | os.PathLike) -> Path:
    return Path(checkpoint).with_suffix(".reader.pt")


def read_reader(checkpoint: str | os.PathLike, n_mels: int) -> PitchReader | None:
    """The reader beside a checkpoint of that many mel rows; None where there is none.

    Raises:
        InputError: the file is there and cannot be used.
    """
    path = reader_path(checkpoint)
    if not path.exists():
        return None
    payload = read_checkpoint(path, "pitch reader")
    try:
        reader = unpack_reader(payload)
    except ValueError as error:
        raise InputError(f"{path}: {error}; train it again (python -m training.pitch_reader), or remove it") from error
    if reader.n_mels != n_mels:
        raise InputError(f"{path} reads {reader.n_mels} mel rows, not {n_mels}; train it again, or remove it")
    return reader
