"""Which backend runs the networks."""

from __future__ import annotations

import importlib.util

import torch

from common.device import has_bfloat16
from common.errors import InputError
from synthesis.options import BACKENDS

PACKAGES = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}  # onnx writes the graphs


def choose_backend(name: str, device: torch.device, precision: str) -> str:
    """`torch`, `onnx` or `openvino`. `auto` is the fastest that is installed (docs/performance.md has the figures).

    Raises:
        InputError: there is no such backend, it is not installed, or it cannot run on the device or in the precision.
    """
    if name not in BACKENDS:
        raise InputError(f"there is no backend {name!r}; there are {', '.join(BACKENDS)}")
    if name == "auto":
        return _fastest(device, precision)
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


def _fastest(device: torch.device, precision: str) -> str:
    if device.type != "cpu":
        return "torch"
    if _installed("openvino"):
        return "openvino"
    # Without bfloat16, onnxruntime's fused float32 kernels win over torch's; with it, torch's in bfloat16 do.
    # It has no other precision.
    wins = precision != "bf16" and not has_bfloat16(device)
    return "onnx" if wins and _installed("onnx") else "torch"


def _installed(backend: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES[backend])
