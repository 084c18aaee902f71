"""Exact labels beside a generated wav: `x.labels.npz` for `x.wav`.

Arrays: `f0` (Hz, 0 = unvoiced; value j at j / frame_rate seconds), `frame_rate` (values a second), `symbols`
(the text front end's, without blanks) and `symbol_seconds` (their durations, which fill the whole audio).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.files import replacing
from data.array_file import read_arrays
from data.features import Features
from params import Audio

LENGTH_TOLERANCE = 0.1  # seconds, between the labels and the audio
MARGIN = 1  # frames by which a symbol's own interval is widened for its token


@dataclass
class Labels:
    f0: np.ndarray  # (F,) Hz, 0 where unvoiced
    frame_rate: float  # values of f0 a second
    symbols: tuple[str, ...]  # S
    symbol_seconds: np.ndarray  # (S,)


def labels_path(wav: str | os.PathLike) -> Path:
    return Path(wav).with_suffix(".labels.npz")


def write_labels(wav: str | os.PathLike, labels: Labels) -> None:
    """Write the label file of a wav, whole or not at all.

    To be called before the wav is written: a wav that exists has its labels. Raises InputError if the place cannot be
    written to.
    """
    with replacing(labels_path(wav)) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            f0=labels.f0,
            frame_rate=np.float32(labels.frame_rate),
            symbols=np.array(labels.symbols),
            symbol_seconds=labels.symbol_seconds,
        )


def parse_labels(content: bytes, path: str | os.PathLike) -> Labels:
    """The bytes of a label file -> labels.

    Raises:
        InputError: not such a file, or values that cannot be.
    """
    try:
        arrays = read_arrays(content)
        labels = Labels(
            f0=np.asarray(arrays["f0"], dtype=np.float32).ravel(),
            frame_rate=float(arrays["frame_rate"]),
            symbols=tuple(arrays["symbols"].tolist()),
            symbol_seconds=np.asarray(arrays["symbol_seconds"], dtype=np.float32).ravel(),
        )
    except (ValueError, TypeError, KeyError) as error:
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
    boundaries = symbol_boundaries(symbol_seconds, audio_params)
    return replace(features, symbols=symbols, symbol_seconds=symbol_seconds, boundaries=boundaries)


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


def token_spans(is_blank: Sequence[bool], boundaries: np.ndarray, frames: int) -> np.ndarray | None:
    """Frames [start, end) in which each token of a text may lie in its mel, by the exact boundaries of its symbols.

    A symbol may lie in its exact interval, widened by one frame; a blank between the middles of the symbols around it.

    is_blank: (N,), of the tokens in order; those that are not blank are the S symbols.
    boundaries: (S + 1,) of the symbols, in frames.

    Returns:
        (N, 2) int64; None if tokens of at least one frame each cannot be laid out in the spans.
    Raises:
        ValueError: the boundaries are those of another number of symbols.
    """
    blank = np.asarray(is_blank, dtype=bool)
    symbols = len(boundaries) - 1
    if (~blank).sum() != symbols or symbols == 0:
        raise ValueError(f"{(~blank).sum()} symbols but boundaries of {symbols}")
    begin, end = boundaries[:-1], boundaries[1:]
    middle = (begin + end) / 2
    before = np.cumsum(~blank)  # (N,) symbols up to and including the token
    own = before - 1  # the symbol, or for a blank the one before it
    following = np.minimum(before, symbols - 1)
    starts = np.where(blank, np.floor(middle[own]), np.floor(begin[own]) - MARGIN)
    ends = np.where(blank, np.ceil(middle[following]), np.ceil(end[own]) + MARGIN)
    starts[before == 0] = 0  # blanks in front of the first symbol
    ends[blank & (before == symbols)] = frames  # blanks behind the last one
    spans = np.stack([starts, ends], axis=1).clip(0, frames).astype(np.int64)  # (N, 2)
    spans[0, 0], spans[-1, 1] = 0, frames  # all frames belong to some token
    return spans if _can_be_laid_out(spans, frames) else None


def _can_be_laid_out(spans: np.ndarray, frames: int) -> bool:
    """Whether consecutive tokens of at least one frame can cover all frames: lay each as early as its span allows."""
    position = 0
    for (_, end), (next_start, _) in pairwise(spans):
        position = max(position + 1, next_start)
        if position > end:
            return False
    return position < frames
