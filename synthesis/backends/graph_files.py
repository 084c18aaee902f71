"""Where exported graphs are kept: a file for each network, named by what it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import nn

from synthesis.backends.export import OPSET

_CODE = ("model", "hifi-gan", "synthesis/backends")  # a change in any of these may change a graph
_ROOT = Path(__file__).resolve().parents[2]


def graph_file(folder: str | Path, kind: str, module: nn.Module, form: object, export: Callable[[Path], None]) -> Path:
    """The graph of a module, exported into the folder unless it is there.

    form: what else decides the graph; its `repr` counts.
    """
    path = Path(folder) / f"{kind}-{_digest(module, form)}.onnx"
    if not path.is_file():
        export(path)
    return path


def _digest(module: nn.Module, form: object) -> str:
    """Of weights, architecture, form and code."""
    digest = hashlib.blake2b(f"{module!r}{form!r}{torch.__version__}{OPSET}{_code_digest()}".encode(), digest_size=12)
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy() if tensor.dim() else tensor.numpy().tobytes())
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    digest = hashlib.blake2b(digest_size=12)
    for folder in _CODE:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
