"""RAVDESS, speech: Actor_01/03-01-06-01-02-01-12.wav; the name's numbers tell everything, the text included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from common.errors import InputError
from data.corpora.reading import OnReject
from data.filelist import Utterance

EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgust",
    "08": "surprised",
}  # fmt: skip
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
SPEECH = "01"  # "02": song

# modality - vocal channel - emotion - intensity - statement - repetition - actor
_NAME = re.compile(r"\d\d-(\d\d)-(\d\d)-\d\d-(\d\d)-\d\d-(\d\d)")


def read(source: Path, on_reject: OnReject) -> Iterator[Utterance]:
    """Utterances of all actors; both intensities of an emotion have its name."""
    wavs = sorted(source.rglob("Actor_*/*.wav"))
    if not wavs:
        raise InputError(f"{source} has no Actor_*/*.wav: this is not the published layout of RAVDESS")
    for wav in wavs:
        match = _NAME.fullmatch(wav.stem)
        channel, emotion, statement, actor = match.groups() if match else ("", "", "", "")
        if emotion not in EMOTIONS or statement not in STATEMENTS:
            on_reject(wav, "not a RAVDESS file name")
        elif channel != SPEECH:
            on_reject(wav, "song")
        else:
            yield Utterance(wav, STATEMENTS[statement], f"Actor_{actor}", EMOTIONS[emotion])
