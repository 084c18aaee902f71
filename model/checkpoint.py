"""What a checkpoint holds, as a dict of tensors and plain values; enough to rebuild the model without `params.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS
from model.grad_tts import GradTTS
from model.official import is_official, load_official
from model.params_dict import params_from_dict, params_to_dict
from params import Inference, Params, Text
from text.official_symbols import OFFICIAL_SYMBOLS

FORMAT = "cond-grad-tts 1"


@dataclass(frozen=True)
class Loaded:
    """A model, on the CPU and in evaluation mode, and what belongs to it."""

    model: CondGradTTS | GradTTS
    params: Params
    speakers: tuple[str, ...]
    emotions: tuple[str, ...]
    symbols: tuple[str, ...]
    step: int


def pack(
    model: CondGradTTS,
    *,
    speakers: Sequence[str],
    emotions: Sequence[str],
    symbols: Sequence[str],
    step: int,
    ema: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Any]:
    """The checkpoint of a model.

    ema: averaged weights, kept beside the raw ones. dtype: of all floating-point tensors (`torch.float16` for a small
    file to publish: then only one set of weights, the averaged if there is one, is kept).
    """
    weights = model.state_dict()
    payload: dict[str, Any] = {
        "format": FORMAT,
        "params": params_to_dict(model.params),
        "speakers": list(speakers),
        "emotions": list(emotions),
        "symbols": list(symbols),
        "step": step,
    }
    if dtype is not None:
        chosen = weights if ema is None else {**weights, **ema}
        payload["ema"] = {key: _as(value, dtype) for key, value in chosen.items()}
    else:
        payload["weights"] = {key: value.detach().clone() for key, value in weights.items()}
        if ema is not None:
            payload["ema"] = {**payload["weights"], **{key: value.detach().clone() for key, value in ema.items()}}
    return payload


def unpack(payload: Mapping[str, Any], weights: str = "ema") -> Loaded:
    """Rebuild the model of a checkpoint, or of an official Grad-TTS state dict, which its keys and shapes betray.

    weights: "ema" or "weights"; if only one of the two is there, that one.
    Raises ValueError, in one line, for anything else.
    """
    if is_official(payload):
        return _official(payload)
    if payload.get("format") != FORMAT:
        raise ValueError(f"neither a checkpoint of this project ({FORMAT!r}) nor an official Grad-TTS state dict")
    try:
        params = params_from_dict(payload["params"])
        speakers, emotions, symbols = (tuple(payload[key]) for key in ("speakers", "emotions", "symbols"))
        state = payload.get(weights) or payload.get("ema") or payload["weights"]
        step = int(payload["step"])
    except KeyError as error:
        raise ValueError(f"the checkpoint lacks {error.args[0]!r}") from error
    model = CondGradTTS(params, len(symbols), len(speakers), len(emotions))
    try:
        model.load_state_dict({key: _as(value, torch.float32) for key, value in state.items()}, strict=True)
    except RuntimeError as error:
        first = next(line.strip() for line in str(error).splitlines()[1:] if line.strip())
        raise ValueError(f"the checkpoint's weights do not fit its own parameters: {first}") from error
    return Loaded(model.eval(), params, speakers, emotions, symbols, step)


def extend(loaded: Loaded, speakers: Sequence[str], emotions: Sequence[str], symbols: Sequence[str]) -> Loaded:
    """The model with further speakers, emotions and symbols appended, all old weights kept (for fine-tuning).

    A new row of a table starts as the mean of the old ones.
    """
    if isinstance(loaded.model, GradTTS):
        raise ValueError("fine-tuning starts from this project's own checkpoints, not from official ones")
    new = [
        (*old, *(name for name in dict.fromkeys(wanted) if name not in old))
        for old, wanted in (
            (loaded.speakers, speakers),
            (loaded.emotions, emotions),
            (loaded.symbols, symbols),
        )
    ]
    model = CondGradTTS(loaded.params, len(new[2]), len(new[0]), len(new[1]))
    old_state, state = loaded.model.state_dict(), model.state_dict()
    for key, value in old_state.items():
        target = state[key]
        if target.shape != value.shape:  # a table that grew
            target[len(value) :] = value.float().mean(0).to(value.dtype) if value.is_floating_point() else 0
            target[: len(value)] = value
        else:
            target.copy_(value)
    model.load_state_dict(state)
    return Loaded(model.eval(), loaded.params, *new, loaded.step)


def _official(state: Mapping[str, Any]) -> Loaded:
    model = load_official(state)
    config = model.config
    defaults = Params()
    params = replace(
        defaults,
        text=Text(front_end="official"),
        encoder=config.encoder,
        estimator=config.estimator,
        diffusion=config.diffusion,
        inference=Inference(steps=10, temperature=1.5),
    )
    speakers = tuple(str(i) for i in range(config.n_speakers))
    return Loaded(model, params, speakers, ("neutral",), tuple(OFFICIAL_SYMBOLS), 0)


def _as(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.detach().to(dtype) if value.is_floating_point() else value.detach().clone()
