"""NumPy's files, read within bounds: what a header promises is held against the file before room is made for it."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np

from common.files import read_bounded

MOST_BYTES = 2**29  # of a file, and of what an archive holds


def read_array(path: str | os.PathLike) -> np.ndarray:
    """The array of a `.npy` file.

    Raises:
        InputError: the file cannot be read, or is too large.
        ValueError: it holds something else, in one line. (An InputError is one too.)
    """
    content = read_bounded(path, MOST_BYTES)
    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError, OverflowError, TypeError, SyntaxError) as error:
        raise ValueError(_one_line(error)) from error
    if not isinstance(found, np.ndarray):
        raise ValueError("several arrays")
    return found


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """All arrays of a `.npz` file's bytes. Raises ValueError, in one line, for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MOST_BYTES:
            raise ValueError(f"{size} bytes of arrays")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # a damaged archive fails in many ways
        raise ValueError(_one_line(error)) from error


def _one_line(error: BaseException) -> str:
    return " ".join(f"{error or type(error).__name__}".split())[:200]
