"""Everything that is known of one sound, each thing computed once and kept on disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from common.errors import InputError
from evaluation.mos import MosPredictor
from evaluation.optional import NotInstalledError
from evaluation.recogniser import Recogniser
from evaluation.sound import AnalysisCache, Sound, read_sound
from evaluation.speaker import SpeakerEncoder
from evaluation.speech import Phones, Speech, analyse, phones_of_recording
from params import Audio


class Analyser:
    """`unavailable` says what cannot be measured here, and why: "transcript", "embedding", "mos"."""

    def __init__(self, cache: str | os.PathLike, audio_params: Audio, asr: str = "tiny", threads: int = 0) -> None:
        """asr: "tiny", "base" or "none". threads: of the recogniser; 0: as many as there are processors."""
        self.audio_params = audio_params
        self._cache = AnalysisCache(cache)
        self.unavailable: dict[str, str] = {}
        self._recogniser: Recogniser | None = None
        if asr == "none":
            self.unavailable["transcript"] = "not asked for: --asr tiny or base"
        else:
            self._recogniser = self._optional("transcript", lambda: Recogniser(asr, self._cache, threads))
        self._encoder: SpeakerEncoder | None = self._optional("embedding", lambda: SpeakerEncoder(self._cache))
        self._predictor: MosPredictor | None = self._optional("mos", lambda: MosPredictor(self._cache))

    def need(self, *kinds: str) -> None:
        """Raises InputError if one of them is unavailable."""
        for kind in kinds:
            if kind in self.unavailable:
                raise InputError(f"{kind}: {self.unavailable[kind]}")

    def sound(self, path: str | os.PathLike) -> Sound:
        return read_sound(path, self.audio_params.sample_rate)

    def speech(self, sound: Sound, phones: Phones | None = None) -> Speech:
        return analyse(sound, self.audio_params, phones, self._cache)

    def recording(self, path: str | os.PathLike) -> Speech:
        """Speech of a file, with the phones of the labels beside it where there are any."""
        return self.speech(self.sound(path), phones_of_recording(Path(path), self.audio_params))

    def transcript(self, sound: Sound) -> str | None:
        return None if self._recogniser is None else self._recogniser.transcribe(sound)

    def embedding(self, sound: Sound) -> np.ndarray | None:
        """(256,) of length 1."""
        return None if self._encoder is None else self._encoder.embed(sound)

    def mos(self, sound: Sound) -> float | None:
        return None if self._predictor is None else self._predictor.predict(sound)

    def _optional(self, kind: str, make):
        try:
            return make()
        except NotInstalledError as error:
            self.unavailable[kind] = str(error)
            return None
