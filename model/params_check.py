"""Which values of the hyper-parameters can be used, each by itself and together."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from typing import Any

from model.interpolation import KINDS, make_kind
from model.params_dict import flat_params, parameter_types
from params import Params

_Rule = tuple[Callable[[Any], bool], str]


def _one_of(*names: str) -> _Rule:
    return (lambda value: value in names), f"one of {', '.join(names)}"


_AT_LEAST_1: _Rule = (lambda value: value >= 1), "at least 1"
_NOT_NEGATIVE: _Rule = (lambda value: value >= 0), "0 or more"
_POSITIVE: _Rule = (lambda value: value > 0), "above 0"
_SHARE: _Rule = (lambda value: 0 <= value <= 1), "from 0 to 1"
_BELOW_1: _Rule = (lambda value: 0 <= value < 1), "at least 0 and below 1"
_ANY: _Rule = (lambda value: True), ""

# Whole numbers must be at least 1 and other numbers above 0, except for these.
_RULES: dict[str, _Rule] = {
    "audio.n_mels": ((lambda value: value >= 4 and value % 4 == 0), "a multiple of 4"),
    "audio.fmin": _NOT_NEGATIVE,
    "text.front_end": _one_of("arpabet", "official"),
    "encoder.dropout": _BELOW_1,
    "encoder.prenet_dropout": _BELOW_1,
    "encoder.kernel_size": ((lambda value: value >= 1 and value % 2 == 1), "odd"),
    "style.kind": _one_of("typed", "bundled"),
    "style.timbre_frames": ((lambda value: value >= 2 and value & (value - 1) == 0), "a power of two, 2 or more"),
    "style.drop_probability": _SHARE,
    "style.drop_contours_probability": _SHARE,
    "style.drop_all_probability": _SHARE,
    "style.speaker_embedding_dim": _NOT_NEGATIVE,
    "style.emotion_embedding_dim": _NOT_NEGATIVE,
    "estimator.channels": ((lambda value: value >= 4 and value % 2 == 0), "an even number, 4 or more"),
    "estimator.heads": ((lambda value: len(value) == 3 and min(value) >= 1), "three whole numbers, each at least 1"),
    "diffusion.noise_mean": _ANY,
    "train.crop_frames": ((lambda value: value >= 4 and value % 4 == 0), "a multiple of 4"),
    "train.encoder_steps": _NOT_NEGATIVE,
    "train.warmup_steps": _NOT_NEGATIVE,
    "train.decay_steps": _NOT_NEGATIVE,
    "train.final_learning_rate": _NOT_NEGATIVE,
    "train.weight_decay": _NOT_NEGATIVE,
    "train.ema_decay": _BELOW_1,
    "train.precision": _one_of("bf16", "fp32"),
    "train.seed": _NOT_NEGATIVE,
    "train.workers": _NOT_NEGATIVE,
    "train.threads": _NOT_NEGATIVE,
    "inference.guidance_scale": _NOT_NEGATIVE,
}
_DEFAULT_RULES = {int: _AT_LEAST_1, float: _POSITIVE}


def check_params(params: Params) -> None:
    """Raises ValueError, in one line that begins with a key, for the first value that cannot be used."""
    types = parameter_types()
    for key, value in flat_params(params).items():
        if key.startswith("interpolation."):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{key} must be a finite number, not {value}")
        allowed, words = _RULES.get(key) or _DEFAULT_RULES.get(types[key], _ANY)
        if not allowed(value):
            raise ValueError(f"{key} must be {words}, not {reprlib.repr(value)}")
    for name in KINDS:
        try:
            make_kind(name, params.interpolation)
        except ValueError as error:
            raise ValueError(f"interpolation.{error}") from error
    audio, encoder = params.audio, params.encoder
    if audio.win_length > audio.n_fft:
        raise ValueError(f"audio.win_length {audio.win_length} must not be above audio.n_fft {audio.n_fft}")
    if audio.fmin >= audio.fmax or audio.fmax > audio.sample_rate / 2:
        raise ValueError(f"audio.fmax {audio.fmax:g} Hz must be above audio.fmin and at most half the sample rate")
    if audio.f0_min >= audio.f0_max:
        raise ValueError(f"audio.f0_min {audio.f0_min:g} Hz must be below audio.f0_max {audio.f0_max:g} Hz")
    if encoder.channels % encoder.heads:
        raise ValueError(f"encoder.channels {encoder.channels} must be a multiple of encoder.heads {encoder.heads}")
