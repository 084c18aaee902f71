"""What a checkpoint holds and can do, for `inference.py --list`."""

from __future__ import annotations

import os

from data.model_file import load_checkpoint
from model.interpolation import KINDS


def list_checkpoint(path: str | os.PathLike) -> list[str]:
    """Lines for a person to read. Raises InputError if the checkpoint cannot be used."""
    loaded = load_checkpoint(path)
    model, audio, inference = loaded.model, loaded.params.audio, loaded.params.inference
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    rows = {
        "checkpoint": f"{path}, {millions:.1f} million parameters" + (f", step {loaded.step}" if loaded.step else ""),
        "speakers": _names(loaded.speakers, loaded.params.style.speaker_embedding_dim),
        "emotions": _names(loaded.emotions, loaded.params.style.emotion_embedding_dim)
        if "emotion" in model.types
        else "none",
        "audio": f"{audio.sample_rate} Hz, {audio.n_mels} mel bands",
        "by default": f"{inference.steps} steps of {model.usual_sampler}, temperature {inference.temperature:g}",
    }
    if "timbre" in model.types:
        rows["recordings"] = (
            "--ref: voice, manner and melody, or some of them with --take"
            if model.hearing is not None
            else "--ref: melody and timbre; voices and manners are names"
        )
    if model.guides:
        rows["guidance"] = "--guidance-scale"
    rows["prosody"] = "--speed, --volume"
    if "pitch" in model.types:
        rows["prosody"] = "--pitch-shift, --pitch-range, --speed, --volume, --contour"
    arpabet = loaded.params.text.front_end == "arpabet"
    rows["texts"] = "plain; markup, <speak>...; --phones; --lexicon" if arpabet else "plain"
    kinds = [name for name, kind in KINDS.items() if model.attends or kind.even]
    named = max(len(loaded.speakers), len(loaded.emotions))
    several = model.attends or named > 1 or loaded.params.style.speaker_embedding_dim > 0
    rows["two styles"] = f"--interp {', '.join(kinds)}" if several else "none: there is one style"
    width = max(map(len, rows))
    return [f"{name:{width}}  {words}" for name, words in rows.items()]


def _names(names: tuple[str, ...], width: int) -> str:
    if width:
        return f"any: .npy files of {width} numbers"
    if len(names) > 20 and list(names) == [str(i) for i in range(len(names))]:
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)
