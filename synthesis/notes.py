"""What was done with an input that is not quite as it should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from data.audio import read_header
from data.filelist import TextLine
from params import Params
from text.fold import left_out
from text.official_front_end import not_transliterated


def notes(texts: Iterable[TextLine], ref: Path | None, params: Params) -> list[str]:
    """A line for every text with characters that cannot be spoken, and every reference that is converted."""
    found = []
    references = [] if ref is None else [ref]
    for line in texts:
        official = params.text.front_end == "official"
        lost = not_transliterated(line.text) if official else left_out(line.text)
        if lost:
            shown = repr(lost if len(lost) <= 20 else f"{lost[:17]}...")
            which = "that the official code reads by Unidecode" if official else "that cannot be spoken"
            advice = "; pip install Unidecode" if official else ""
            found.append(f"{line.place}: {len(lost)} characters {which} are left out: {shown}{advice}")
        if line.ref is not None:
            references.append(line.ref)
    for path in dict.fromkeys(references):
        header = read_header(path)
        if header.channels > 1:
            found.append(f"{path}: its {header.channels} channels are mixed down to one")
        if header.sample_rate != params.audio.sample_rate:
            found.append(f"{path}: resampled from {header.sample_rate} to {params.audio.sample_rate} Hz")
    return found


def chosen_speaker(texts: Iterable[TextLine], wanted: str | None, speakers: Sequence[str]) -> list[str]:
    """A line that says who speaks where nobody said who should, for a model whose speakers are mere numbers."""
    numbered = len(speakers) > 1 and list(speakers) == [str(number) for number in range(len(speakers))]
    if wanted is not None or not numbered or all(line.speaker is not None for line in texts):
        return []
    return [f"no speaker was given, so speaker 0 of 0 to {len(speakers) - 1} speaks; choose with -s"]
