"""A corpus of hums with texts and exact labels, and small parameters to train on it in moments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from data.labels import labels_path
from params import Params, Train
from text.front_end import arpabet_front_end
from text.symbols import BLANK

from .tiny_synthesiser import tiny_params, voice_like

RATE = 22050
TEXTS = ("One day.", "Two birds sing.", "A red door.", "We go home.", "Fine rain.")
HELD_OUT = "Good night."


def write_corpus(folder: Path, speakers: tuple[str, ...] = ("anna", "bert")) -> Path:
    """`train.txt` with five utterances of each speaker, `valid.txt` with one; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = []
    for number, speaker in enumerate(speakers):
        for i, text in enumerate((*TEXTS, HELD_OUT)):
            audio = voice_like(0.5 + 0.05 * i, 110 * (1 + 0.4 * number), RATE)
            audio += 0.003 * rng.standard_normal(len(audio)).astype(np.float32)
            wav = folder / f"{speaker}{i}.wav"
            soundfile.write(wav, audio, RATE)
            if i != 1:  # one has to be aligned without help
                _write_labels(wav, text, len(audio) / RATE)
            lines.append(f"{wav.name}|{text}|{speaker}|{'sad' if i % 2 else 'neutral'}\n")
    (folder / "train.txt").write_text("".join(line for line in lines if HELD_OUT not in line))
    (folder / "valid.txt").write_text("".join(line for line in lines if HELD_OUT in line))
    return folder


def _write_labels(wav: Path, text: str, seconds: float) -> None:
    """Symbols of equal length."""
    symbols = [symbol for symbol in arpabet_front_end().encode(text).symbols if symbol != BLANK]
    np.savez(
        labels_path(wav),
        f0=np.full(round(seconds * 80), 150.0, np.float32),
        frame_rate=np.float32(80),
        symbols=np.array(symbols),
        symbol_seconds=np.full(len(symbols), seconds / len(symbols), np.float32),
    )


def taught_by(log_dir: Path) -> list[str]:
    """Settings of a run whose teacher is the model of another one."""
    return ["inference.steps=2", "inference.sampler=edm-2m-few", f"train.teacher={log_dir / 'checkpoint.pt'}"]


def training_params(corpus: Path, log_dir: Path, **train: object) -> Params:
    """Batches of 4 out of 10 utterances: three an epoch, the last one shorter."""
    settings: dict[str, object] = {
        "train_filelist": str(corpus / "train.txt"),
        "valid_filelist": str(corpus / "valid.txt"),
        "cache_dir": str(corpus / "cache"),
        "log_dir": str(log_dir),
        "batch_size": 4,
        "crop_frames": 8,
        "steps": 6,
        "encoder_steps": 1,
        "learning_rate": 2e-3,
        "warmup_steps": 2,
        "ema_decay": 0.9,
        "log_every": 1,
        "valid_every": 1000,
        "save_every": 1000,
    }
    return replace(tiny_params(), train=Train(**(settings | train)))
