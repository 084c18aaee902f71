"""What somebody asks the studio to speak, checked before anything is computed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import InputError
from synthesis.options import check_options
from synthesis.parts import Given
from text.markup import is_markup
from text.prosody import NEUTRAL, Prosody

if TYPE_CHECKING:
    from synthesis.options import Options
    from synthesis.synthesiser import Synthesiser

MOST_CHARACTERS = 1000  # of a text: about a minute
MOST_STEPS = 100
MOST_UPLOAD_BYTES = 20 * 2**20  # of a recording
MOST_RECORDINGS = 10  # of a style

_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")


@dataclass(frozen=True)
class Style:
    """Who speaks and how: names of the checkpoint's, and recordings of one person.

    take: what of the recordings (`synthesis.parts.PARTS`); None where the checkpoint leaves no choice.
    """

    speaker: str | None = None
    emotion: str | None = None
    recordings: tuple[Path, ...] = ()
    take: tuple[str, ...] | None = None

    def arguments(self) -> dict[str, Any]:
        """Of `Synthesiser.requests`."""
        return vars(self.given())

    def given(self, names_only: bool = False) -> Given:
        """As the command line's options say it; names_only: recordings without their folders."""
        ref = [Path(path.name) if names_only else path for path in self.recordings]
        return Given(self.speaker, self.emotion, ref or None, self.take)


@dataclass(frozen=True)
class Wish:
    """One text in one style. prosody: asked of all of it; the others as in `synthesis.options`, None: the checkpoint's.

    Raises InputError for a value that is out of range.
    """

    text: str
    style: Style = field(default_factory=Style)
    prosody: Prosody = NEUTRAL
    steps: int | None = None
    temperature: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", read_text(self.text))
        check_options(steps=self.steps, temperature=self.temperature, seed=self.seed)
        if self.steps is not None and self.steps > MOST_STEPS:
            raise InputError(f"steps must be at most {MOST_STEPS} here, not {self.steps}; inference.py takes more")
        check_recordings(self.style.recordings)

    def options(self, synthesiser: Synthesiser) -> Options:
        return synthesiser.options(steps=self.steps, temperature=self.temperature, seed=self.seed)


def read_text(text: str) -> str:
    """A text as one line, as a file of texts would hold it.

    Raises:
        InputError: it is empty, too long, or holds tags without being markup.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"the text has {len(text)} characters, more than {MOST_CHARACTERS}; "
            "shorten it, or put it into a file for inference.py"
        )
    line = " ".join(text.split())
    if is_markup(line):
        return line
    line = " ".join(line.replace("|", " ").split())  # in a file of texts | ends a column
    if not line:
        raise InputError("there is no text; write a sentence")
    tag = _TAG.search(line)
    if tag:
        shown = tag[0] if len(tag[0]) <= 30 else f"{tag[0][:27]}..."
        raise InputError(f"the text holds the tag {shown}; take it out, or begin with <speak> for markup")
    return line


def check_recordings(paths: Sequence[str | os.PathLike]) -> None:
    """Raises InputError for what is no recording, too large, or too many; nothing of them is decoded."""
    if len(paths) > MOST_RECORDINGS:
        raise InputError(f"there are {len(paths)} recordings, more than {MOST_RECORDINGS}; leave some out")
    for path in paths:
        _check_recording(path)


def _check_recording(path: str | os.PathLike) -> None:
    from data.audio import read_header

    size = os.path.getsize(path) if os.path.isfile(path) else 0
    if size > MOST_UPLOAD_BYTES:
        raise InputError(f"the recording has {size / 2**20:.0f} MB, more than {MOST_UPLOAD_BYTES // 2**20}; cut it")
    try:
        read_header(path)
    except InputError as error:
        raise InputError(
            f"{Path(path).name} cannot be read as audio; give wav, flac, ogg or mp3 of a sentence or two"
        ) from error
