"""Known changes to speech, by Praat's overlap-add, and run folders made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import parselmouth
from parselmouth.praat import call

from data.audio import write_wav

RATE = 22050
TINY = Path(__file__).resolve().parents[1] / "resources" / "filelists" / "tiny_train.txt"


def raise_pitch(audio: np.ndarray, semitones: float) -> np.ndarray:
    """(samples,) -> the same words and times, F0 higher."""
    manipulation = call(parselmouth.Sound(audio.astype(np.float64), RATE), "To Manipulation", 0.01, 60, 500)
    tier = call(manipulation, "Extract pitch tier")
    call(tier, "Multiply frequencies", 0, 1e6, 2 ** (semitones / 12))
    call([manipulation, tier], "Replace pitch tier")
    return _samples(call(manipulation, "Get resynthesis (overlap-add)"))


def stretch(audio: np.ndarray, factor: float) -> np.ndarray:
    """(samples,) -> slower by `factor`, F0 in Hz as it was."""
    return _samples(call(parselmouth.Sound(audio.astype(np.float64), RATE), "Lengthen (overlap-add)", 60, 500, factor))


def _samples(sound: parselmouth.Sound) -> np.ndarray:
    return sound.values[0].astype(np.float32)


def write_run(folder: Path, sentences: Sequence[Mapping[str, object]], settings: Mapping | None = None) -> Path:
    """A folder as inference.py leaves it. A sentence: "text", "audio" {variant: samples}, further report fields."""
    rows = []
    for index, sentence in enumerate(sentences):
        variants = sentence["audio"]
        for variant, audio in variants.items():
            write_wav(folder / f"{index:04d}{'_' * bool(variant)}{variant}.wav", audio, RATE)
        main = "ab" if "ab" in variants else next(iter(variants))
        row = {
            "index": index,
            "wav": f"{index:04d}{'_' * bool(main)}{main}.wav",
            "seconds": len(variants[main]) / RATE,
            "nfe": 10,
            "rtf": 0.25,
        }
        rows.append(row | {key: value for key, value in sentence.items() if key != "audio"})
    (folder / "report.json").write_text(json.dumps({"results": rows, "settings": dict(settings or {"steps": 10})}))
    return folder
