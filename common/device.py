"""Where the networks run, and the memory that this costs."""

from __future__ import annotations

import ctypes
import os

import torch

from common.arguments import DEVICES
from common.errors import InputError

_C = ctypes.CDLL(None)  # this process's own C library
# One text needs about 150 kernels of a sort; torch would keep 1024, each with its copy of weights, and most are for one
# length alone: a process that speaks many texts would grow by hundreds of MB.
_KERNELS = {"LRU_CACHE_CAPACITY": "256", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "256"}


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one, else the CPU.

    Raises:
        InputError: another name, or `cuda` without a usable GPU.
    """
    if name not in DEVICES:
        raise InputError(f"there is no device {name!r}; use {', '.join(DEVICES)}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("device cuda: torch finds no usable GPU here; use cpu or auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def bound_kernels() -> None:
    """Bound what oneDNN keeps, unless the environment says how much; to be called before anything is computed."""
    for name, most in _KERNELS.items():
        os.environ.setdefault(name, most)  # torch reads it when it needs a kernel for the first time


def return_memory() -> None:
    """Give what is free back to the system; else it stays in pieces between what is kept, and more with every length.

    Takes a millisecond or two. Does nothing where the C library cannot.
    """
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)


def has_bfloat16(device: torch.device) -> bool:
    """Whether it multiplies in bfloat16; a processor that only converts to it would be slower than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """What networks compute in, None: float32. precision: "bf16", "fp32", or "auto": as `has_bfloat16` says."""
    lower = has_bfloat16(device) if precision == "auto" else precision == "bf16"
    return torch.bfloat16 if lower else None
