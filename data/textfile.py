"""Lines of a UTF-8 text file, with their numbers."""

from __future__ import annotations

import os
from pathlib import Path

from data.errors import InputError


def decode_lines(content: bytes, name: str) -> list[str]:
    """UTF-8 bytes (a byte order mark and CRLF are accepted) -> lines, without their ends.

    Raises:
        InputError: not UTF-8; the message names the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start] if error.start < len(content) else 0
        raise InputError(f"{name}:{line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from error
    return [line.removesuffix("\r") for line in text.split("\n")]


def read_lines(path: str | os.PathLike) -> list[str]:
    """`decode_lines` of a file; InputError also when it cannot be opened."""
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: {reason}; check the path") from error
    return decode_lines(content, str(path))
