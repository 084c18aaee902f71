"""Files of tensors and plain values: read without running anything in them, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from common.errors import InputError
from common.files import replacing


def read_checkpoint(path: str | os.PathLike, kind: str = "checkpoint") -> dict[str, Any]:
    """The dict that a torch file holds, tensors on the CPU; only tensors and plain values are accepted.

    kind: what the file should be, for messages.

    Raises:
        InputError: the file is missing, a folder, empty, truncated, not a torch file, or holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        found = "it is a folder; give the file itself" if path.is_dir() else "check the path"
        raise InputError(f"{path}: no such {kind} file; {found}")
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is an empty file; copy the {kind} again")
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # whatever bytes the file holds, the reader may raise anything
        raise InputError(
            f"{path} cannot be read as a {kind} (truncated, not a torch file, or with more than tensors in it: "
            f"{type(error).__name__}); use another, or copy it again"
        ) from error
    if not isinstance(payload, dict):
        raise InputError(f"{path} holds a {type(payload).__name__}, not a {kind}; give another file")
    return payload


def write_checkpoint(path: str | os.PathLike, payload: dict[str, Any]) -> None:
    """Write under a temporary name, to the disk itself, then rename; missing folders are made.

    Raises:
        InputError: the place cannot be written to (a full disk, say); what was there before is intact.
    """
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            torch.save(payload, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        # torch's writer hides a full disk behind an error of its own.
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        reason = " ".join((getattr(cause, "strerror", None) or str(cause)).split())
        raise InputError(f"{path} cannot be written ({reason}); free space or choose another folder") from error
