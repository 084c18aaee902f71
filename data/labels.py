"""Exact labels beside a generated wav: `x.labels.npz` for `x.wav`.

Arrays: `f0` (Hz, 0 = unvoiced; value j at j / frame_rate seconds), `frame_rate` (values a second), `symbols`
(the text front end's, without blanks) and `symbol_seconds` (their durations, which fill the whole audio).
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.errors import InputError
from data.features import Features
from params import Audio

LENGTH_TOLERANCE = 0.1  # seconds, between the labels and the audio


@dataclass
class Labels:
    f0: np.ndarray  # (F,) Hz, 0 where unvoiced
    frame_rate: float  # values of f0 a second
    symbols: tuple[str, ...]  # S
    symbol_seconds: np.ndarray  # (S,)


def labels_path(wav: str | os.PathLike) -> Path:
    return Path(wav).with_suffix(".labels.npz")


def parse_labels(content: bytes, path: str | os.PathLike) -> Labels:
    """The bytes of a label file -> labels.

    Raises:
        InputError: not such a file, or values that cannot be.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            labels = Labels(
                f0=np.asarray(arrays["f0"], dtype=np.float32).ravel(),
                frame_rate=float(arrays["frame_rate"]),
                symbols=tuple(arrays["symbols"].tolist()),
                symbol_seconds=np.asarray(arrays["symbol_seconds"], dtype=np.float32).ravel(),
            )
    except Exception as error:  # a damaged archive fails in many ways; the remedy is the same
        raise InputError(f"{path} is not a label file ({error}); remove it or generate it again") from error
    numbers = np.concatenate([labels.f0, labels.symbol_seconds, [labels.frame_rate]])
    if not np.isfinite(numbers).all() or (numbers < 0).any() or labels.frame_rate == 0 or labels.f0.size == 0:
        raise InputError(f"{path} holds values that are negative, empty or not finite; generate it again")
    if len(labels.symbols) != len(labels.symbol_seconds):
        raise InputError(f"{path} has {len(labels.symbols)} symbols but {len(labels.symbol_seconds)} durations")
    return labels


def resample_f0(f0: np.ndarray, frame_rate: float, frames: int, audio_params: Audio) -> np.ndarray:
    """Labelled F0 at the centres of mel frames: voicing of the nearest value, log F0 linear between two voiced values.

    Returns:
        (frames,) float32, Hz, 0 where unvoiced and behind the last value.
    """
    centres = (np.arange(frames) + 0.5) * audio_params.hop_length / audio_params.sample_rate  # seconds
    # Value j is at j / frame_rate: so the generator's F0 agrees best with the F0 measured on its audio (0.48 semitones;
    # 0.54 if values were at the middles of their intervals).
    position = centres * frame_rate
    nearest = np.floor(position + 0.5).astype(int)
    inside = nearest < len(f0)
    nearest = np.clip(nearest, 0, len(f0) - 1)
    left = np.clip(np.floor(position).astype(int), 0, len(f0) - 1)
    right = np.minimum(left + 1, len(f0) - 1)
    log_f0 = np.log(np.where(f0 > 0, f0, 1.0))
    share = np.clip(position - left, 0, 1)
    blended = np.exp((1 - share) * log_f0[left] + share * log_f0[right])
    both = (f0[left] > 0) & (f0[right] > 0)
    return (np.where(both, blended, f0[nearest]) * (inside & (f0[nearest] > 0))).astype(np.float32)


def symbol_boundaries(symbol_seconds: np.ndarray, audio_params: Audio) -> np.ndarray:
    """Durations (S,) in seconds -> boundaries (S + 1,) float32 in mel frames; frame i is [i, i + 1)."""
    ends = np.cumsum(symbol_seconds, dtype=np.float64) * audio_params.sample_rate / audio_params.hop_length
    return np.concatenate([[0.0], ends]).astype(np.float32)


def with_symbols(
    features: Features, symbols: tuple[str, ...], symbol_seconds: np.ndarray, audio_params: Audio
) -> Features:
    """Features that also know their symbols' durations."""
    durations = symbol_boundaries(symbol_seconds, audio_params)
    return replace(features, symbols=symbols, symbol_seconds=symbol_seconds, durations=durations)


def with_labels(features: Features, labels: Labels, audio_params: Audio) -> Features:
    """Features with the labelled F0 where the audio is voiced, and with the labelled durations.

    Raises:
        InputError: the labels are of another length than the audio.
    """
    frame_seconds = audio_params.hop_length / audio_params.sample_rate
    seconds = features.frames * frame_seconds
    for name, labelled in (("F0", len(labels.f0) / labels.frame_rate), ("symbols", labels.symbol_seconds.sum())):
        if abs(labelled - seconds) > LENGTH_TOLERANCE:
            raise InputError(
                f"its labels ({name}) last {labelled:.2f} s, the audio {seconds:.2f} s; generate both again"
            )
    label_f0 = resample_f0(labels.f0, labels.frame_rate, features.frames, audio_params)
    # A synthesiser's F0 runs on through voiceless phones: how high a frame is comes from the label, whether it is
    # voiced from the audio.
    f0 = np.where(features.f0 > 0, np.where(label_f0 > 0, label_f0, features.f0), 0).astype(np.float32)
    labelled = replace(features, f0=f0, voicing=(f0 > 0).astype(np.float32))
    return with_symbols(labelled, labels.symbols, labels.symbol_seconds, audio_params)
