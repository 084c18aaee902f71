"""Official checkpoints: bare state dicts, recognised by their keys and shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import params
from model.diffusion import masked_mean
from model.grad_tts import GradTTS, GradTTSConfig
from model.randomness import SkipInit
from model.style import StyleSource
from text.symbols import OFFICIAL_SYMBOLS

TIME_SCALES = (
    1000.0,
    1.0,
)  # of the time embedding (`pe_scale`): of all official checkpoints but grad-tts-old.pt; of that

_MARKS = ("encoder.emb.weight", "decoder.estimator.mlp.0.weight")
_SHOWN = 3  # tensors named in an error

# "The ship sails", for `tell_time_scale`.
_PHONES = ("@DH", "@AH0", " ", "@SH", "@IH1", "@P", " ", "@S", "@EY1", "@L", "@Z")
_TELLING_TIMES = (0.4, 0.8)
_MOST_NOISE_LEFT = 0.7  # of a network that was trained with this scale
_CLEAR_RATIO = 1.5  # between the two scales


def official_state(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The official state dict in a loaded file; None if there is none.

    It may lie in an entry such as "model" or "state_dict", and its names may have a prefix such as "module.".
    """
    for candidate in (payload, *(value for value in payload.values() if isinstance(value, Mapping))):
        for key in candidate:
            prefix, found, rest = str(key).rpartition(_MARKS[0])
            if found and not rest and all(isinstance(candidate.get(prefix + mark), Tensor) for mark in _MARKS):
                return {str(name).removeprefix(prefix): value for name, value in candidate.items()}
    return None


def infer_config(state: Mapping[str, Any], pe_scale: float = TIME_SCALES[0]) -> GradTTSConfig:
    """Hyper-parameters of an official state dict.

    Dropout and the noise schedule leave no trace in it: they are the official ones.

    Args:
        state: tensors by name.
        pe_scale: of the time embedding; 1 only for `grad-tts-old.pt`.

    Raises:
        ValueError: if a tensor that tells a size is missing or has another number of dimensions.
    """
    n_symbols, channels = _shape(state, "encoder.emb.weight", 2)
    filter_channels, _, kernel_size = _shape(state, "encoder.encoder.ffn_layers.0.conv_1.weight", 3)
    _, positions, head_channels = _shape(state, "encoder.encoder.attn_layers.0.emb_rel_k", 3)
    n_speakers, speaker_channels = 1, 64
    if "spk_emb.weight" in state:
        n_speakers, speaker_channels = _shape(state, "spk_emb.weight", 2)
    return GradTTSConfig(
        n_symbols=n_symbols,
        n_speakers=n_speakers,
        speaker_channels=speaker_channels,
        n_mels=_shape(state, "encoder.proj_m.weight", 3)[0],
        encoder=params.Encoder(
            channels=channels,
            filter_channels=filter_channels,
            filter_channels_duration=_shape(state, "encoder.proj_w.conv_1.weight", 3)[0],
            layers=_count(state, "encoder.encoder.attn_layers."),
            heads=max(1, channels // max(1, head_channels)),
            kernel_size=kernel_size,
            dropout=0.1,
            window_size=(positions - 1) // 2,
            prenet_layers=_count(state, "encoder.prenet.conv_layers."),
        ),
        estimator=params.Estimator(
            name="unet", channels=_shape(state, "decoder.estimator.mlp.0.weight", 2)[1], pe_scale=pe_scale
        ),
        diffusion=params.Diffusion(beta_min=0.05, beta_max=20.0),
    )


def load_official(state: Mapping[str, Any], pe_scale: float = TIME_SCALES[0]) -> GradTTS:
    """Build the model of an official state dict and load it strictly; arguments as for `infer_config`.

    Returns:
        The model, on the CPU, in evaluation mode.

    Raises:
        ValueError: if the state dict is not official; the line names tensors that do not fit.
    """
    config = infer_config(state, pe_scale)
    with torch.device("meta"), SkipInit():  # sizes first: a wrong file should not cost memory
        expected = {key: tuple(value.shape) for key, value in GradTTS(config).state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items() if isinstance(value, Tensor)}
    complaints = [f"{key} is missing" for key in expected if key not in state]
    complaints += [f"{key} is unknown" for key in state if key not in expected]
    complaints += [
        f"{key} is {given.get(key, type(state[key]).__name__)}, not {shape}"
        for key, shape in expected.items()
        if key in state and given.get(key) != shape
    ]
    if complaints:
        more = f"; and {len(complaints) - _SHOWN} more" if len(complaints) > _SHOWN else ""
        raise ValueError("not an official Grad-TTS state dict: " + "; ".join(complaints[:_SHOWN]) + more)
    with SkipInit():
        model = GradTTS(config)
    model.load_state_dict(state, strict=True)
    return model.eval()


@torch.no_grad()
def tell_time_scale(model: GradTTS) -> float | None:
    """The scale of time that the weights were trained with, which the state dict does not say.

    The network is asked for the noise in noisy versions of the model's own mu: with the right scale it finds most of
    it, with the other it takes every time for another. None: it finds the noise with neither (weights that have not
    learned) or with both. The model keeps the scale that it has.
    """
    ids = [len(OFFICIAL_SYMBOLS) - 1]
    for phone in _PHONES:
        ids += [OFFICIAL_SYMBOLS.index(phone), len(OFFICIAL_SYMBOLS) - 1]
    text = model.encode(torch.tensor([ids]), torch.tensor([len(ids)]))
    two_frames_each = torch.full_like(text.log_durations, math.log(2) - 1e-3)  # they are rounded up
    frames = model.spread(text, log_durations=two_frames_each)
    speaker = torch.zeros(1, dtype=torch.long) if model.config.n_speakers > 1 else None
    denoiser = model.denoiser(frames, StyleSource(speaker=speaker))
    noise = torch.randn(frames.mu.shape, generator=torch.Generator().manual_seed(0))
    left = {}  # noise that is not found, as a share of its variance
    embedding = model.decoder.estimator.time_pos_emb
    before = embedding.scale
    for scale in TIME_SCALES:
        embedding.scale = scale
        left[scale] = 0.0
        for time in _TELLING_TIMES:
            sigma = denoiser.schedule.sigma(time)
            found = -sigma * denoiser.score(frames.mu + sigma * noise, time)
            left[scale] += float(masked_mean((found - noise) ** 2, frames.mask)) / len(_TELLING_TIMES)
    embedding.scale = before
    best, other = sorted(TIME_SCALES, key=left.__getitem__)
    return best if left[best] < _MOST_NOISE_LEFT and left[other] > _CLEAR_RATIO * left[best] else None


def _shape(state: Mapping[str, Any], key: str, dimensions: int) -> tuple[int, ...]:
    value = state.get(key)
    if not isinstance(value, Tensor) or value.dim() != dimensions:
        found = "is missing" if value is None else "has another form"
        raise ValueError(f"not an official Grad-TTS state dict: {key} {found}")
    return tuple(value.shape)


def _count(state: Mapping[str, Any], prefix: str) -> int:
    """How many modules a list has: numbers that follow the prefix."""
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})
