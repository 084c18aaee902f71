"""What a run did, as `report.json` beside its wavs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.files import replacing
from synthesis.result import Result
from synthesis.times import Timed


def write_report(
    path: str | os.PathLike, results: Sequence[Result], wavs: Sequence[str | os.PathLike], settings: Mapping[str, Any]
) -> None:
    """Write settings, totals and a row for each result; the file appears whole or not at all.

    wavs: where each result's audio is; written relative to the report's folder.

    Raises:
        InputError: the place cannot be written to.
    """
    path = Path(path)
    rows = [_row(result, os.path.relpath(wav, path.parent)) for result, wav in zip(results, wavs, strict=True)]
    report = {
        "results": rows,
        "totals": _totals(rows),
        "settings": dict(settings),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another output folder") from error


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
