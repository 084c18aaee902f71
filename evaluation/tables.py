"""The results as text: a Markdown table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evaluation.measure import MeasuredRun
from evaluation.statistics import Mean
from evaluation.summary import BY_KEY, COLUMNS, WEIGHTS, Column, System, SystemComparison

_ARROWS = {"lower": " ↓", "higher": " ↑", "": ""}


def markdown(systems: Sequence[System], missing: Mapping[str, str]) -> str:
    """A line for each metric that was measured, a column for each system; then what was not measured, and why."""
    lines = [["", *(system.name for system in systems)]]
    for column in COLUMNS:
        if column.key not in missing:
            heading = f"{column.heading}{_ARROWS[column.better]}"
            lines.append([heading, *(show_mean(column, system.overall.get(column.key)) for system in systems)])
    reasons: dict[str, list[str]] = {}
    for key, reason in missing.items():
        reasons.setdefault(reason, []).append(BY_KEY[key].title)
    notes = "\n".join(f"{', '.join(titles)}: {reason}" for reason, titles in reasons.items())
    return f"{_markdown_table(lines)}\n{notes}".rstrip()


def markdown_comparison(comparison: SystemComparison) -> str:
    lines = [["", f"{comparison.system} minus {comparison.baseline}", "p", "n"]]
    for key, result in comparison.columns.items():
        column = BY_KEY[key]
        lines.append([column.heading, show_mean(column, result.difference), f"{result.p_value:.2g}",
                      str(result.difference.n)])  # fmt: skip
    return _markdown_table(lines)


def show_mean(column: Column, mean: Mean | None) -> str:
    if mean is None:
        return "-"
    if math.isnan(mean.low):
        return column.show(mean.value)
    return f"{column.show(mean.value)} [{column.show(mean.low)}, {column.show(mean.high)}]"


def summary_csv(systems: Sequence[System]) -> str:
    """A line for each system, group and metric."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["system", "run", "variant", "group", "name", "metric", "mean", "low", "high", "n"])
    for system in systems:
        for group, name, means in _all_groups(system):
            for key, mean in means.items():
                numbers = [_plain(mean.value), _plain(mean.low), _plain(mean.high), mean.n]
                writer.writerow([system.name, system.run, system.variant, group, name, key, *numbers])
    return out.getvalue()


def sentences_csv(runs: Sequence[MeasuredRun]) -> str:
    """A line for each clip."""
    keys = [*(column.key for column in COLUMNS), *WEIGHTS]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", "index", "variant", "speaker", "emotion", "wav", "text", "transcript", *keys])
    for run in runs:
        for measured in run.clips:
            clip = measured.clip
            known = [run.run.name, clip.index, clip.variant, clip.speaker, clip.emotion, clip.wav.name, clip.text]
            writer.writerow([*known, measured.transcript, *(measured.values.get(key, "") for key in keys)])
    return out.getvalue()


def as_json(
    systems: Sequence[System],
    comparisons: Sequence[SystemComparison],
    runs: Sequence[MeasuredRun],
    missing: Mapping[str, str],
    about: Mapping[str, Any],
) -> str:
    """Everything, with the settings of every run; NaN becomes null. about: title, command and date."""
    content = {
        **about,
        "settings": {run.run.name: dict(run.run.settings) for run in runs},
        "columns": {column.key: asdict(column) for column in COLUMNS},
        "not_measured": dict(missing),
        "systems": [asdict(system) for system in systems],
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "sentences": [
            {
                "run": run.run.name,
                "index": measured.clip.index,
                "variant": measured.clip.variant,
                "wav": str(measured.clip.wav),
                "speaker": measured.clip.speaker,
                "emotion": measured.clip.emotion,
                "text": measured.clip.text,
                "transcript": measured.transcript,
                **measured.values,
            }
            for run in runs
            for measured in run.clips
        ],
    }
    return json.dumps(_without_nan(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _all_groups(system: System):
    yield "all", "", system.overall
    for name, means in system.speakers.items():
        yield "speaker", name, means
    for name, means in system.emotions.items():
        yield "emotion", name, means


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else ""


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return value


def _markdown_table(lines: Sequence[Sequence[str]]) -> str:
    lines = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rows = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in lines]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([rows[0], rule, *rows[1:]])
