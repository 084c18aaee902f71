"""A folder of results: its report.json, and the audio beside it.

`0000.wav` is a result; where two styles were blended there are `0000_a.wav`, `0000_b.wav` (each alone), `0000_ab.wav`
(blended), and possibly `0000_oracle.wav` or further ones. `0000_mask.npy`, (n_mels, T) in [0, 1], is a blend's mask.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError, shown
from common.files import read_json
from data.array_file import read_array
from evaluation.speech import Phones, phones_of_recording, phones_of_tokens
from params import Audio

ORDER = ("", "a", "b", "ab", "oracle")  # of variants; others follow, sorted
_KINDS = {
    "index": int,
    "text": str,
    "wav": str,
    "speaker": str,
    "emotion": str,
    "nfe": (int, float),
    "rtf": (int, float),
}
MIXED = "+"  # between the speakers of a blend
_LARGEST_INDEX = 10**6
_LARGEST_NUMBER = 10**12
_NAME = re.compile(r"(.+?)(?:_([A-Za-z0-9.+-]+))?\.wav")


@dataclass(frozen=True, eq=False)
class Clip:
    """One wav of one text."""

    index: int
    text: str
    variant: str  # "" for a plain result
    wav: Path
    speaker: str | None
    emotion: str | None
    nfe: float | None
    rtf: float | None
    phones: Phones | None
    words: tuple[tuple[float, float, str], ...] = ()  # from and to, in seconds, and the word
    spelt: bool = True  # whether the text is words, and not phones (`inference.py --phones`)


@dataclass(frozen=True, eq=False)
class Run:
    name: str
    folder: Path
    settings: Mapping[str, Any]
    clips: list[Clip]
    variants: tuple[str, ...] = field(default=())

    def mask(self, index: int) -> np.ndarray | None:
        """(n_mels, T) in [0, 1], where the run has one."""
        path = self.folder / f"{index:04d}_mask.npy"
        if not path.is_file():
            return None
        try:
            mask = read_array(path).astype(np.float32)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is not an array ({error}); remove it or make it again") from error
        if mask.ndim != 2:
            raise InputError(f"{path} must have shape (n_mels, frames), not {mask.shape}; make it again")
        return mask


def in_order(variants: Iterable[str]) -> tuple[str, ...]:
    found = set(variants)
    return (*(variant for variant in ORDER if variant in found), *sorted(found - set(ORDER)))


def read_run(folder: str | os.PathLike, audio_params: Audio, name: str | None = None) -> Run:
    """Read a run folder.

    Raises:
        InputError: no report.json, one that is not such a report, or a wav that is missing.
    """
    folder = Path(folder)
    report = _read_report(folder / "report.json")
    clips, rows = [], []
    for number, row in enumerate(report["results"]):
        where = f"{folder / 'report.json'}: result {number}"
        if not isinstance(row, dict) or not all(key in row for key in ("index", "text", "wav")):
            raise InputError(f"{where} lacks index, text or wav; make the run again")
        _check_row(row, where)
        rows.append((row, where))
    # A wav that has a row of its own is not also taken for a companion of another row's.
    listed = {folder / str(row["wav"]) for row, _ in rows}
    for row, where in rows:
        own = _clips(folder, row, listed, audio_params, where)
        listed.update(clip.wav for clip in own)  # a companion of several rows is the first one's
        clips += own
    settings = report.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    if settings.get("phones") is True:
        clips = [replace(clip, spelt=False) for clip in clips]
    if not clips:
        raise InputError(f"{folder} has no results; give a folder that inference.py wrote")
    variants = in_order({clip.variant for clip in clips})
    return Run(name or folder.resolve().name, folder, settings, clips, variants)


def _read_report(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a folder that inference.py wrote")
    report = read_json(path)
    if not isinstance(report, dict) or not isinstance(report.get("results"), list):
        raise InputError(f"{path} has no list of results; give a folder that inference.py wrote")
    return report


def _check_row(row: Mapping[str, Any], where: str) -> None:
    """The facts of a row are of the kinds that inference.py writes."""
    for key, kinds in _KINDS.items():
        value = row.get(key)
        wrong = not isinstance(value, kinds) or isinstance(value, bool)
        if value is not None and (wrong or (isinstance(value, int) and abs(value) > _LARGEST_NUMBER)):
            raise InputError(f"{where}: {key} is {shown(repr(value))[:40]}; make the run again")
    if row["index"] is None or row["text"] is None or not 0 <= row["index"] <= _LARGEST_INDEX:
        raise InputError(f"{where}: its index must be from 0 to {_LARGEST_INDEX}, its text a text; make the run again")


def _clips(folder: Path, row: Mapping[str, Any], listed: set[Path], audio_params: Audio, where: str) -> list[Clip]:
    own = folder / str(row["wav"])
    if not own.is_file():
        raise InputError(f"{where}: no file {own}; make the run again")
    match = _NAME.fullmatch(own.name)
    if match is None:
        raise InputError(f"{where}: {own.name} is not a wav; make the run again")
    stem = match[1]
    beside = (
        path
        for path in own.parent.glob(f"{stem}_*.wav")
        if path not in listed and _NAME.fullmatch(path.name)[1] == stem
    )
    clips = []
    by_variant = {_NAME.fullmatch(wav.name)[2] or "": wav for wav in {own, *beside}}
    for variant in in_order(by_variant):
        wav = by_variant[variant]
        facts = row if wav == own else {}  # what the row says is of its own wav
        clips.append(
            Clip(
                index=int(row["index"]),
                text=str(row["text"]),
                variant=variant,
                wav=wav,
                speaker=_speaker(facts),
                emotion=facts.get("emotion"),
                nfe=facts.get("nfe"),
                rtf=facts.get("rtf"),
                phones=_phones(facts, wav, audio_params, where),
                words=_words(facts, where),
            )
        )
    return clips


def _speaker(facts: Mapping[str, Any]) -> str | None:
    """Whose voice it is: of a blend of styles `x+y`, or x where both are x."""
    name = facts.get("speaker")
    if name is not None and MIXED in name and len(parts := set(name.split(MIXED))) == 1:
        return parts.pop()
    return name


def _words(facts: Mapping[str, Any], where: str) -> tuple[tuple[float, float, str], ...]:
    try:
        return tuple((float(one["start"]), float(one["end"]), str(one["word"])) for one in facts.get("words", ()))
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: its words have no times ({error}); make the run again") from error


def _phones(facts: Mapping[str, Any], wav: Path, audio_params: Audio, where: str) -> Phones | None:
    if "tokens" not in facts or "durations" not in facts:
        return phones_of_recording(wav, audio_params)
    try:
        return phones_of_tokens(facts["tokens"], facts["durations"])
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: tokens and durations do not fit together ({error}); make the run again") from error
