"""Pronunciations of words that no dictionary lists: a small convolutional network over letters, run in NumPy.

Each letter emits `SLOTS` symbols, a phone or a blank, and repeats are merged as in connectionist temporal
classification (Graves et al., 2006); trained on the CMU dictionary by `benchmarks/train_letter_to_sound.py`, whose
weights lie in `letter_to_sound.npz` as int8 with one scale per output row.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from text.symbols import PHONES

LETTERS = "abcdefghijklmnopqrstuvwxyz'"  # letter i has id i + 1; 0 is padding
CLASSES = ("", *PHONES)  # class 0 is the blank
SLOTS = 2  # symbols a letter may emit: x is K S, u is Y UW
KERNEL = 5
LONGEST = 40  # letters read at once; a longer word is read in pieces


WEIGHTS = Path(__file__).with_name("letter_to_sound.npz")


@functools.cache
def weights(path: Path = WEIGHTS) -> dict[str, np.ndarray]:
    """Parameter name -> float32 array."""
    with np.load(path) as stored:
        names = [name for name in stored.files if not name.endswith(".scale")]
        return {name: dequantise(stored[name], stored.get(f"{name}.scale")) for name in names}


def quantise(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, ...) float -> (rows, ...) int8 and (rows,) float32, the step of each row."""
    rows = array.reshape(len(array), -1)
    scale = np.maximum(np.abs(rows).max(axis=1), 1e-8).astype(np.float32) / 127
    return np.rint(rows / scale[:, None]).astype(np.int8).reshape(array.shape), scale


def dequantise(array: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    if scale is None:
        return array.astype(np.float32)
    return array.astype(np.float32) * scale.reshape(-1, *[1] * (array.ndim - 1))


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def log_odds(letters: str, w: dict[str, np.ndarray]) -> np.ndarray:
    """n letters of `LETTERS` -> (n * SLOTS, classes), unnormalised log-probabilities."""
    ids = [LETTERS.index(letter) + 1 for letter in letters]
    x = w["embedding.weight"][ids]  # (n, channels)
    half, n = KERNEL // 2, len(letters)
    for layer in range(sum(name.startswith("norms.") for name in w) // 2):
        y = layer_norm(x, w[f"norms.{layer}.weight"], w[f"norms.{layer}.bias"])
        y = np.pad(y, ((half, half), (0, 0)))
        windows = np.stack([y[k : k + n] for k in range(KERNEL)], axis=-1)  # (n, channels, kernel)
        kernel = w[f"convs.{layer}.weight"]  # (channels, channels, kernel)
        y = windows.reshape(n, -1) @ kernel.reshape(len(kernel), -1).T + w[f"convs.{layer}.bias"]
        x = x + np.maximum(y, 0)
    x = layer_norm(x, w["last_norm.weight"], w["last_norm.bias"])
    return (x @ w["output.weight"].T + w["output.bias"]).reshape(n * SLOTS, len(CLASSES))


def merge(classes: list[int]) -> tuple[str, ...]:
    """Drop repeats, then blanks."""
    kept = [c for c, before in zip(classes, [0, *classes], strict=False) if c != before]
    return tuple(CLASSES[c] for c in kept if c)


@functools.lru_cache(maxsize=16384)
def guess(word: str, path: Path = WEIGHTS) -> tuple[str, ...]:
    """ARPAbet phones for any string; characters other than a-z and the apostrophe are skipped.

    At least one phone, unless no letter is left.
    """
    letters = "".join(letter for letter in word.lower() if letter in LETTERS)
    pieces = [letters[i : i + LONGEST] for i in range(0, len(letters), LONGEST)]
    phones: list[str] = []
    for piece in pieces:
        scores = log_odds(piece, weights(path))
        spoken = merge(scores.argmax(axis=1).tolist())
        phones += spoken or (CLASSES[1 + int(scores[:, 1:].max(axis=0).argmax())],)
    return tuple(phones)
