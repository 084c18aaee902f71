"""Evaluate run folders from end to end: measure, summarise, write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from common.files import replacing
from evaluation.analyser import Analyser
from evaluation.clips import read_run
from evaluation.measure import VOICE_RECORDINGS, MeasuredRun, measure_run, measure_voices
from evaluation.page import render
from evaluation.references import Reference, ReferenceTexts, spread_by_speaker
from evaluation.summary import System, SystemComparison, compare_runs, missing_reasons, summarise
from evaluation.tables import as_json, markdown, markdown_comparison, sentences_csv, summary_csv
from params import Audio


@dataclass(frozen=True, eq=False)
class Evaluation:
    """runs: as given, the baseline last if there is one."""

    runs: list[MeasuredRun]
    systems: list[System]
    comparisons: list[SystemComparison]
    missing: dict[str, str]  # why columns are empty
    about: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        tables = [markdown(self.systems, self.missing), *map(markdown_comparison, self.comparisons)]
        return "\n\n".join(tables)


def evaluate(
    folders: Sequence[str | os.PathLike],
    analyser: Analyser,
    *,
    references: Sequence[Reference] = (),
    genders: Mapping[str, str] | None = None,
    baseline: str | os.PathLike | None = None,
    carry: str = "auto",
    command: str = "",
    progress: bool = False,
) -> Evaluation:
    """Measure run folders.

    baseline: a run that each of the others is compared with, sentence by sentence.

    Raises:
        InputError: a folder is no run, or something in it or in the references cannot be used.
    """
    paths = [Path(folder) for folder in (*folders, *(() if baseline is None else (baseline,)))]
    audio = analyser.audio_params
    runs = [read_run(path, audio, name) for path, name in zip(paths, _names(paths), strict=True)]
    voices_total = sum(len(own) for own in spread_by_speaker(references, VOICE_RECORDINGS).values())
    total = voices_total + sum(len(run.clips) for run in runs)
    with tqdm(total=total, unit="clip", desc="measure", disable=None if progress else True) as bar:
        voices = measure_voices(references, analyser, genders or {}, bar.update)
        texts = ReferenceTexts(references)
        measured = [measure_run(run, analyser, texts, voices, carry, bar.update) for run in runs]
    systems = [system for run in measured for system in summarise(run)]
    compared = [] if baseline is None else measured[:-1]
    return Evaluation(
        runs=measured,
        systems=systems,
        comparisons=[comparison for run in compared for comparison in compare_runs(run, measured[-1])],
        missing=missing_reasons(systems, analyser.unavailable),
        about={
            "title": f"Evaluation of {', '.join(run.run.name for run in measured)}",
            "command": command,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def write_evaluation(
    evaluation: Evaluation, folder: str | os.PathLike, audio_params: Audio, sentences: int, progress: bool = False
) -> list[Path]:
    """Write evaluation.json, evaluation.csv, sentences.csv and report.html; each appears whole or not at all.

    sentences: the most of each run that the page has players for.

    Raises:
        InputError: the folder cannot be written.
    """
    e = evaluation
    players = sum(len(run.clips) for run in e.runs)
    with tqdm(total=players, unit="clip", desc="report", disable=None if progress else True) as bar:
        page = render(e.systems, e.comparisons, e.runs, e.missing, e.about, audio_params, sentences, bar.update)
    contents = {
        "evaluation.json": as_json(e.systems, e.comparisons, e.runs, e.missing, e.about),
        "evaluation.csv": summary_csv(e.systems),
        "sentences.csv": sentences_csv(e.runs),
        "report.html": page,
    }
    paths = []
    for name, content in contents.items():
        path = Path(folder) / name
        with replacing(path) as temporary:
            # Names of files, which settings and titles hold, may be any bytes.
            temporary.write_text(content, encoding="utf-8", errors="backslashreplace")
        paths.append(path)
    return paths


def _names(paths: Sequence[Path]) -> list[str]:
    """Folder names; the whole path where two are the same."""
    names = [path.resolve().name for path in paths]
    return [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
