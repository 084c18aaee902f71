"""Vocoder files in the published format: their tensors, and weight norm under the published names.

Weight norm is w = g v / |v|, one g per first index (Salimans and Kingma, 2016, equation 2). Published checkpoints name
the parts `weight_g`, `weight_v` (and `weight_orig`, `weight_u`, `weight_v` where a discriminator has spectral norm);
torch's parametrisations name them otherwise. Files carry the published names, modules in training the parametrised
ones, modules for inference plain weights.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from common.errors import InputError

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# The published name -> torch's name.
_WEIGHT_NORM = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}
_SPECTRAL_NORM = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}


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


def add_weight_norm(module: nn.Module) -> None:
    """Put weight norm on every convolution of `module`, in place; the function it computes stays the same."""
    for part in list(module.modules()):
        if isinstance(part, nn.Conv1d | nn.ConvTranspose1d):
            parametrizations.weight_norm(part)


def official_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict under the published names."""
    renamed = {}
    for name, tensor in state.items():
        for official, ours in (*_WEIGHT_NORM.items(), *_SPECTRAL_NORM.items()):
            if name.endswith("." + ours):
                name = name.removesuffix(ours) + official
                break
        renamed[name] = tensor
    return renamed


def parametrized_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the published names under torch's; the inverse of `official_names`."""
    renamed = {}
    for name, tensor in state.items():
        prefix, _, last = name.rpartition(".")
        spectral = f"{prefix}.weight_orig" in state
        ours = (_SPECTRAL_NORM if spectral else _WEIGHT_NORM).get(last)
        renamed[f"{prefix}.{ours}" if ours else name] = tensor
    return renamed


def fold(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Plain weights from a state dict with weight norm, under either naming; plain ones pass through.

    Raises:
        ValueError: half of a pair is missing, or its shapes do not fit.
    """
    state = official_names(state)
    folded = {}
    for name, tensor in state.items():
        if name.endswith("weight_v"):
            gain = state.get(name.removesuffix("v") + "g")
            if gain is None or tensor.dim() < 2 or gain.numel() != tensor.shape[0]:
                raise ValueError(f"{name} has no fitting weight_g")
            norm = torch.linalg.vector_norm(tensor.flatten(1), dim=1)  # (C,)
            scale = (gain.flatten() / norm).reshape(-1, *[1] * (tensor.dim() - 1))  # (C, 1, 1)
            folded[name.removesuffix("_v")] = tensor * scale
        elif name.endswith("weight_g"):
            if name.removesuffix("g") + "v" not in state:
                raise ValueError(f"{name} has no weight_v")
        else:
            folded[name] = tensor
    return folded
