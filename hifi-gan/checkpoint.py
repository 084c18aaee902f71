"""Vocoder files in the published format, read with care and written atomically."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.atomic import replacing
from data.errors import InputError


def read_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """A torch file that holds a dict of tensors and plain values; nothing in it is executed. Tensors on the CPU.

    Raises:
        InputError: missing, empty, truncated, not a torch file, or with anything else than plain data in it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such vocoder file; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is an empty file; download or copy the vocoder again")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever bytes the file holds, the reader may raise anything
        raise InputError(
            f"{path} cannot be read as a vocoder (truncated, not a torch file, or with more than tensors in it: "
            f"{type(error).__name__}); download or copy it again"
        ) from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path} holds a {type(checkpoint).__name__}, not a vocoder's tensors; give another file")
    return checkpoint


def tensors_of(checkpoint: dict[str, Any], part: str, path: str | os.PathLike) -> dict[str, Tensor]:
    """The state dict under `part`, or the checkpoint itself when it is a bare state dict.

    Raises:
        InputError: it holds anything else than finite floating-point tensors.
    """
    state = checkpoint.get(part, checkpoint)
    if not isinstance(state, dict) or not state:
        raise InputError(f"{path} holds no tensors under {part!r}; give a vocoder file")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise InputError(f"{path}: {name!r} is not a tensor, so this is no {part} file; give a vocoder file")
        # A tensor may claim more numbers than the file holds (stride 0): reading it could take all memory.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(f"{path}: tensor {name!r} claims more numbers than the file holds; the file is damaged")
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise InputError(f"{path}: tensor {name!r} is not made of finite numbers; the file is damaged")
    return state


def write_checkpoint(path: str | os.PathLike, checkpoint: dict[str, Any]) -> None:
    """Write a torch file whole or not at all; missing folders are made.

    Raises:
        InputError: the place cannot be written to.
    """
    try:
        with replacing(path) as temporary:
            torch.save(checkpoint, temporary)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be written ({reason}); choose another folder") from error
