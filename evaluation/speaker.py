"""Who is speaking: Resemblyzer's embeddings (GE2E; Wan et al., 2018), compared by cosine.

Over recordings of one voice the cosine is about 0.9, of different voices about 0.6; strong emotions lower it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np

from evaluation.cache import AnalysisCache
from evaluation.optional import import_with_placeholders, require
from evaluation.sound import MODEL_RATE, Sound

# webrtcvad reads its own version this way while it is imported; setuptools no longer has the module.
_PLACEHOLDERS = {"pkg_resources": {"get_distribution": lambda name: SimpleNamespace(version="")}}


class SpeakerEncoder:
    def __init__(self, cache: AnalysisCache) -> None:
        """Raises NotInstalledError without Resemblyzer and its voice activity detector."""
        require("resemblyzer", "webrtcvad")
        self._cache = cache
        self._kind = f"speaker resemblyzer {importlib.metadata.version('Resemblyzer')}"

    def embed(self, sound: Sound) -> np.ndarray:
        """(256,) of length 1."""
        return self._cache.get(sound.digest, self._kind, lambda: self._embed(sound))

    def _embed(self, sound: Sound) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a silent file has no volume to normalise
            # Already at its rate; it makes the volume even and cuts long silences.
            speech = self._package.preprocess_wav(sound.at_model_rate)
        if len(speech) < MODEL_RATE // 10:  # it found no voice
            speech = sound.at_model_rate
        return self._model.embed_utterance(speech).astype(np.float32)

    @functools.cached_property
    def _package(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks scipy by an old name
            return import_with_placeholders("resemblyzer", _PLACEHOLDERS)

    @functools.cached_property
    def _model(self):
        return self._package.VoiceEncoder("cpu", verbose=False)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def centroid(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """(D,) of length 1, the mean direction."""
    mean = np.mean(embeddings, axis=0)
    return mean / np.linalg.norm(mean)


def nearest(embedding: np.ndarray, centroids: Mapping[str, np.ndarray]) -> str:
    """Name of the centroid with the largest cosine."""
    return max(centroids, key=lambda name: cosine(embedding, centroids[name]))
