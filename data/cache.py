"""Features on disk, keyed by the content of the audio and the parameters of the analysis.

Moving or copying a corpus keeps its entries; editing a file or a parameter makes new ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from common.errors import InputError, shown
from common.files import read_bounded, remove_leftovers, replacing
from common.processes import map_in_processes
from data.audio import read_audio
from data.features import Features, extract
from data.labels import labels_path, parse_labels, with_labels, with_symbols
from params import Audio

MOST_AUDIO_BYTES = 2**29  # of a recording's file
_ABANDONED = 3600.0  # seconds after which no process still writes an entry
EXTRACTION_VERSION = 2  # raise it when the same audio gives other features


@dataclass(frozen=True)
class Reject:
    path: Path
    reason: str


class FeatureCache:
    """One .npz an utterance in `folder`, in 256 subfolders: mel in float16 (off by less than 0.004), the rest float32.

    Entries appear whole or not at all, so processes may share a folder and may be killed; an entry that cannot be read
    is made again, and said on standard error.

    remember: look at the content of each file once only, for a process in whose life the corpus does not change
    (training); it keeps which entry is whose, and its copies in other processes know what it knew.
    """

    def __init__(self, folder: str | os.PathLike, audio_params: Audio, remember: bool = False) -> None:
        self.folder = Path(folder)
        self.audio_params = audio_params
        self._known: dict[str, Path] | None = {} if remember else None

    def get(self, path: str | os.PathLike) -> Features:
        """Features of an audio file, and of the labels beside it (data.labels) where there are any; made if missing.

        Raises:
            InputError: the audio or its labels cannot be used, or it has no voiced frame.
            OSError: the cache cannot be written to, which is no fault of the audio's.
        """
        path = Path(path)
        known = None if self._known is None else self._known.get(str(path))
        if known is not None and (features := self._load(known)) is not None:
            return features
        entry, labels = self._locate(path)
        features = self._load(entry)
        if features is None:
            if entry.exists():
                tqdm.write(shown(f"the cache entry {entry} of {path} is damaged and made again"), file=sys.stderr)
            features = self._make(path, labels)
            try:
                self._save(entry, features)
            except InputError as error:  # which would be taken for the audio's own
                why = error.__cause__
                what = f"the cache cannot be written ({why.strerror})"
                raise OSError(why.errno, what, str(self.folder)) from why
            # What was just computed and what a later call reads must be the same.
            features.mel = features.mel.astype(np.float16).astype(np.float32)
        return features

    def entry_path(self, path: str | os.PathLike) -> Path:
        """Where the features of an audio file are, or will be."""
        path = Path(path)
        known = None if self._known is None else self._known.get(str(path))
        return self._locate(path)[0] if known is None else known

    def build(
        self,
        paths: Iterable[str | os.PathLike],
        workers: int = 1,
        shard: tuple[int, int] = (0, 1),
    ) -> list[Reject]:
        """Make the entries of many files, in `workers` processes of one thread each.

        shard: (i, n) takes every n-th path from the i-th on, so that n machines share the work.

        Returns:
            The files that cannot be used, and why.
        Raises:
            InputError: a worker was killed (memory).
            OSError: the cache cannot be written to.
        """
        number, shards = shard
        if not 0 <= number < shards:
            raise ValueError(f"shard {number} of {shards}: the number must be from 0 to {shards - 1}")
        for part in self.folder.glob("??"):
            remove_leftovers(part, _ABANDONED)
        chosen = [Path(path) for path in paths][number::shards]
        # Without what this one remembers, which would go to the workers again and again.
        build_one = partial(_build_one, FeatureCache(self.folder, self.audio_params))
        bar = tqdm(total=len(chosen), unit="file", desc="features")
        rejects = []
        with bar:
            for reject in self._map(build_one, chosen, workers):
                bar.update()
                if reject is not None:
                    rejects.append(reject)
        return rejects

    def _make(self, path: Path, labels: bytes | None) -> Features:
        audio = read_audio(path, self.audio_params.sample_rate)
        exact = None if labels is None else parse_labels(labels, labels_path(path))
        try:
            features = extract(audio, self.audio_params)
            features = features if exact is None else with_labels(features, exact, self.audio_params)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if not features.voicing.any():
            raise InputError(f"{path} has no voiced frame (silence?); take it off the list")
        return features

    @staticmethod
    def _map(function, paths: Sequence[Path], workers: int):
        if workers <= 1 or len(paths) <= 1:
            yield from map(function, paths)
            return
        yield from map_in_processes(function, paths, min(workers, len(paths)), _use_one_thread, chunksize=4)

    def _locate(self, path: Path) -> tuple[Path, bytes | None]:
        """The entry of an audio file, and the bytes of its label file."""
        digest = hashlib.blake2b(digest_size=16)
        settings = {"version": EXTRACTION_VERSION, **asdict(self.audio_params)}
        audio = _read_bytes(path)
        labels = _read_bytes(labels_path(path)) if labels_path(path).is_file() else None
        for part in (json.dumps(settings, sort_keys=True).encode(), audio, labels):
            digest.update(b"none" if part is None else b"%d:" % len(part) + part)
        key = digest.hexdigest()
        entry = self.folder / key[:2] / f"{key[2:]}.npz"
        if self._known is not None:
            self._known[str(path)] = entry
        return entry, labels

    @staticmethod
    def _save(entry: Path, features: Features) -> None:
        arrays = {"mel": features.mel.astype(np.float16), "f0": features.f0, "energy": features.energy}
        if features.symbols is not None:
            arrays |= {"symbols": np.array(features.symbols), "symbol_seconds": features.symbol_seconds}
        with replacing(entry) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)

    def _load(self, entry: Path) -> Features | None:
        try:
            with np.load(entry, allow_pickle=False) as arrays:
                mel, f0, energy = arrays["mel"].astype(np.float32), arrays["f0"], arrays["energy"]
                features = Features(mel=mel, f0=f0, voicing=(f0 > 0).astype(np.float32), energy=energy)
                if "symbols" in arrays:
                    symbols = tuple(arrays["symbols"].tolist())
                    features = with_symbols(features, symbols, arrays["symbol_seconds"], self.audio_params)
        except Exception:  # missing, cut short, or damaged in one of many ways: made again
            return None
        return features if f0.shape == energy.shape == mel.shape[1:] else None


def _read_bytes(path: Path) -> bytes:
    return read_bounded(path, MOST_AUDIO_BYTES)


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def _build_one(cache: FeatureCache, path: Path) -> Reject | None:
    try:
        cache.get(path)
    except InputError as error:
        return Reject(path, str(error))
    return None
