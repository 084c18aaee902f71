"""Whether a WAV file is all there; libsndfile reads a truncated one as a shorter one."""

from __future__ import annotations

import os
import struct

_UNKNOWN = (0, 0xFFFFFFFF)  # sizes that a program writes which cannot go back to fill them in


def is_cut_short(path: str | os.PathLike) -> bool:
    """Whether a RIFF/WAVE file ends before its samples do; False for every other file."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        kind, _, form = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if (kind, form) != (b"RIFF", b"WAVE"):
            return False
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                return length not in _UNKNOWN and file.tell() + length > size
            file.seek(length + length % 2, os.SEEK_CUR)  # chunks begin at even places
    return False
