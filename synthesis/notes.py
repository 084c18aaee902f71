"""What was done with an input that is not quite as it should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import InputError
from data.audio import read_audio, read_header
from data.filelist import TextLine, usual_emotion
from params import Params
from synthesis.parts import Given, shared_with
from text.fold import left_out
from text.official_front_end import not_transliterated

if TYPE_CHECKING:
    from synthesis.synthesiser import Synthesiser


def notes(texts: Iterable[TextLine], recordings: Iterable[Path], params: Params) -> list[str]:
    """A line for every text with characters that cannot be spoken, and every recording that is converted."""
    found = []
    for line in texts:
        official = params.text.front_end == "official"
        lost = not_transliterated(line.text) if official else left_out(line.text)
        if lost:
            shown = repr(lost if len(lost) <= 20 else f"{lost[:17]}...")
            which = "that the official code reads by Unidecode" if official else "that cannot be spoken"
            advice = "; pip install Unidecode" if official else ""
            found.append(f"{line.place}: {len(lost)} characters {which} are left out: {shown}{advice}")
    for path in recordings:
        header = read_header(path)
        if header.channels > 1:
            found.append(f"{path}: its {header.channels} channels are mixed down to one")
        if header.sample_rate != params.audio.sample_rate:
            found.append(f"{path}: resampled from {header.sample_rate} to {params.audio.sample_rate} Hz")
    return found


def recording_warnings(recordings: Iterable[Path]) -> list[str]:
    """A line for every defect of a recording that is used all the same; what cannot be read is left to its reader."""
    found: list[str] = []
    recordings = list(recordings)
    if not recordings:
        return found
    # Late: analysis takes a while to import.
    from data.recording_quality import measure_quality
    from synthesis.reference import MAX_SECONDS

    for path in recordings:
        with suppress(InputError):
            header = read_header(path)
            if header.seconds <= MAX_SECONDS:
                audio = read_audio(path, header.sample_rate)
                found += [f"{path}: {one}" for one in measure_quality(audio, header.sample_rate).warnings()]
    return found


def chosen_speaker(texts: Iterable[TextLine], wanted: str | None, speakers: Sequence[str]) -> list[str]:
    """A line that says who speaks where nobody said who should, for a model whose speakers are mere numbers."""
    numbered = len(speakers) > 1 and list(speakers) == [str(number) for number in range(len(speakers))]
    if wanted is not None or not numbered or all(line.speaker is not None for line in texts):
        return []
    return [f"no speaker was given, so speaker 0 of 0 to {len(speakers) - 1} speaks; choose with -s"]


def style_sources(synthesiser: Synthesiser, a: Given, b: Given | None) -> list[str]:
    """A line for each style that has a recording: what comes from where. b: None for a run in one style."""
    hears = synthesiser.hears
    names = synthesiser.speakers[0] if synthesiser.speakers else "", usual_emotion(synthesiser.emotions), hears
    if b is None:
        return [f"style: {a.sources(*names)}"] if a.ref else []
    if not a.ref and not b.ref:
        return []
    return [f"{side}: {one.sources(*names)}" for side, one in (("a", a), ("b", shared_with(a, b, hears)))]
