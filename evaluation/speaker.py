"""Who is speaking: Resemblyzer's embeddings (GE2E; Wan et al., 2018), compared by cosine.

Over recordings of one voice the cosine is about 0.9, of different voices about 0.6; strong emotions lower it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from common.errors import InputError
from common.files import read_lines
from evaluation.optional import import_with_placeholders, require
from evaluation.sound import MODEL_RATE, AnalysisCache, Sound

NEAREST = 5  # recordings that decide on a gender
_VOICE_NAME = re.compile(r"[ab]([fm])_[^+]*")  # the generated corpus: af_kore, bm_george; of a blend nobody's
# webrtcvad reads its own version this way while it is imported; setuptools no longer has the module.
_PLACEHOLDERS = {"pkg_resources": {"get_distribution": lambda name: SimpleNamespace(version="")}}


class SpeakerEncoder:
    def __init__(self, cache: AnalysisCache) -> None:
        """Raises NotInstalledError without Resemblyzer and its voice activity detector."""
        require("resemblyzer", "webrtcvad", "librosa")
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


def gender_by_name(speaker: str) -> str | None:
    """ "f" or "m" for the generated corpus's voices, whose names say it; None for others."""
    match = _VOICE_NAME.fullmatch(speaker)
    return match[1] if match else None


def read_genders(path: str | os.PathLike) -> dict[str, str]:
    """Lines of `speaker|f` or `speaker|m`.

    Raises:
        InputError: with file and line.
    """
    genders = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        speaker, _, gender = (part.strip() for part in line.partition("|"))
        if not speaker or gender not in ("f", "m"):
            raise InputError(f"{path}:{number}: expected `speaker|f` or `speaker|m`, found {line.strip()[:80]!r}")
        genders[speaker] = gender
    return genders


def perceived_gender(embedding: np.ndarray, references: Sequence[tuple[np.ndarray, str]]) -> str:
    """The gender of most of the five nearest references; a tie goes to the nearest one's.

    references: (embedding, gender) of at least one recording.
    """
    ranked = sorted(references, key=lambda reference: -cosine(embedding, reference[0]))[:NEAREST]
    return Counter(gender for _, gender in ranked).most_common(1)[0][0]


@dataclass(frozen=True, eq=False)
class Voice:
    """One recording of a speaker."""

    speaker: str
    digest: str
    embedding: np.ndarray | None  # None without a speaker encoder
    fine_structure: tuple[float, float]  # evaluation.spectrum


class Voices:
    """A recording is never compared with itself: what is asked about a digest leaves that one out."""

    def __init__(self, voices: Sequence[Voice], genders: Mapping[str, str] | None = None) -> None:
        self._voices = list(voices)
        self._genders = dict(genders or {})

    def gender_of(self, speaker: str) -> str | None:
        return self._genders.get(speaker, gender_by_name(speaker))

    def centroids(self, without: str = "") -> dict[str, np.ndarray]:
        own = defaultdict(list)
        for voice in self._voices:
            if voice.embedding is not None and voice.digest != without:
                own[voice.speaker].append(voice.embedding)
        return {speaker: centroid(embeddings) for speaker, embeddings in own.items()}

    def nearest_speaker(self, embedding: np.ndarray, without: str = "") -> str | None:
        centroids = self.centroids(without)
        return nearest(embedding, centroids) if centroids else None

    def perceived_gender(self, embedding: np.ndarray, without: str = "") -> str | None:
        references = [
            (voice.embedding, gender)
            for voice in self._voices
            if voice.embedding is not None
            and voice.digest != without
            and (gender := self.gender_of(voice.speaker)) is not None
        ]
        if len({gender for _, gender in references}) < 2:
            return None  # of one gender the perceived one is always that
        return perceived_gender(embedding, references)

    def fine_structure(self, speaker: str | None) -> tuple[float, float] | None:
        """Mean over the speaker's recordings, or over all where there are none of that speaker."""
        own = [voice.fine_structure for voice in self._voices if voice.speaker == speaker]
        own = own or [voice.fine_structure for voice in self._voices]
        if not own:
            return None
        vertical, horizontal = np.nanmean(own, axis=0)
        return float(vertical), float(horizontal)
