"""Files of tensors and plain values: read without running anything in them, written whole or not at all.

A name that ends in `.safetensors` is a file of that format: one set of weights under their own names, and in its header
each of the checkpoint's other entries as JSON. Every other name is a torch file.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from common.errors import InputError
from common.files import parse_json, replacing, unwritable

SAFETENSORS = ".safetensors"


def read_checkpoint(path: str | os.PathLike, kind: str = "checkpoint") -> dict[str, Any]:
    """The dict that a file holds, tensors on the CPU; only tensors and plain values are accepted.

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
        payload = _read_safetensors(path) if path.suffix == SAFETENSORS else _read_torch(path, kind)
    except InputError:
        raise
    except Exception as error:  # whatever bytes the file holds, the reader may raise anything
        form = "safetensors" if path.suffix == SAFETENSORS else "torch"
        raise InputError(
            f"{path} cannot be read as a {kind} (truncated, not a {form} file, or with more than tensors in it: "
            f"{type(error).__name__}); use another, or copy it again"
        ) from error
    if not isinstance(payload, dict):
        raise InputError(f"{path} holds a {type(payload).__name__}, not a {kind}; give another file")
    return payload


@contextmanager
def restoring(path: str | os.PathLike) -> Iterator[None]:
    """Inside, what a file's content cannot be loaded for is an InputError: it is another model's, or damaged."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise InputError(f"{path} is another model's state, or damaged ({reason}); use another folder") from error


def load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """What an optimizer remembers of its parameters; its settings stay as they are.

    Raises ValueError, or another error of `restoring`, if it is not the same parameters' memory.
    """
    own = optimizer.state_dict()
    if [len(group["params"]) for group in own["param_groups"]] != [len(g["params"]) for g in saved["param_groups"]]:
        raise ValueError("the optimizer has other parameters")
    optimizer.load_state_dict({"state": saved["state"], "param_groups": own["param_groups"]})
    for group in optimizer.param_groups:
        expected = {"momentum"} if group.get("orthogonal") else {"step", "exp_avg", "exp_avg_sq"}
        for parameter in group["params"]:
            memory = optimizer.state.get(parameter, {})
            if memory and memory.keys() != expected:
                raise ValueError(f"the optimizer remembers {', '.join(map(str, memory))}")
            for name, value in memory.items():
                fits = isinstance(value, torch.Tensor) and value.dtype == torch.float32 and not value.is_meta
                if not fits or value.shape not in (parameter.shape, ()) or not value.isfinite().all():
                    raise ValueError(f"the optimizer's {name} does not fit its parameter")


def _read_torch(path: Path, kind: str) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:  # torch packs nothing, so what is larger inside is a trap
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise InputError(f"{path} promises more than it holds; copy the {kind} again")
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata() or {}
    if "params" not in header:
        return tensors
    return {**{name: parse_json(text) for name, text in header.items()}, "ema": tensors}


def _safetensors_bytes(payload: dict[str, Any]) -> bytes:
    """Of the averaged weights, if there are any, else of the raw ones."""
    tensors = payload.get("ema", payload.get("weights"))
    plain = {name: value for name, value in payload.items() if name not in ("ema", "weights")}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(tensors, {name: json.dumps(value) for name, value in plain.items()})


def write_checkpoint(path: str | os.PathLike, payload: dict[str, Any]) -> None:
    """Write under a temporary name, to the disk itself, then rename; missing folders are made.

    Raises:
        InputError: the place cannot be written to (a full disk, say); what was there before is intact.
    """
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            if Path(path).suffix == SAFETENSORS:
                file.write(_safetensors_bytes(payload))
            else:
                torch.save(payload, file)
            file.flush()
            os.fsync(file.fileno())
    except RuntimeError as error:  # behind which torch's writer hides a full disk
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        raise unwritable(path, cause) from error
