"""What a run did, as `report.json` beside its wavs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.files import replacing
from synthesis.result import Result
from synthesis.times import Timed

SECONDS_BETWEEN = 10.0  # that a run may lose if it is killed
_SUMMED = ("seconds", "frames", "nfe", "mel_seconds", "vocoder_seconds")


class Report:
    """A run's report, which grows with its results. As a context it is written at the end, also of an interrupted run.

    settings: of the run; warnings: of what it was given. Each result becomes a row of text at once, so that little is
    kept of it. texts: as they were spoken, by index.
    """

    def __init__(self, path: str | os.PathLike, settings: Mapping[str, Any], warnings: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self.settings = dict(settings)
        self.texts: dict[int, str] = {}
        self.warnings = list(warnings)
        self._rows: list[str] = []
        self._totals: dict[str, Any] = dict.fromkeys(_SUMMED, 0)
        self._written = time.monotonic()

    def __enter__(self) -> Report:
        return self

    def __exit__(self, _kind: type | None, error: BaseException | None, _trace: object) -> None:
        with suppress(InputError) if error is not None else nullcontext():
            self.write()

    @property
    def seconds(self) -> float:
        """Of all audio."""
        return self._totals["seconds"]

    def add(self, result: Result, wav: str | os.PathLike) -> str:
        """Take up a result; a line that tells it on the screen.

        wav: where the audio is; written relative to the report's folder. The file follows every few seconds.
        """
        self.include(_row(result, os.path.relpath(wav, self.path.parent)))
        if time.monotonic() - self._written > SECONDS_BETWEEN:
            self.write()
        beginning = result.text if len(result.text) <= 60 else f"{result.text[:57]}..."
        pieces = f" ({len(result.pieces)} pieces)" if len(result.pieces) > 1 else ""
        return f"{Path(wav).stem}  {result.seconds:6.2f} s  RTF {result.rtf:.2f}  {beginning}{pieces}"

    def include(self, row: Mapping[str, Any]) -> None:
        """Take up a row as reports have it, of this run or of another one of the same settings."""
        self._rows.append(json.dumps(row, ensure_ascii=False))
        self._totals |= {key: self._totals[key] + row[key] for key in _SUMMED}
        self.texts[row["index"]] = row["text"]

    def write(self, even_empty: bool = False) -> None:
        """Write settings, totals and a row for each result, as soon as there is one; the file is whole or not there.

        even_empty: also without a result.

        Raises:
            InputError: the place cannot be written to.
        """
        if not self._rows and not even_empty:
            return
        taken = self._totals["mel_seconds"] + self._totals["vocoder_seconds"]
        rest = {
            "totals": {"texts": len(self.texts), **self._totals, "rtf": taken / self.seconds if self.seconds else None},
            "settings": self.settings,
            "warnings": self.warnings,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        rows = ",\n".join(self._rows)
        # What is no character, such as a byte of a file's name that is no UTF-8, becomes JSON's own escape.
        with (
            replacing(self.path) as temporary,
            open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file,
        ):
            file.write(f'{{"results": [\n{rows}\n],\n{json.dumps(rest, indent=2, ensure_ascii=False)[2:]}\n')
        self._written = time.monotonic()


def _row(result: Result, wav: str) -> dict[str, Any]:
    return {
        "index": result.index,
        "text": result.text,
        **({} if result.given is None else {"given": result.given}),
        "wav": Path(wav).as_posix(),
        "seconds": result.seconds,
        "frames": result.frames,
        "nfe": result.nfe,
        "mel_seconds": result.mel_seconds,
        "vocoder_seconds": result.vocoder_seconds,
        "rtf": result.rtf,
        "speaker": result.speaker,
        "emotion": result.emotion,
        "pieces": len(result.pieces),
        "tokens": list(result.tokens),
        "durations": [int(frames) for frames in result.durations],
        "words": [_timed("word", one) for one in result.word_times],
        "phones": [{**_timed("phone", one), "word": one.word} for one in result.phone_times],
        "marks": [{"mark": name, "time": round(seconds, 4)} for name, seconds in result.mark_times],
    }


def _timed(kind: str, one: Timed) -> dict[str, Any]:
    """In seconds."""
    return {kind: one.name, "start": round(one.start, 4), "end": round(one.end, 4)}
