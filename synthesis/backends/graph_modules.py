"""Modules that run a graph in the place of a network.

Each keeps the network itself, for what a graph cannot do: blending styles, gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hifigan import Vocoder
from model.cond_text_encoder import CondTextEncoder, CondTextEncoding
from model.text_encoder import TextEncoder, TextEncoding
from synthesis.backends.condition_tensors import Condition, Form, form_of, tensors_of
from synthesis.backends.export import ENCODER_INPUTS, export_encoder, export_estimator, export_vocoder, graph_file
from synthesis.backends.sessions import OnnxRuntimeSession, OpenVinoSession, Session

OpenSession = Callable[[Path, str], Session]  # of a graph file and a precision


def session_opener(backend: str) -> OpenSession:
    """backend: "onnx" or "openvino"."""
    return OpenVinoSession if backend == "openvino" else lambda path, precision: OnnxRuntimeSession(path)


class GraphEncoder(nn.Module):
    """A text encoder; always in float32, since durations are rounded."""

    def __init__(self, encoder: TextEncoder | CondTextEncoder, folder: Path, open_session: OpenSession) -> None:
        super().__init__()
        self.encoder = encoder
        self._folder = folder
        self._open = open_session
        self._session: Session | None = None
        self._encoding = CondTextEncoding if isinstance(encoder, CondTextEncoder) else TextEncoding

    def forward(self, *inputs: Tensor) -> CondTextEncoding | TextEncoding:
        if self._session is None:
            path = graph_file(
                self._folder, "encoder", self.encoder, None, lambda path: export_encoder(self.encoder, inputs, path)
            )
            self._session = self._open(path, "fp32")
        return self._encoding(*self._session(dict(zip(ENCODER_INPUTS, inputs, strict=False))))


class GraphEstimator(nn.Module):
    """An estimator: a graph for every form of condition that comes."""

    def __init__(self, estimator: nn.Module, folder: Path, open_session: OpenSession, precision: str) -> None:
        super().__init__()
        self.estimator = estimator
        self.length_multiple = estimator.length_multiple
        self._folder = folder
        self._open = open_session
        self._precision = precision
        self._sessions: dict[Form, Session] = {}
        self._bound: tuple[Any, Form, dict[str, Tensor]] | None = None  # the condition of the utterance at hand

    def prepare(self, *arguments: Any) -> Condition:
        return self.estimator.prepare(*arguments)

    def blend(self, *arguments: Any, **options: Any) -> Any:
        return self.estimator.blend(*arguments, **options)

    def completed(self, *arguments: Any) -> Condition:
        return self.estimator.completed(*arguments)

    def forward(self, x: Tensor, t: Tensor, condition: Condition, attention: Any = None) -> Tensor:
        if attention is not None or x.requires_grad:
            return self.estimator(x, t, condition, attention)
        if self._bound is None or self._bound[0] is not condition:
            tensors = {name: tensor.float().contiguous() for name, tensor in tensors_of(condition).items()}
            self._bound = condition, form_of(condition), tensors
        _, form, tensors = self._bound
        if form not in self._sessions:
            path = graph_file(
                self._folder,
                "estimator",
                self.estimator,
                form,
                lambda path: export_estimator(self.estimator, condition, path),
            )
            self._sessions[form] = self._open(path, self._precision)
        return self._sessions[form]({"x": x, "t": t, **tensors})[0]


class GraphVocoder(nn.Module):
    """A vocoder, as `hifigan.vocode` takes it."""

    def __init__(self, generator: Vocoder, folder: Path, open_session: OpenSession, precision: str) -> None:
        super().__init__()
        self.generator = generator
        self.config = generator.config
        self.context = generator.context
        self._folder = folder
        self._open = open_session
        self._precision = precision
        self._session: Session | None = None

    def forward(self, mel: Tensor) -> Tensor:
        if self._session is None:
            path = graph_file(
                self._folder, "vocoder", self.generator, None, lambda path: export_vocoder(self.generator, path)
            )
            self._session = self._open(path, self._precision)
        return self._session({"mel": mel})[0]
