"""Recordings and checkpoints as one should not give them, and some that are only unusual."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import soundfile
import torch

from data.checkpoint_file import read_checkpoint, write_checkpoint
from model.checkpoint import pack
from model.params_dict import params_to_dict
from params import Params
from text.symbols import SYMBOLS

from .tiny_synthesiser import EMOTIONS, SPEAKERS, tiny_model, voice_like, write_tiny_checkpoint

# A recording that cannot be used, and a part of what is said of it.
BAD_WAVS = {
    "empty": "is an empty file",
    "truncated": "is truncated",
    "truncated flac": "cannot be read as audio",
    "truncated aiff": "is truncated",
    "truncated ogg": "is truncated",
    "without samples": "",
    "silent": "no voiced frame",
    "an hour long": "lasts 3600",
    "not audio": "cannot be read as audio",
    "a folder": "",
    "missing": "no",
    "not finite": "not finite",
}
# One that can, and what is said of it, if anything.
USABLE_WAVS = {
    "8-bit": None,
    "24-bit": None,
    "float": None,
    "stereo": "its 2 channels are mixed down to one",
    "8 kHz": "resampled from 8000 to 22050 Hz",
    "96 kHz": "resampled from 96000 to 22050 Hz",
}


def write_wavs(folder: Path, seconds: float = 0.6) -> dict[str, Path]:
    """All of them, by name; "short" lasts a tenth of a second."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (*BAD_WAVS, *USABLE_WAVS, "short")
    paths = {name: folder / f"{name}.{'flac' if 'flac' in name else 'wav'}" for name in names}
    audio = voice_like(seconds, 120)
    for name, subtype in (("8-bit", "PCM_U8"), ("24-bit", "PCM_24"), ("float", "FLOAT")):
        soundfile.write(paths[name], audio, 22050, subtype=subtype)
    soundfile.write(paths["stereo"], np.stack([audio, 0.5 * audio], 1), 22050)
    for name, rate in (("8 kHz", 8000), ("96 kHz", 96000)):
        soundfile.write(paths[name], voice_like(seconds, 120, rate), rate)
    soundfile.write(paths["short"], voice_like(0.1, 150), 22050)
    soundfile.write(paths["silent"], 0 * audio, 22050)
    soundfile.write(paths["without samples"], audio[:0], 22050)
    soundfile.write(paths["not finite"], np.where(np.arange(len(audio)) == 99, np.nan, audio), 22050, subtype="FLOAT")
    for name, form in (("truncated", "WAV"), *((f"truncated {form}", form) for form in ("flac", "aiff", "ogg"))):
        soundfile.write(paths[name], audio, 22050, format=form)
        content = paths[name].read_bytes()
        paths[name].write_bytes(content[: len(content) * 7 // 8])
    paths["empty"].touch()
    paths["not audio"].write_text("These are words.\n" * 50)
    paths["a folder"].mkdir()
    with wave.open(str(paths["an hour long"]), "wb") as file:
        file.setparams((1, 1, 8000, 3600 * 8000, "NONE", ""))
        file.writeframes(b"")
    _promise(paths["an hour long"], 3600 * 8000)
    return paths


def _promise(path: Path, samples: int) -> None:
    """Make an empty WAV file one of so many bytes of samples, without taking the room on the disk."""
    header = bytearray(path.read_bytes())
    header[4:8], header[40:44] = (36 + samples).to_bytes(4, "little"), samples.to_bytes(4, "little")
    path.write_bytes(header)
    os.truncate(path, 44 + samples)


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return (os.mkdir, (self.folder,))


BAD_CHECKPOINTS = {
    "missing": "no such",
    "a folder": "no such",
    "empty": "is an empty file",
    "truncated": "cannot be read",
    "words": "cannot be read",
    "malicious": "cannot be read",
    "another architecture": "do not fit its own parameters",
    "another project's": "neither a checkpoint of this project",
}


def write_checkpoints(folder: Path) -> dict[str, Path]:
    """All of them, by name; the malicious one makes `folder / "executed"` if it is run."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.pt" for name in BAD_CHECKPOINTS}
    whole = write_tiny_checkpoint(folder / "whole.pt")
    paths["a folder"].mkdir()
    paths["empty"].touch()
    paths["truncated"].write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    paths["words"].write_text("no tensors here\n" * 99)
    torch.save({**read_checkpoint(whole), "extra": Malicious(str(folder / "executed"))}, paths["malicious"])
    names = {"speakers": SPEAKERS, "emotions": EMOTIONS, "symbols": SYMBOLS, "step": 5}
    write_checkpoint(paths["another architecture"], {**pack(tiny_model(), **names), "params": params_to_dict(Params())})
    write_checkpoint(paths["another project's"], {"state_dict": {"weight": torch.zeros(3)}})
    return paths
