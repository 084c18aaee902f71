"""A melody as a text file: lines of seconds and Hz."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np

from common.errors import InputError
from common.files import read_numbered_lines, replacing

LOWEST_HZ, HIGHEST_HZ = 20.0, 2000.0
HEADER = "seconds,hz"


@dataclass(frozen=True)
class Contour:
    """F0 over time: seconds, ascending, and Hz, as many; what is voiced the text says."""

    seconds: tuple[float, ...]
    hz: tuple[float, ...]

    def log_f0(self, frames: int, frame_seconds: float, start: float = 0.0) -> np.ndarray:
        """(frames,) float32, natural log of Hz at the middles of frames that begin at `start` seconds: linear between
        two points, and the first and last value outside them.
        """
        at = start + (np.arange(frames) + 0.5) * frame_seconds
        return np.interp(at, self.seconds, np.log(self.hz)).astype(np.float32)


def read_contour(path: str | os.PathLike) -> Contour:
    """A contour from a UTF-8 file: seconds and Hz a line, by comma or white space; 0 Hz: unvoiced, passed over.

    Blank lines, lines that begin with `#` and a first line of names are skipped.

    Raises:
        InputError: the file cannot be read, or holds no voiced point; with its line: no two numbers, a time that does
            not ascend, or an F0 that no voice has.
    """
    seconds: list[float] = []
    hz: list[float] = []
    last = -math.inf
    first = True
    for number, line in read_numbered_lines(path):
        columns = line.replace(",", " ").replace(";", " ").split()
        if not columns or columns[0].startswith("#"):
            continue
        named, first = first and all(map(_is_name, columns)), False
        if named:
            continue
        time, value = _numbers(columns, f"{path}:{number}")
        if not 0 <= time < 1e6 or time <= last:
            raise InputError(f"{path}:{number}: the time {columns[0]} does not ascend; sort the lines by seconds")
        last = time
        if value == 0:
            continue
        if not LOWEST_HZ <= value <= HIGHEST_HZ:
            raise InputError(
                f"{path}:{number}: {columns[1]} Hz is no F0; give {LOWEST_HZ:g} to {HIGHEST_HZ:g}, or 0 where unvoiced"
            )
        seconds.append(time)
        hz.append(value)
    if not seconds:
        raise InputError(f"{path} holds no voiced point; give lines of seconds and Hz, such as: 0.25 180")
    return Contour(tuple(seconds), tuple(hz))


def write_contour(path: str | os.PathLike, f0: np.ndarray, frame_seconds: float) -> None:
    """Write F0 at the middles of frames, (T,) Hz, 0 where unvoiced, as `read_contour` reads it.

    Raises:
        InputError: the place cannot be written to.
    """
    lines = [HEADER, *(f"{(i + 0.5) * frame_seconds:.6f},{value:.3f}" for i, value in enumerate(f0))]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _is_name(column: str) -> bool:
    return column[0].isalpha() and column.lower() not in ("nan", "inf", "infinity")


def _numbers(columns: list[str], place: str) -> tuple[float, float]:
    try:
        time, value = (float(column) for column in columns)
    except ValueError as error:
        raise InputError(f"{place}: expected seconds and Hz, found {' '.join(columns)[:40]!r}") from error
    if not (math.isfinite(time) and math.isfinite(value)):
        raise InputError(f"{place}: expected seconds and Hz, found {' '.join(columns)[:40]!r}")
    return time, value
