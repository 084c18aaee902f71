"""Files that are read or written whole: text as numbered lines, and writing under a temporary name."""

from __future__ import annotations

import codecs
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import BadLines, InputError


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder (made if missing); on success rename it to `path`, else remove it.

    The rename is atomic, so an interruption leaves either the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
