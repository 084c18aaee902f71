"""What a checkpoint holds, as a dict of tensors and plain values; enough to rebuild the model without `params.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS
from model.grad_tts import GradTTS
from model.interpolation import Staged
from model.interpolation.pitch_transfer import PitchTransfer
from model.official_checkpoint import TIME_SCALES, load_official, official_state, tell_time_scale
from model.params_check import check_params
from model.params_dict import params_from_dict, params_to_dict
from model.randomness import SkipInit
from params import Inference, Interpolation, Params, Text
from text.symbols import OFFICIAL_SYMBOLS

FORMAT = "cond-grad-tts 1"
MOST_NUMBERS = 100_000_000  # of a model's parameters and tables together; the default model has 5.4 million
LARGEST_WEIGHT = 1e6  # what is beyond is damaged: no layer's numbers come near it
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64)


@dataclass(frozen=True)
class Loaded:
    """A model, on the CPU and in evaluation mode, and what belongs to it."""

    model: CondGradTTS | GradTTS
    params: Params
    speakers: tuple[str, ...]
    emotions: tuple[str, ...]
    symbols: tuple[str, ...]
    step: int
    notes: tuple[str, ...] = ()  # what had to be assumed, for the user


def pack(
    model: CondGradTTS,
    *,
    speakers: Sequence[str],
    emotions: Sequence[str],
    symbols: Sequence[str],
    step: int,
    params: Params | None = None,
    ema: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Any]:
    """The checkpoint of a model.

    params: to store instead of the model's own, from which only training and inference values may differ.
    ema: averaged weights, kept beside the raw ones.
    dtype: of all floating-point tensors (`torch.float16` for a small file to publish: then only one set of weights,
        the averaged if there is one, is kept).

    Raises ValueError if a weight is not finite in `dtype`.
    """
    weights = model.state_dict()
    payload: dict[str, Any] = {
        "format": FORMAT,
        "params": params_to_dict(model.params if params is None else params),
        "speakers": list(speakers),
        "emotions": list(emotions),
        "symbols": list(symbols),
        "step": step,
    }
    if dtype is not None:
        chosen = weights if ema is None else {**weights, **ema}
        payload["ema"] = {key: _as(value, dtype) for key, value in chosen.items()}
        unfit = [key for key, value in payload["ema"].items() if not value.isfinite().all()]
        if unfit:
            raise ValueError(f"{unfit[0]} is not finite as {dtype}; choose another precision or checkpoint")
    else:
        payload["weights"] = {key: value.detach().clone() for key, value in weights.items()}
        if ema is not None:
            payload["ema"] = {**payload["weights"], **{key: value.detach().clone() for key, value in ema.items()}}
    return payload


def is_official(payload: Mapping[str, Any]) -> bool:
    """Whether a loaded file is an official state dict, bare or wrapped, and not a checkpoint of this project."""
    return payload.get("format") != FORMAT and official_state(payload) is not None


def unpack(payload: Mapping[str, Any], weights: str = "ema", time_scale: float | None = None) -> Loaded:
    """Rebuild the model of a checkpoint, or of an official Grad-TTS state dict, recognised by its keys.

    weights: "ema" or "weights"; if only one of the two is there, that one.
    time_scale: of an official state dict (`model.official_checkpoint.TIME_SCALES`); None: it is told from the weights.
    Raises ValueError, in one line, for anything else.
    """
    if is_official(payload):
        return _official(official_state(payload), time_scale)
    if payload.get("format") != FORMAT:
        raise ValueError(f"neither a checkpoint of this project ({FORMAT!r}) nor an official Grad-TTS state dict")
    if time_scale is not None:
        raise ValueError("only official checkpoints have a time scale to be given; leave it out")
    params = params_from_dict(_without_retired(_entry(payload, "params", Mapping)))
    check_params(params)
    speakers, emotions, symbols = (_names(payload, key) for key in ("speakers", "emotions", "symbols"))
    step = _entry(payload, "step", int)
    state = _entry(payload, next((key for key in (weights, "ema") if key in payload), "weights"), Mapping)
    _check_shapes(_expected(params, symbols, speakers, emotions), state)
    _check_values(state)
    with SkipInit():
        model = _build(params, symbols, speakers, emotions)
    model.load_state_dict({key: _as(value, torch.float32) for key, value in state.items()}, strict=True)
    return Loaded(model.eval(), params, speakers, emotions, symbols, step)


def new_model(params: Params, symbols: Sequence[str], speakers: Sequence[str], emotions: Sequence[str]) -> CondGradTTS:
    """An untrained model. Raises ValueError, in one line, for parameters that make none, or one that is too large."""
    _expected(params, symbols, speakers, emotions)
    return _build(params, symbols, speakers, emotions)


def extend(loaded: Loaded, speakers: Sequence[str], emotions: Sequence[str], symbols: Sequence[str]) -> Loaded:
    """The model with further speakers, emotions and symbols appended, all old weights kept (for fine-tuning).

    A new row of a table starts as the mean of the old ones; a new speaker has no default reference, and no voice yet
    where the model hears. An official model
    gets further speakers alone, if it has several; one of a single speaker becomes the one that is given.

    Raises ValueError for several speakers to an official model of one.
    """
    if isinstance(loaded.model, GradTTS):
        return _extend_official(loaded, speakers)
    new_speakers, new_emotions, new_symbols = (
        (*old, *(name for name in dict.fromkeys(wanted) if name not in old))
        for old, wanted in (
            (loaded.speakers, speakers),
            (loaded.emotions, emotions),
            (loaded.symbols, symbols),
        )
    )
    model = new_model(loaded.params, new_symbols, new_speakers, new_emotions)
    state = model.state_dict()
    for key, value in loaded.model.state_dict().items():
        target = state[key]
        if target.shape == value.shape:
            target.copy_(value)
        else:  # a table that grew
            target[tuple(slice(size) for size in value.shape)] = value
            if not key.startswith(("default_reference", "hearing.")):
                target[len(value) :] = value.mean(0)
    return Loaded(model.eval(), loaded.params, new_speakers, new_emotions, new_symbols, loaded.step)


def with_names(loaded: Loaded, speakers: Sequence[str] | None, emotions: Sequence[str] | None) -> Loaded:
    """A model that hears, with some of its named speakers and emotions alone, in this order; None: all of them.

    Raises ValueError for a model with tables, and for names that it does not have, or that are given twice.
    """
    if loaded.params.style.voice_channels == 0:
        raise ValueError("only a model that hears (style.voice_channels) can forget names; its own are a table")
    chosen = []
    for kind, wanted, names in (("speaker", speakers, loaded.speakers), ("emotion", emotions, loaded.emotions)):
        wanted = names if wanted is None else tuple(wanted)
        missing = [name for name in wanted if name not in names]
        if missing or not wanted:
            raise ValueError(f"there is no {kind} {missing[0]!r}" if missing else f"no {kind} would be left")
        if len(set(wanted)) < len(wanted):
            raise ValueError(f"a {kind} is named twice: {', '.join(wanted)}")
        chosen.append(torch.tensor([names.index(name) for name in wanted]))
    voices, manners = chosen
    state = loaded.model.state_dict()
    for key in ("default_reference", "default_reference_lengths", "hearing.voices"):
        state[key] = state[key][voices]
    state["hearing.manners"] = state["hearing.manners"][voices][:, manners]
    state["hearing.usual_manners"] = state["hearing.usual_manners"][manners]
    kept_speakers = tuple(loaded.speakers[i] for i in voices)
    kept_emotions = tuple(loaded.emotions[i] for i in manners)
    with SkipInit():
        model = _build(loaded.params, loaded.symbols, kept_speakers, kept_emotions)
    model.load_state_dict(state)
    return replace(loaded, model=model.eval(), speakers=kept_speakers, emotions=kept_emotions)


def _extend_official(loaded: Loaded, speakers: Sequence[str]) -> Loaded:
    config, state = loaded.model.config, loaded.model.state_dict()
    if config.n_speakers == 1:
        if len(set(speakers)) > 1:
            raise ValueError(
                f"an official model of one speaker cannot learn {len(set(speakers))}; train it on one of them"
            )
        return replace(loaded, speakers=tuple(speakers) or loaded.speakers)
    names = (*loaded.speakers, *(name for name in dict.fromkeys(speakers) if name not in loaded.speakers))
    table = state["spk_emb.weight"]
    new = table.mean(0).expand(len(names) - len(table), -1)
    with SkipInit():
        model = GradTTS(replace(config, n_speakers=len(names)))
    model.load_state_dict({**state, "spk_emb.weight": torch.cat([table, new])})
    return replace(loaded, model=model.eval(), speakers=names)


def rebuilt(loaded: Loaded, params: Params) -> Loaded:
    """The model by other parameters; every weight that fits is kept, the rest begins anew."""
    model = new_model(params, loaded.symbols, loaded.speakers, loaded.emotions)
    state = model.state_dict()
    for key, value in loaded.model.state_dict().items():
        if key in state and state[key].shape == value.shape:
            state[key].copy_(value)
    return replace(loaded, model=model.eval(), params=params)


def _build(params: Params, symbols: Sequence[str], speakers: Sequence[str], emotions: Sequence[str]) -> CondGradTTS:
    return CondGradTTS(params, len(symbols), len(speakers), len(emotions))


def _expected(
    params: Params, symbols: Sequence[str], speakers: Sequence[str], emotions: Sequence[str]
) -> dict[str, Tensor]:
    """The model's tensors without their numbers, so that a wrong file or parameter costs no memory."""
    try:
        with torch.device("meta"), SkipInit():
            expected = _build(params, symbols, speakers, emotions).state_dict()
    except (RuntimeError, TypeError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"the parameters make no model ({reason})") from error
    _check_size(expected.values())
    return expected


