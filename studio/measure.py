"""What evaluation says of the pair that was heard last."""

from __future__ import annotations

from pathlib import Path

from params import Audio

_TITLES = {"a": "a alone", "b": "b alone", "ab": "between"}


def measure_run(run: Path, cache: Path) -> tuple[list[str], list[list[str]], str]:
    """A table of a run's folder, metrics down and versions across: head, rows, and what cannot be measured here.

    cache: a folder for what was analysed.
    """
    from evaluation.analyser import Analyser
    from evaluation.optional import HOW_TO_INSTALL
    from evaluation.session import evaluate
    from evaluation.summary import BY_KEY, COLUMNS

    evaluation = evaluate([run], Analyser(cache, Audio()), command="the studio")
    systems = evaluation.systems
    rows = [
        [column.heading, *("-" if mean is None else column.show(mean.value) for mean in means)]
        for column in COLUMNS
        if any(means := [system.overall.get(column.key) for system in systems])
    ]
    # What needs recordings of the texts or voices is no loss here, where there are none.
    missing = [BY_KEY[key].heading for key, reason in evaluation.missing.items() if reason.endswith(HOW_TO_INSTALL)]
    head = ["", *(_TITLES.get(system.variant, system.variant) for system in systems)]
    return head, rows, ", ".join(missing)
