"""What every part leans on: errors, files, processes, command lines."""

from __future__ import annotations

import sys
from types import TracebackType

_before = sys.excepthook


def _end_in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a script still imports what it needs, before its door (`common.errors`) is there."""
    if not issubclass(kind, KeyboardInterrupt):
        _before(kind, error, trace)
        return
    print("stopped before anything was begun", file=sys.stderr)
    raise SystemExit(130)


sys.excepthook = _end_in_one_line
