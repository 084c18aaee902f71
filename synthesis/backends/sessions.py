"""A graph file as a function of tensors, by either runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Session(Protocol):
    """Inputs by name, on the CPU; outputs in the graph's order, float32."""

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]: ...


class OnnxRuntimeSession:
    """onnxruntime, float32, with as many threads as torch has."""

    def __init__(self, path: str | os.PathLike) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        # Threads that spin while they wait make a busy machine several times slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        # The exporter leaves out inputs that the graph does not read.
        self._names = [given.name for given in self._session.get_inputs()]

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        outputs = self._session.run(None, {name: _array(inputs[name]) for name in self._names})
        return [torch.from_numpy(output) for output in outputs]


class OpenVinoSession:
    """OpenVINO, with as many threads as torch has; what it compiles is kept beside the graph.

    precision: "fp32" or "bf16".
    """

    def __init__(self, path: str | os.PathLike, precision: str) -> None:
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "CACHE_DIR": str(Path(path).parent),
        }
        compiled = core.compile_model(str(path), "CPU", settings)
        self._names = [given.get_names() for given in compiled.inputs]  # each has several
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        given = {i: _array(inputs[(names & inputs.keys()).pop()]) for i, names in enumerate(self._names)}
        outputs = self._request.infer(given, share_inputs=True)
        # The request's memory is used again by the next call.
        return [torch.from_numpy(np.array(output)) for output in outputs.values()]


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()
