"""What evaluation says of the pair that was heard last."""

from __future__ import annotations

from pathlib import Path

from params import Audio


def measure_run(run: Path, cache: Path) -> tuple[list[str], list[list[str]], str]:
    """A table of a run's folder, metrics down and versions across: head, rows, and what could not be measured.

    cache: a folder for what was analysed.
    """
    from evaluation.analyser import Analyser
    from evaluation.session import evaluate
    from evaluation.summary import BY_KEY, COLUMNS

    evaluation = evaluate([run], Analyser(cache, Audio()), command="the studio")
    systems = evaluation.systems
    rows = [
        [column.heading, *("-" if mean is None else column.show(mean.value) for mean in means)]
        for column in COLUMNS
        if any(means := [system.overall.get(column.key) for system in systems])
    ]
    reasons: dict[str, list[str]] = {}
    for key, reason in evaluation.missing.items():
        reasons.setdefault(reason, []).append(BY_KEY[key].heading)
    missing = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
    return ["", *(system.name for system in systems)], rows, missing