def _check_size(tensors: Iterable[Tensor]) -> None:
    numbers = sum(tensor.numel() for tensor in tensors)
    if numbers > MOST_NUMBERS:
        raise ValueError(
            f"a model of {numbers:.3g} numbers, more than {MOST_NUMBERS:.3g}; use fewer channels or layers"
        )


def _check_values(state: Mapping[str, Any]) -> None:
    """Whether the tensors of a file hold numbers that a model can have."""
    for key, value in state.items():
        if not isinstance(value, Tensor):
            continue  # what has no place is named with the shapes
        if value.is_meta:
            raise ValueError(f"the checkpoint's tensor {key} holds no numbers (it is a 'meta' tensor)")
        if value.dtype not in _DTYPES:
            raise ValueError(f"the checkpoint's tensor {key} is {value.dtype}; a model has plain real numbers")
        low, high = (number.item() for number in value.aminmax()) if value.numel() else (0, 0)
        if not (low >= -LARGEST_WEIGHT and high <= LARGEST_WEIGHT):  # nor is NaN
            found = f"holds numbers from {low:g} to {high:g}"
            raise ValueError(f"the checkpoint's tensor {key} {found}: damaged, or its training diverged")


def _without_retired(params: Mapping[str, Any]) -> dict[str, Any]:
    """Without settings that are not there any more; staged ones count from when it had the pitch reader."""
    if isinstance(params.get("train"), Mapping):
        params = {**params, "train": {key: value for key, value in params["train"].items() if key != "teacher_steps"}}
    stored = params.get("interpolation")
    if not isinstance(stored, Mapping):
        return dict(params)
    known = {setting.name for setting in fields(Interpolation)}
    if "decided_by" not in stored:  # stages, steps and weights of other units
        known -= {setting.name for setting in fields(Staged)} - {setting.name for setting in fields(PitchTransfer)}
    return {**params, "interpolation": {key: value for key, value in stored.items() if key in known}}


