"""Where and by what the networks run."""

from __future__ import annotations

import ctypes
import importlib.util
import os

import torch

from common.errors import InputError
from synthesis.options import BACKENDS

_C = ctypes.CDLL(None)  # this process's own C library
DEVICES = ("auto", "cpu", "cuda")
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


PACKAGES = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}  # onnx writes the graphs


def choose_backend(name: str, device: torch.device, precision: str) -> str:
    """`torch`, `onnx` or `openvino`. `auto` is the fastest that is installed (docs/performance.md has the figures).

    Raises:
        InputError: there is no such backend, it is not installed, or it cannot run on the device or in the precision.
    """
    if name not in BACKENDS:
        raise InputError(f"there is no backend {name!r}; there are {', '.join(BACKENDS)}")
    if name == "auto":
        return _fastest(device)
    if name == "torch":
        return name
    if not _installed(name):
        wanted = " and ".join(PACKAGES[name])
        raise InputError(f"backend {name} needs {wanted}, which are not installed; pip install -e .[{name}]")
    if device.type != "cpu":
        raise InputError(f"backend {name} runs on the CPU; give --device cpu, or --backend torch")
    if name == "onnx" and precision == "bf16":
        raise InputError("backend onnx computes in fp32; give --precision fp32, or another backend")
    return name


def _fastest(device: torch.device) -> str:
    if device.type != "cpu":
        return "torch"
    if _installed("openvino"):
        return "openvino"
    # Without bfloat16, onnxruntime's fused float32 kernels win over torch's; with it, torch's in bfloat16 do.
    return "onnx" if _installed("onnx") and not has_bfloat16(device) else "torch"


def _installed(backend: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES[backend])
