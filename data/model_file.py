"""The model that a checkpoint's file holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from common.errors import InputError
from data.checkpoint_file import read_checkpoint
from model.checkpoint import Loaded, unpack


def load_checkpoint(path: str | os.PathLike, time_scale: float | None = None) -> Loaded:
    """Read a file and rebuild its model. time_scale: as `unpack` takes it.

    Raises:
        InputError: the file cannot be read, or is no checkpoint that this project can use.
    """
    return unpacked(read_checkpoint(path), path, time_scale)


def unpacked(payload: Mapping[str, Any], path: str | os.PathLike, time_scale: float | None = None) -> Loaded:
    """`unpack` of what a file holds; its ValueError becomes an InputError that names the file."""
    try:
        return unpack(payload, time_scale=time_scale)
    except ValueError as error:
        raise InputError(f"{path}: {error}; give another checkpoint") from error