def _entry(payload: Mapping[str, Any], key: str, kind: type) -> Any:
    value = payload.get(key)
    if value is None:
        raise ValueError(f"the checkpoint lacks {key!r}")
    if not isinstance(value, kind):
        raise ValueError(f"the checkpoint's {key!r} is a {type(value).__name__}")
    return value


def _names(payload: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = _entry(payload, key, list)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"the checkpoint's {key!r} are not a list of different names")
    return tuple(names)


def _check_shapes(expected: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    for key in (*expected, *state):
        wanted, found = expected.get(key), state.get(key)
        if wanted is None:
            raise ValueError(f"the checkpoint's weights do not fit its own parameters: {key} is unknown")
        if not isinstance(found, Tensor) or found.layout != torch.strided or found.shape != wanted.shape:
            shown = "missing" if found is None else tuple(getattr(found, "shape", ()))
            raise ValueError(
                f"the checkpoint's weights do not fit its own parameters: {key} is {shown}, not {tuple(wanted.shape)}"
            )
        if wanted.is_floating_point() != (found.is_floating_point() or found.is_complex()):
            raise ValueError(f"the checkpoint's weights do not fit its own parameters: {key} is {found.dtype}")


def _official(state: Mapping[str, Any], time_scale: float | None) -> Loaded:
    _check_size(value for value in state.values() if isinstance(value, Tensor))
    _check_values(state)
    for key, value in state.items():
        if isinstance(value, Tensor) and not value.is_floating_point():
            raise ValueError(f"not an official Grad-TTS state dict: {key} is {value.dtype}")
    model = load_official(state, TIME_SCALES[0] if time_scale is None else time_scale)
    config = model.config
    if config.n_symbols != len(OFFICIAL_SYMBOLS):
        raise ValueError(
            f"an official state dict with {config.n_symbols} symbols, but the official front end has "
            f"{len(OFFICIAL_SYMBOLS)}, so its texts cannot be read"
        )
    notes: tuple[str, ...] = ()
    if time_scale is None:
        told = tell_time_scale(model)
        if told is None:
            notes = (
                "these weights do not tell their time scale, so it is 1000; grad-tts-old.pt needs 1: --time-scale 1, "
                "or in training estimator.pe_scale=1",
            )
        elif told != TIME_SCALES[0]:
            model = load_official(state, told)
            notes = ("an old official checkpoint: its weights were trained with time scale 1",)
        config = model.config
    defaults = Params()
    params = replace(
        defaults,
        audio=replace(defaults.audio, n_mels=config.n_mels),
        text=Text(front_end="official"),
        encoder=config.encoder,
        estimator=config.estimator,
        diffusion=config.diffusion,
        inference=Inference(steps=10, temperature=1.5),
    )
    speakers = tuple(str(i) for i in range(config.n_speakers))
    return Loaded(model, params, speakers, ("neutral",), tuple(OFFICIAL_SYMBOLS), 0, notes)


def _as(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.detach().to(dtype) if value.is_floating_point() else value.detach().clone()
