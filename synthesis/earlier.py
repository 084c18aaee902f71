"""What is in an output folder before a run: files of the same texts, of an earlier one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from common.errors import InputError

_OF_A_TEXT = re.compile(r"(\d{4,})(?:_a|_b|_ab(?:_[\d.e+-]+)?(?:_reader)?|_mask)?\.(?:wav|png|npy)")


def check_apart(recordings: Iterable[Path], out: Path) -> None:
    """Raises InputError for a recording that a run would write over, or take for an earlier run's and remove."""
    for path in recordings:
        if _OF_A_TEXT.fullmatch(path.name) and path.parent.resolve() == out.resolve():
            raise InputError(f"{path} is a recording where this run writes its own; give another --out, or move it")


class Earlier:
    """Files of texts that an earlier run left in a folder; evaluate.py would take them for this one's."""

    def __init__(self, out: Path) -> None:
        self._files: dict[int, dict[Path, int]] = {}  # by the text's index, when they were written
        for path in out.iterdir() if out.is_dir() else ():
            if match := _OF_A_TEXT.fullmatch(path.name):
                self._files.setdefault(int(match[1]), {})[path] = path.stat().st_mtime_ns

    def remove(self, index: int) -> None:
        """Those of a text that this run has spoken, but for what it wrote itself."""
        for path, written in self._files.pop(index, {}).items():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns == written:
                    path.unlink()
