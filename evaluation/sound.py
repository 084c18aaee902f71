"""Audio to be measured, known by its content, and what was measured of it before."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from common.errors import InputError
from common.files import replacing
from data.audio import read_audio

MODEL_RATE = 16000  # Hz, what the recogniser, the speaker encoder and the MOS predictor hear


@dataclass(frozen=True, eq=False)
class Sound:
    """audio: (samples,) float32 in [-1, 1] at `sample_rate` Hz."""

    audio: np.ndarray
    sample_rate: int

    @functools.cached_property
    def digest(self) -> str:
        """The same for the same samples, whatever file they come from."""
        content = np.ascontiguousarray(self.audio, dtype=np.float32)
        return hashlib.blake2b(b"%d:" % self.sample_rate + content.tobytes(), digest_size=16).hexdigest()

    @functools.cached_property
    def at_model_rate(self) -> np.ndarray:
        """(samples,) float32 at 16 kHz."""
        return soxr.resample(self.audio, self.sample_rate, MODEL_RATE, quality="HQ").astype(np.float32)

    @property
    def seconds(self) -> float:
        return len(self.audio) / self.sample_rate


def read_sound(path: str | os.PathLike, sample_rate: int) -> Sound:
    """Read and resample an audio file; InputError if it cannot be read or lasts less than 50 ms."""
    sound = Sound(read_audio(path, sample_rate), sample_rate)
    if sound.seconds < 0.05:
        raise InputError(f"{path} lasts {sound.seconds * 1000:.0f} ms; there is nothing to measure in it")
    return sound


class AnalysisCache:
    """One .npz for each pair of a sound and a kind of analysis; entries appear whole or not at all."""

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)

    def get(self, digest: str, kind: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The stored array, or what `make` returns, which is then stored.

        kind: names the analysis with everything that changes its result (model, version, parameters).

        Raises:
            InputError: the folder cannot be written.
        """
        key = hashlib.blake2b(f"{kind}\n{digest}".encode(), digest_size=16).hexdigest()
        entry = self.folder / key[:2] / f"{key[2:]}.npz"
        stored = self._load(entry)
        if stored is not None:
            return stored
        value = np.asarray(make())
        with replacing(entry) as temporary, open(temporary, "wb") as file:
            np.savez(file, value=value)
        return value

    @staticmethod
    def _load(entry: Path) -> np.ndarray | None:
        try:
            with np.load(entry, allow_pickle=False) as arrays:
                return arrays["value"]
        except Exception:  # missing, cut short, or damaged in one of many ways: made again
            return None
