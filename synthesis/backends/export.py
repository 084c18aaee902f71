"""The three networks as ONNX files."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from common.files import replacing
from hifigan import Vocoder
from model.cond_text_encoder import CondTextEncoder, CondTextEncoding
from model.text_encoder import TextEncoder, TextEncoding
from synthesis.backends.condition_tensors import FRAMES, Condition, condition_of, form_of, free_axes, tensors_of

OPSET = 18  # of the ONNX operators
ENCODER_INPUTS = ("ids", "lengths", "speaker", "emotion")


def export_encoder(encoder: TextEncoder | CondTextEncoder, inputs: Sequence[Tensor], path: str | os.PathLike) -> None:
    """inputs: an example, ids (B, S), lengths (B,), and for the conditional encoder speaker and emotion.

    Outputs are the fields of the encoder's encoding that are its own, in their order.
    """

    class Encode(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
            encoding = self.encoder(*given)
            return tuple(getattr(encoding, name) for name in _outputs(encoding))

    names = ENCODER_INPUTS[: len(inputs)]
    example = [torch.cat([x, x]) for x in inputs]  # sizes of 1 would be taken for constants
    with torch.no_grad():
        outputs = _outputs(encoder(*example))
    axes = {name: {0: "batch"} for name in names} | {name: {0: "batch", 1: "tokens"} for name in outputs}
    axes["ids"][1] = "tokens"
    for name, output in zip(outputs, Encode()(*example), strict=True):
        if output.dim() == 3:
            axes[name] = {0: "batch", 2: "tokens"}
    _export(Encode(), example, names, outputs, axes, path)


def _outputs(encoding: TextEncoding | CondTextEncoding) -> list[str]:
    """Names of the fields that an encoder fills; the model adds the others."""
    return [field.name for field in fields(encoding) if getattr(encoding, field.name) is not None]


def export_estimator(estimator: nn.Module, condition: Condition, path: str | os.PathLike) -> None:
    """One step: `estimator(x, t, condition)`, for conditions of the form of the one given.

    Inputs x (B, 80, T), t (B,) and the tensors of `tensors_of`; output F or the score, (B, 80, T).
    """
    form = form_of(condition)
    tensors = {name: torch.cat([x, x]).float() for name, x in tensors_of(condition).items()}

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.estimator = estimator

        def forward(self, x: Tensor, t: Tensor, *given: Tensor) -> Tensor:
            return self.estimator(x, t, condition_of(form, dict(zip(tensors, given, strict=True))))

    x = torch.zeros(len(tensors["mask"]), condition.mu.shape[1], condition.mu.shape[2])
    axes = {"x": {0: "batch", 2: FRAMES}, "t": {0: "batch"}, **free_axes(form), "output": {0: "batch", 2: FRAMES}}
    example = [x, torch.full((len(x),), 0.5), *tensors.values()]
    _export(Step(), example, ["x", "t", *tensors], ["output"], axes, path)


def export_vocoder(generator: Vocoder, path: str | os.PathLike) -> None:
    """mel (B, num_mels, T) -> audio (B, 1, T * hop_size)."""
    mel = torch.zeros(2, generator.config.num_mels, 16)
    axes = {"mel": {0: "batch", 2: FRAMES}, "audio": {0: "batch", 2: "samples"}}
    _export(generator, [mel], ["mel"], ["audio"], axes, path)


def _export(
    module: nn.Module,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    path: str | os.PathLike,
) -> None:
    with replacing(path) as temporary, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, about checks of sizes
        # The older exporter: it takes a second instead of ten, and needs no further package.
        torch.onnx.export(
            module.eval(),
            tuple(example),
            str(temporary),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(free) for name, free in axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )


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
