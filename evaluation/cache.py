"""What was measured before, on disk, keyed by the content of the audio and the way of measuring."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.files import replacing


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
        try:
            with replacing(entry) as temporary, open(temporary, "wb") as file:
                np.savez(file, value=value)
        except OSError as error:
            raise InputError(f"the cache {self.folder} cannot be written ({error}); choose another") from error
        return value

    @staticmethod
    def _load(entry: Path) -> np.ndarray | None:
        try:
            with np.load(entry, allow_pickle=False) as arrays:
                return arrays["value"]
        except Exception:  # missing, cut short, or damaged in one of many ways: made again
            return None
