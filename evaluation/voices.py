"""Reference voices: their recordings' embeddings, centroids, genders and fine structure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.gender import gender_by_name, perceived_gender
from evaluation.speaker import centroid, nearest


@dataclass(frozen=True, eq=False)
class Voice:
    """One recording of a speaker."""

    speaker: str
    digest: str
    embedding: np.ndarray | None  # None without a speaker encoder
    fine_structure: tuple[float, float]  # evaluation.fine_structure


class Voices:
    """A recording is never compared with itself: what is asked about a digest leaves that one out."""

    def __init__(self, voices: Sequence[Voice], genders: Mapping[str, str] | None = None) -> None:
        self._voices = list(voices)
        self._genders = dict(genders or {})

    @property
    def speakers(self) -> set[str]:
        return {voice.speaker for voice in self._voices}

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
        return perceived_gender(embedding, references) if references else None

    def fine_structure(self, speaker: str | None) -> tuple[float, float] | None:
        """Mean over the speaker's recordings, or over all where there are none of that speaker."""
        own = [voice.fine_structure for voice in self._voices if voice.speaker == speaker]
        own = own or [voice.fine_structure for voice in self._voices]
        if not own:
            return None
        vertical, horizontal = np.nanmean(own, axis=0)
        return float(vertical), float(horizontal)
