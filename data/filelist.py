"""Filelists: lines of `wav_path|text|speaker|emotion`; and the texts that are to be spoken."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import BadLines, InputError
from common.files import MOST_BYTES, decode_lines, read_numbered_lines, replacing
from text.markup import is_markup, split_markup

DEFAULT_SPEAKER = "0"
DEFAULT_EMOTION = "neutral"


def usual_emotion(emotions: Sequence[str]) -> str:
    """That of a text which names none; emotions: a model's, of which the first stands in where it has no neutral."""
    return DEFAULT_EMOTION if DEFAULT_EMOTION in emotions or not emotions else emotions[0]


@dataclass(frozen=True)
class Utterance:
    """One recorded sentence."""

    wav: str | os.PathLike
    text: str
    speaker: str = DEFAULT_SPEAKER
    emotion: str = DEFAULT_EMOTION
    split: str | None = None  # "train", "valid" or "test", where the corpus publishes a split; not in filelists
    place: str = field(default="", compare=False)  # file and line where it is listed, for messages

    @property
    def stem(self) -> str:
        return Path(self.wav).stem


@dataclass(frozen=True)
class TextLine:
    """One text to be spoken."""

    index: int  # position among the texts, from 0
    line: int  # line number in the file, from 1
    text: str
    speaker: str | None = None
    emotion: str | None = None
    ref: Path | None = None  # reference audio
    file: str = field(default="", compare=False)

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.file}:{self.line}" if self.file else f"line {self.line}"


def names_of(utterances: Sequence[Utterance]) -> tuple[list[str], list[str]]:
    """Speakers and emotions in the order of their ids: sorted, the default emotion first where it is."""
    speakers = sorted({utterance.speaker for utterance in utterances})
    emotions = sorted({utterance.emotion for utterance in utterances}, key=lambda name: (name != DEFAULT_EMOTION, name))
    return speakers, emotions


def read_filelist(path: str | os.PathLike, bad_lines: BadLines | None = None) -> list[Utterance]:
    """Utterances of a UTF-8 filelist; speaker and emotion may be left out (`0`, `neutral`).

    Blank lines and lines that begin with `#` are skipped. A relative wav path is looked for in the filelist's folder,
    then in the current one.

    bad_lines: takes the lines that cannot be used; None: the first one raises.

    Raises:
        InputError: the file cannot be read; or, with file and line: not UTF-8, wrong columns, no text, no such wav.
    """
    bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
    utterances = []
    for number, line in read_numbered_lines(path, bad_lines):
        if line.strip() and not line.startswith("#"):
            place = f"{path}:{number}"
            with bad_lines.skipping(place):
                wav, text, speaker, emotion = _utterance_columns(line)
                found = _resolve(wav, Path(path).parent)
                utterances.append(Utterance(found, text, speaker, emotion, place=place))
    return utterances


def can_be_listed(utterance: Utterance) -> bool:
    """Whether a line of a filelist can hold it: no `|`, line break or outer blank in a column, and names in UTF-8."""
    columns = (str(utterance.wav), utterance.text, utterance.speaker, utterance.emotion)
    line = "|".join(columns)
    return "\n" not in line and "\r" not in line and _survives(line, columns)


def write_filelist(path: str | os.PathLike, utterances: Iterable[Utterance]) -> None:
    """Write a filelist that `read_filelist` reads back; the file appears whole or not at all.

    A wav below the filelist's folder is written relative to it, a relative path as it is.

    Raises:
        InputError: a column that a filelist cannot hold (a `|`, a line break, blanks at its ends, an empty text), or a
            place that cannot be written to.
    """
    path = Path(path)
    lines = []
    for utterance in utterances:
        wav = Path(utterance.wav)
        if wav.is_absolute() and wav.is_relative_to(path.parent.absolute()):
            wav = wav.relative_to(path.parent.absolute())
        # "./" keeps a name that begins like a comment or a byte order mark from being one.
        name = str(wav) if str(wav)[0].isalnum() or str(wav)[0] in "./_" else f"./{wav}"
        columns = (name, utterance.text, utterance.speaker, utterance.emotion)
        line = "|".join(columns)
        if "\n" in line or "\r" in line or not _survives(line, columns):
            raise InputError(f"{path}: {columns} cannot stand in a filelist; take out '|', line breaks, outer blanks")
        lines.append(line + "\n")
    with replacing(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8", newline="\n")


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise InputError("standard input is closed; give a file of texts, or something to read")
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"standard input has more than {MOST_BYTES} bytes; give less at a time")
    return content


def read_texts(path_or_dash: str | os.PathLike, bad_lines: BadLines | None = None) -> list[TextLine]:
    """Texts to speak, from a UTF-8 file or, for `-`, from standard input: a text a line, or `text|speaker|emotion|ref`.

    A text may be markup, in which a `|` ends no column.

    Blank lines are skipped, empty columns are None, and a relative `ref` is looked for in the file's folder, then in
    the current one.

    bad_lines: takes the lines that cannot be used, which keep their index; None: the first one raises.

    Raises:
        InputError: the file cannot be read; with file and line: not UTF-8, wrong columns, no such reference; or no text
            at all.
    """
    bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
    if str(path_or_dash) == "-":
        name, folder = "standard input", Path()
        lines = decode_lines(_standard_input(), name, bad_lines)
    else:
        name, folder = str(path_or_dash), Path(path_or_dash).parent
        lines = read_numbered_lines(path_or_dash, bad_lines)
    texts: list[TextLine] = []
    blank = 0
    for number, line in lines:
        if not line.strip():
            blank += 1
            continue
        with bad_lines.skipping(f"{name}:{number}"):
            text, speaker, emotion, ref = _text_columns(line)
            found = _resolve(ref, folder) if ref else None
            index = number - 1 - blank
            texts.append(TextLine(index, number, text, speaker or None, emotion or None, found, name))
    if not texts and bad_lines.messages:
        raise bad_lines.none_left(name)
    if not texts:
        raise InputError(f"{name} holds no text; give one sentence a line")
    return texts


def _text_columns(line: str) -> tuple[str, str, str, str]:
    document, columns = "", line
    if is_markup(line):
        document, columns = split_markup(line.lstrip())
    columns = [column.strip() for column in columns.split("|")]
    columns[0] = document + columns[0]
    if len(columns) > 4 or not columns[0]:
        raise InputError(f"expected `text` or `text|speaker|emotion|ref.wav`, found {_shorten(line)}")
    text, speaker, emotion, ref = columns + [""] * (4 - len(columns))
    return text, speaker, emotion, ref


def _utterance_columns(line: str) -> tuple[str, str, str, str]:
    columns = [column.strip() for column in line.split("|")]
    if not 2 <= len(columns) <= 4 or not columns[0] or not columns[1]:
        raise InputError(f"expected `wav_path|text|speaker|emotion`, found {_shorten(line)}")
    wav, text, speaker, emotion = columns + [""] * (4 - len(columns))
    return wav, text, speaker or DEFAULT_SPEAKER, emotion or DEFAULT_EMOTION


def _survives(line: str, columns: tuple[str, str, str, str]) -> bool:
    try:
        line.encode("utf-8")
        return _utterance_columns(line) == columns
    except ValueError:
        return False


def _resolve(name: str, folder: Path) -> Path:
    for candidate in (folder / name, Path(name)):
        if os.path.isfile(candidate):  # unlike Path.is_file, False for names that no file can have
            return candidate
    raise InputError(f"no file {_shorten(name)} in {folder.absolute()} or the current folder; check the path")


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
