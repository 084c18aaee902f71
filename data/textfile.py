"""Lines of a UTF-8 text file, with their numbers."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from data.bad_lines import BadLines
from data.errors import InputError


def decode_lines(content: bytes, name: str, bad_lines: BadLines | None = None) -> list[tuple[int, str]]:
    """UTF-8 bytes (a byte order mark and CRLF are accepted) -> numbers, from 1, and lines without their ends.

    bad_lines: takes the lines that are not UTF-8; None: the first one raises InputError, which names it.
    """
    bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
    lines = []
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        with bad_lines.skipping(f"{name}:{number}"):
            lines.append((number, _decode(line.removesuffix(b"\r"))))
    return lines


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8") from error


def read_lines(path: str | os.PathLike) -> list[str]:
    """Lines of a UTF-8 file, without their ends. Raises InputError if it cannot be opened, or is not UTF-8."""
    return [line for _, line in read_numbered_lines(path)]


def read_numbered_lines(path: str | os.PathLike, bad_lines: BadLines | None = None) -> list[tuple[int, str]]:
    """`decode_lines` of a file; InputError also when it cannot be opened."""
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: {reason}; check the path") from error
    return decode_lines(content, str(path), bad_lines)
