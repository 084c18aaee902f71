"""A run's progress as plain lines, on the screen and in `train.log`."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from common.errors import shown


class RunLog:
    """Appends to a file, line by line, so that a killed run loses none; a resumed run goes on in the same file.

    path: None only shows the lines, as all but the first of several processes do; so does a file that can be written to
    no longer, which is said once.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def line(self, text: str) -> None:
        tqdm.write(shown(text))  # above a progress bar, if there is one
        if self.path is None:
            return
        try:
            with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text + "\n")
        except OSError as error:
            tqdm.write(shown(f"{self.path} is no longer written: {error.strerror}"))
            self.path = None
