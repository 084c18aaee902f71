"""The tensors of a vocoder file in the published format."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from common.errors import InputError

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


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
        if tensor.is_meta or tensor.dtype not in _DTYPES or not torch.isfinite(tensor).all():
            raise InputError(f"{path}: tensor {name!r} is not made of finite numbers; the file is damaged")
    return state
