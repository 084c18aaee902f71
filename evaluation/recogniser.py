"""What a speech recogniser hears: Whisper (Radford et al., 2022) through faster-whisper, on the CPU in int8."""

from __future__ import annotations

import functools
import importlib.metadata
import os
from pathlib import Path

import numpy as np

from evaluation.cache import AnalysisCache
from evaluation.optional import require
from evaluation.sound import Sound
from evaluation.whisper_models import whisper_folder, whisper_packages

BEAM = 5
# A recogniser that loops on noise would write for ever; nobody speaks more than this.
TOKENS_PER_SECOND, MOST_TOKENS = 10, 200


class Recogniser:
    """Transcribes English; the same sound always gives the same words (no sampling)."""

    def __init__(self, size: str, cache: AnalysisCache, threads: int = 0) -> None:
        """size: "tiny" or "base". Raises NotInstalledError without faster-whisper or the model's package."""
        require("faster_whisper", *whisper_packages(size))
        self.size = size
        self._cache = cache
        self._threads = threads or os.cpu_count() or 1
        self._kind = f"transcript {size} beam {BEAM} faster-whisper {importlib.metadata.version('faster-whisper')}"

    def transcribe(self, sound: Sound) -> str:
        return str(self._cache.get(sound.digest, self._kind, lambda: np.array(self._transcribe(sound))))

    def _transcribe(self, sound: Sound) -> str:
        segments, _ = self._model.transcribe(
            sound.at_model_rate,
            language="en",
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            max_new_tokens=min(MOST_TOKENS, 20 + round(TOKENS_PER_SECOND * sound.seconds)),
        )
        return " ".join(segment.text.strip() for segment in segments)

    @functools.cached_property
    def _model(self):
        from faster_whisper import WhisperModel

        folder = whisper_folder(self.size, Path(self._cache.folder))
        return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=self._threads)
