"""A WAV file that grows while it is written, and can be played at any time."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from common.files import unwritable
from data.audio import pcm16


def _without_waiting(path: str, flags: int) -> int:
    """A pipe in the place of the file would wait for a reader; so it is an error."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


class WavStream:
    """16-bit PCM, mono. The header is right after every `append`, so a reader finds a whole file of what there is yet.

    A file that does not come to its end (an error, Ctrl-C) is removed. It is made by the first `append`, since whatever
    happens there `__exit__` knows of; a signal while a file is opened in front of `with` would leave an empty one.
    """

    def __init__(self, path: str | os.PathLike, sample_rate: int) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self._bytes = 0  # of samples
        self._begun = False
        self._file: BinaryIO | None = None

    def append(self, audio: np.ndarray) -> None:
        """(samples,) in [-1, 1], as `data.audio.write_wav` writes them. Raises InputError if they cannot be written."""
        samples = pcm16(audio).astype("<i2").tobytes()
        if self._file is None:
            self._begin()
        try:
            self._file.seek(len(self._header()) + self._bytes)
            self._file.write(samples)
            self._bytes += len(samples)
            self._file.seek(0)
            self._file.write(self._header())
            self._file.flush()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _begin(self) -> None:
        self._begun = True  # first: a signal may come as soon as the file is there
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "wb", opener=_without_waiting)  # noqa: SIM115
        except OSError as error:
            self._begun = False  # what is there is somebody else's
            raise unwritable(self.path, error) from error

    def _header(self) -> bytes:
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, self.sample_rate, 2 * self.sample_rate, 2, 16)
        return (
            struct.pack("<4sI4s", b"RIFF", 36 + self._bytes, b"WAVE") + form + struct.pack("<4sI", b"data", self._bytes)
        )

    def __enter__(self) -> WavStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._file is not None:
                self._file.close()
        except OSError as failure:
            if kind is None:
                self.path.unlink(missing_ok=True)
                raise unwritable(self.path, failure) from failure
        if kind is not None and self._begun:
            with suppress(OSError):
                self.path.unlink()
