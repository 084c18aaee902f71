"""TensorBoard's writer, for which no run ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class Curves:
    """Curves of a run. Where they can be written no longer (a full disk), that is said once and nothing more is shown.

    step: that the run starts from; what an earlier one showed after it, and then lost, is hidden. report: takes that
    line.
    """

    def __init__(self, log_dir: Path, step: int = 0, report: Callable[[str], None] = print) -> None:
        self._report = report
        self._closed = False
        self._hook_before = threading.excepthook
        threading.excepthook = self._leave_to_the_main_thread
        self._writer: SummaryWriter | None = None
        self.write(lambda _: self._open(log_dir, step))

    def _open(self, log_dir: Path, step: int) -> None:
        self._writer = SummaryWriter(str(log_dir), purge_step=step + 1)

    def _leave_to_the_main_thread(self, failure: threading.ExceptHookArgs) -> None:
        """The thread that writes prints what stops it; the next call from here raises that again."""
        if not isinstance(failure.exc_value, OSError):
            self._hook_before(failure)

    def write(self, action: Callable[[SummaryWriter | None], object]) -> None:
        """Let an action have the writer, unless that has failed before."""
        if self._closed:
            return
        try:
            action(self._writer)
        except OSError as error:
            self._closed = True
            self._report(f"curves, pictures and audio are no longer written: {error.strerror or error}")

    def scalars(self, group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.write(lambda writer, name=name, value=value: writer.add_scalar(f"{group}/{name}", value, step))

    def flush(self) -> None:
        """Write what has been shown so far to disk."""
        self.write(lambda writer: writer.flush())

    def close(self) -> None:
        self.write(lambda writer: writer.close())
        threading.excepthook = self._hook_before
