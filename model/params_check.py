"""Which values of the hyper-parameters can be used, each by itself and together."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from typing import Any

from model.interpolation import KINDS, make_kind
from model.mel_filters import mel_filters
from model.params_dict import flat_params, parameter_types
from params import Params

# Of `model.sampling`, which needs torch.
SOLVERS = ("euler", "euler-quad", "ddim", "dpm++2m", "ml-sde", "edm-2m", "edm-2m-few")

_Rule = tuple[Callable[[Any], bool], str]


def _one_of(*names: str) -> _Rule:
    return (lambda value: value in names), f"one of {', '.join(names)}"


def _up_to(most: int, least: int = 1) -> _Rule:
    at_least = f"at least {least}" if least else "0 or more"
    return (lambda value: least <= value <= most), f"{at_least}, and at most {most}"


# Nothing that is used comes near these bounds. What a value beyond them would make fills a machine, or never ends.
_LARGEST = 2**31 - 1
_LARGEST_FLOAT = 1e6
_LAYERS = _up_to(100)
_CHANNELS = _up_to(8192)
_AT_LEAST_1: _Rule = (lambda value: 1 <= value <= _LARGEST), "at least 1, and below 2^31"
_NOT_NEGATIVE: _Rule = (lambda value: 0 <= value <= _LARGEST), "0 or more, and below 2^31"
_POSITIVE: _Rule = (lambda value: 0 < value <= _LARGEST_FLOAT), f"above 0, and at most {_LARGEST_FLOAT:g}"
_SHARE: _Rule = (lambda value: 0 <= value <= 1), "from 0 to 1"
_BELOW_1: _Rule = (lambda value: 0 <= value < 1), "at least 0 and below 1"
_ANY: _Rule = (lambda value: True), ""
_NAME: _Rule = (lambda value: bool(value) and "\0" not in value), "a text that is not empty, without null characters"
_NAME_OR_NONE: _Rule = (lambda value: "\0" not in value), "a text without null characters"

# Whole numbers must be at least 1 and other numbers above 0, except for these.
_RULES: dict[str, _Rule] = {
    "audio.sample_rate": _up_to(192_000, 8000),
    "audio.n_fft": _up_to(65536, 16),
    "audio.win_length": _up_to(65536, 16),
    "audio.hop_length": _up_to(16384, 16),
    "audio.n_mels": ((lambda value: 4 <= value <= 512 and value % 4 == 0), "a multiple of 4, up to 512"),
    "audio.fmin": _NOT_NEGATIVE,
    "audio.f0_min": _up_to(10_000, 10),
    "text.front_end": _one_of("arpabet", "official"),
    "encoder.channels": _CHANNELS,
    "encoder.filter_channels": _CHANNELS,
    "encoder.filter_channels_duration": _CHANNELS,
    "encoder.layers": _LAYERS,
    "encoder.prenet_layers": _LAYERS,
    "encoder.heads": _up_to(64),
    "encoder.window_size": _up_to(1000),
    "encoder.content_pictures": _up_to(64),
    "encoder.local_channels": _up_to(4096, 0),
    "encoder.dropout": _BELOW_1,
    "encoder.prenet_dropout": _BELOW_1,
    "encoder.kernel_size": ((lambda value: 1 <= value <= 101 and value % 2 == 1), "odd, and at most 101"),
    "style.kind": _one_of("typed", "bundled"),
    "style.token_channels": _CHANNELS,
    "style.contour_frames": _up_to(1000),
    "style.timbre_frames": (
        (lambda value: 2 <= value <= 1024 and value & (value - 1) == 0),
        "a power of two, from 2 to 1024",
    ),
    "style.timbre_bottleneck": _CHANNELS,
    "style.drop_probability": _SHARE,
    "style.drop_contours_probability": _SHARE,
    "style.drop_all_probability": _SHARE,
    "style.speaker_embedding_dim": _up_to(8192, 0),
    "style.emotion_embedding_dim": _up_to(8192, 0),
    "style.voice_channels": _up_to(8192, 0),
    "estimator.channels": ((lambda value: 4 <= value <= 2048 and value % 2 == 0), "an even number from 4 to 2048"),
    "estimator.heads": (
        (lambda value: len(value) == 3 and min(value) >= 1 and max(value) <= 64),
        "three whole numbers, each from 1 to 64",
    ),
    "estimator.frame_channels": _up_to(2048, 0),
    "estimator.head_channels": _up_to(1024),
    "diffusion.noise_mean": ((lambda value: abs(value) <= _LARGEST_FLOAT), "from -1e+06 to 1e+06"),
    "train.recordings": _NAME_OR_NONE,
    "train.teacher": _NAME_OR_NONE,
    "train.batch_size": _up_to(4096),
    "train.crop_frames": ((lambda value: 4 <= value <= 8192 and value % 4 == 0), "a multiple of 4, up to 8192"),
    "train.encoder_steps": _NOT_NEGATIVE,
    "train.warmup_steps": _NOT_NEGATIVE,
    "train.decay_steps": _NOT_NEGATIVE,
    "train.final_learning_rate": _NOT_NEGATIVE,
    "train.weight_decay": _NOT_NEGATIVE,
    "train.ema_decay": _BELOW_1,
    "train.precision": _one_of("auto", "bf16", "fp32"),
    "train.seed": ((lambda value: 0 <= value < 2**63), "0 or more, and below 2^63"),
    "train.workers": _up_to(64, 0),
    "train.threads": _up_to(1024, 0),
    "inference.sampler": _one_of(*SOLVERS),
    "inference.guidance_scale": _NOT_NEGATIVE,
}
_DEFAULT_RULES = {int: _AT_LEAST_1, float: _POSITIVE, str: _NAME}


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
    if params.style.voice_channels and params.style.takes_embeddings:
        raise ValueError("style.voice_channels excludes external embeddings, style.*_embedding_dim; leave those at 0")
    for name in ("win_length", "hop_length"):
        if getattr(audio, name) > audio.n_fft:
            raise ValueError(f"audio.{name} {getattr(audio, name)} must not be above audio.n_fft {audio.n_fft}")
    if audio.fmin >= audio.fmax or audio.fmax > audio.sample_rate / 2:
        raise ValueError(f"audio.fmax {audio.fmax:g} Hz must be above audio.fmin and at most half the sample rate")
    if empty := int((mel_filters(audio).max(1) == 0).sum()):
        reason = f"{empty} of its rows lie between two of the transform's frequencies; give fewer, or a larger n_fft"
        raise ValueError(f"audio.n_mels {audio.n_mels} is too many for audio.n_fft {audio.n_fft}: {reason}")
    if audio.f0_min >= audio.f0_max:
        raise ValueError(f"audio.f0_min {audio.f0_min:g} Hz must be below audio.f0_max {audio.f0_max:g} Hz")
    if encoder.channels % encoder.heads:
        raise ValueError(f"encoder.channels {encoder.channels} must be a multiple of encoder.heads {encoder.heads}")
