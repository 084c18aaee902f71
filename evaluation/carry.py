"""Carry a contour from one utterance to the frames of another."""

from __future__ import annotations

import numpy as np

from evaluation.spectrum import distances, dtw_path, mel_cepstrum
from evaluation.speech import Phones, Speech


def positions(source: Speech, target: Speech, carry: str = "auto") -> np.ndarray:
    """For each frame of `target` the place in `source` that belongs to it: (T_target,) in frames, fractional.

    carry: "phones": phone by phone, for two results of the same text; "linear": the same relative position, for other
        texts; "dtw": by the sound, for the same text; "auto": phones where both have the same ones, else dtw.

    Raises:
        ValueError: "phones", but the two do not have the same phones.
    """
    if carry == "linear":
        return positions_by_proportion(source.frames, target.frames)
    if carry == "dtw" or (carry == "auto" and not same_phones(source, target)):
        return positions_by_dtw(source.mel, target.mel)
    if not same_phones(source, target):
        raise ValueError("the phones of the two are not known, or not the same; carry by dtw or linear")
    return positions_by_phones(source.phones, target.phones, target.frames)


def same_phones(source: Speech, target: Speech) -> bool:
    return source.phones is not None and target.phones is not None and source.phones.symbols == target.phones.symbols


def positions_by_proportion(source_frames: int, target_frames: int) -> np.ndarray:
    return (np.arange(target_frames) + 0.5) * source_frames / target_frames - 0.5


def positions_by_phones(source: Phones, target: Phones, target_frames: int) -> np.ndarray:
    """Linear inside each phone. Both must have the same symbols."""
    centres = np.arange(target_frames) + 0.5
    return np.interp(centres, target.boundaries, source.boundaries) - 0.5


def positions_by_dtw(source_mel: np.ndarray, target_mel: np.ndarray) -> np.ndarray:
    """By the mel cepstrum, each coefficient normalised over its utterance, so that voices matter less than phones."""
    cepstra = []
    for mel in (source_mel, target_mel):
        cepstrum = mel_cepstrum(mel)
        spread = cepstrum.std(axis=1, keepdims=True)
        cepstra.append((cepstrum - cepstrum.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-8))
    path = dtw_path(distances(*cepstra))
    frames = target_mel.shape[1]
    hits = np.bincount(path[:, 1], minlength=frames)
    return np.bincount(path[:, 1], weights=path[:, 0], minlength=frames) / hits


def carry_f0(f0: np.ndarray, position: np.ndarray) -> np.ndarray:
    """(T_source,) Hz, 0 where unvoiced -> the same at fractional positions: voicing of the nearest frame, log F0
    linear between two voiced ones."""
    f0 = np.asarray(f0, dtype=np.float64)
    last = len(f0) - 1
    position = np.clip(position, 0, last)
    nearest = np.floor(position + 0.5).astype(int).clip(0, last)
    left = np.floor(position).astype(int)
    right = np.minimum(left + 1, last)
    log_f0 = np.log(np.where(f0 > 0, f0, 1.0))
    share = position - left
    blended = np.exp((1 - share) * log_f0[left] + share * log_f0[right])
    both = (share > 0) & (f0[left] > 0) & (f0[right] > 0)
    return np.where(f0[nearest] > 0, np.where(both, blended, f0[nearest]), 0.0)


def carry_values(values: np.ndarray, position: np.ndarray) -> np.ndarray:
    """(T_source,) of anything without gaps (energy) -> linear at fractional positions."""
    return np.interp(position, np.arange(len(values)), values)
