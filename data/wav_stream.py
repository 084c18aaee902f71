"""A WAV file that grows while it is written, and can be played at any time."""

from __future__ import annotations

import os
import wave
from pathlib import Path
from types import TracebackType

import numpy as np

from common.errors import InputError
from data.audio import pcm16


class WavStream:
    """16-bit PCM, mono. The header is right after every `append`, so a reader finds a whole file of what there is yet.

    Raises:
        InputError: the place cannot be written to.
    """

    def __init__(self, path: str | os.PathLike, sample_rate: int) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._raw = open(self.path, "wb")  # noqa: SIM115
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written ({error.strerror}); choose another output folder"
            ) from error
        self._wave = wave.open(self._raw, "wb")  # noqa: SIM115
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(sample_rate)

    def append(self, audio: np.ndarray) -> None:
        """(samples,) in [-1, 1], as `data.audio.write_wav` writes them."""
        try:
            self._wave.writeframes(pcm16(audio).astype("<i2").tobytes())
            self._raw.flush()
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({error.strerror}); free space") from error

    def __enter__(self) -> WavStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wave.close()
        self._raw.close()
