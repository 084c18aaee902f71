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


class Report:
    """A run's report, which grows with its results. As a context it is written at the end, also of an interrupted run.

    settings: of the run. Each result becomes a row at once, so that no audio is kept. texts: those spoken, by index.
    """

    def __init__(self, path: str | os.PathLike, settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.settings = dict(settings)
        self.texts: dict[int, str] = {}
        self.seconds = 0.0  # of audio
        self._rows: list[dict[str, Any]] = []
        self._written = time.monotonic()

    def __enter__(self) -> Report:
        return self

    def __exit__(self, _kind: type | None, error: BaseException | None, _trace: object) -> None:
        with suppress(InputError) if error is not None else nullcontext():
            self.write()

    def add(self, result: Result, wav: str | os.PathLike) -> str:
        """Take up a result; a line that tells it on the screen.

        wav: where the audio is; written relative to the report's folder. The file follows every few seconds.
        """
        self._rows.append(_row(result, os.path.relpath(wav, self.path.parent)))
        self.texts[result.index] = result.text
        self.seconds += result.seconds
        if time.monotonic() - self._written > SECONDS_BETWEEN:
            self.write()
        beginning = result.text if len(result.text) <= 60 else f"{result.text[:57]}..."
        pieces = f" ({len(result.pieces)} pieces)" if len(result.pieces) > 1 else ""
        return f"{Path(wav).stem}  {result.seconds:6.2f} s  RTF {result.rtf:.2f}  {beginning}{pieces}"

    def write(self) -> None:
        """Write settings, totals and a row for each result, if there is one yet; the file appears whole or not at all.

        Raises:
            InputError: the place cannot be written to.
        """
        if not self._rows:
            return
        report = {
            "results": self._rows,
            "totals": _totals(self._rows),
            "settings": self.settings,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written ({error.strerror}); choose another output folder"
            ) from error
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


def _totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    totals: dict[str, Any] = {"texts": len(rows)}
    totals |= {
        key: sum(row[key] for row in rows) for key in ("seconds", "frames", "nfe", "mel_seconds", "vocoder_seconds")
    }
    taken = totals["mel_seconds"] + totals["vocoder_seconds"]
    totals["rtf"] = taken / totals["seconds"] if totals["seconds"] else None
    return totals
