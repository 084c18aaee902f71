"""Checkpoint files: read without running anything in them, written whole or not at all."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from data.atomic import replacing
from data.errors import InputError


def read_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """The dict that a checkpoint file holds; only tensors and plain values are accepted.

    Raises:
        InputError: the file is missing, a folder, empty, damaged, or holds anything else.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the checkpoint file")
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint; check the path, or train one with train_multi_speaker.py")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is an empty file; use another checkpoint")
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} holds something other than tensors and plain values, so it is not loaded") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is damaged or not a checkpoint ({reason}); use another one") from error
    if not isinstance(payload, dict):
        raise InputError(f"{path} holds a {type(payload).__name__}, not a checkpoint; use another one")
    return payload


def write_checkpoint(path: str | os.PathLike, payload: dict[str, Any]) -> None:
    """Write under a temporary name, then rename.

    Raises:
        InputError: the place cannot be written to (a full disk, say); what was there before is intact.
    """
    try:
        with replacing(path) as temporary:
            torch.save(payload, temporary)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path} cannot be written ({' '.join(str(error).split())}); free space or move it") from error
