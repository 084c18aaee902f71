"""What was found of the held-out sentences: means, and a table of every measurement beside its floor and its goal."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluation.statistics import Mean, bootstrap_mean
from held_out.reference import HeldOutReference
from held_out.speaking import REFERENCE

HIDDEN = "height_"  # begins the names of values that only others are made from


def _by_name() -> dict[str, dict[int, float]]:
    return defaultdict(dict)


@dataclass
class Findings:
    """By measurement and number of the sentence: values, their weights in a mean, and checks of a style's attributes.

    The order in which sentences are put in does not matter.
    """

    values: dict[str, dict[int, float]] = field(default_factory=_by_name)
    weights: dict[str, dict[int, float]] = field(default_factory=_by_name)
    checks: dict[str, dict[int, float]] = field(default_factory=_by_name)

    def put(self, name: str, number: int, value: float, weight: float = 1.0) -> None:
        self.values[name][number] = value
        self.weights[name][number] = weight

    def include(self, other: Findings) -> None:
        """Take over what was found of other sentences."""
        for own, found in ((self.values, other.values), (self.weights, other.weights), (self.checks, other.checks)):
            for name, by_number in found.items():
                own[name].update(by_number)

    def summary(self) -> dict[str, Mean]:
        """Means over sentences, by name; what could not be measured is not there."""
        means = {name: self._mean(name) for name in sorted(self.values) if not name.startswith(HIDDEN)}
        styles = sorted(name for name in self.values if name.startswith("style_"))
        if styles:
            means["style"] = bootstrap_mean(*zip(*self._pooled(styles), strict=True))
        if "wer_plain" in means:
            plain, other = self.values["wer_plain"], self.values[f"wer_{REFERENCE}"]
            corpus = self.values["wer_corpus"]
            numbers = sorted(plain)
            weights = [self.weights["wer_plain"][number] for number in numbers]
            means["leak"] = bootstrap_mean([other[number] - plain[number] for number in numbers], weights)
            means["wer_above"] = bootstrap_mean([plain[number] - corpus[number] for number in numbers], weights)
        return means

    def _pooled(self, styles: Sequence[str]) -> list[tuple[float, float]]:
        """Mean and weight of each sentence, over styles: one sentence in several styles is one draw."""
        found = []
        for number in sorted({number for style in styles for number in self.values[style]}):
            having = [style for style in styles if number in self.values[style]]
            weight = sum(self.weights[style][number] for style in having)
            total = sum(self.values[style][number] * self.weights[style][number] for style in having)
            if weight:
                found.append((total / weight, weight))
        return found

    def check_shares(self) -> dict[str, float]:
        """Share of sentences on the corpus's side of neutral, by style and attribute."""
        return {name: float(np.mean(list(found.values()))) for name, found in sorted(self.checks.items())}

    def by_speaker(self, name: str, reference: HeldOutReference) -> dict[str, float]:
        """Mean of a measurement over the sentences of each speaker."""
        groups: dict[str, list[int]] = defaultdict(list)
        for number in self.values.get(name, {}):
            groups[reference.sentences[number].speaker].append(number)
        return {speaker: self._mean(name, numbers).value for speaker, numbers in sorted(groups.items())}

    def _mean(self, name: str, numbers: Iterable[int] | None = None) -> Mean:
        values, weights = self.values[name], self.weights[name]
        numbers = sorted(values if numbers is None else numbers)
        return bootstrap_mean([values[number] for number in numbers], [weights[number] for number in numbers])


@dataclass(frozen=True)
class Limit:
    """A limit as it is shown, and whether a value reaches it."""

    shown: str
    reached: Callable[[float], bool]


def at_least(limit: float, shown: str) -> Limit:
    return Limit(shown, lambda value: value >= limit)


def at_most(limit: float, shown: str) -> Limit:
    return Limit(shown, lambda value: value <= limit)


def between(low: float, high: float, shown: str) -> Limit:
    return Limit(shown, lambda value: low <= value <= high)


@dataclass(frozen=True)
class Row:
    title: str
    floor: Limit | None
    goal: Limit | None
    form: str = "{:.2f}"  # of the value and its interval


POINTS, SHARE = "{:.1%}", "{:.0%}"
ROWS = {
    "wer_plain": Row("WER", at_most(0.10, "10%"), None, POINTS),
    "wer_corpus": Row("WER of the corpus's own voices, same sentences", None, None, POINTS),
    "wer_above": Row("WER above those", None, at_most(0.02, "2 points"), POINTS),
    "fine_vertical": Row("fine structure, vertical", at_least(0.8, "80%"), between(0.95, 1.05, "95-105%"), SHARE),
    "fine_horizontal": Row("fine structure, horizontal", at_least(0.8, "80%"), between(0.95, 1.05, "95-105%"), SHARE),
    "nearest": Row("right speaker is the nearest of all", at_least(0.9, "90%"), at_least(0.98, "98%"), SHARE),
    "cosine": Row("cosine to the right speaker", at_least(0.75, "0.75"), at_least(0.85, "0.85")),
    "style": Row("style on the right side of neutral", at_least(0.85, "85%"), at_least(0.95, "95%"), POINTS),
    "f0_contour": Row("F0 correlation, contour of the same text", at_least(0.85, "0.85"), at_least(0.95, "0.95")),
    "f0_reference": Row("F0 correlation, contour of other words", at_least(0.8, "0.8"), at_least(0.93, "0.93")),
    "raise": Row(
        "contour 4 semitones higher: F0 median rises by", between(3.5, 4.5, "3.5-4.5"), between(3.9, 4.1, "3.9-4.1")
    ),
    "energy": Row("energy correlation, given contour", at_least(0.7, "0.7"), at_least(0.9, "0.9")),
    "wer_reference": Row("WER with pitch and timbre of other words", None, None, POINTS),
    "leak": Row("rise of WER by them", at_most(0.04, "4 points"), at_most(0.01, "1 point"), POINTS),
    "mos": Row("MOS (Distill-MOS)", None, None),
    "rtf": Row("RTF, with vocoder", at_most(0.7, "0.7"), at_most(0.3, "0.3")),
    "megabytes": Row("file size, MB", at_most(60, "60"), at_most(30, "30"), "{:.1f}"),
    "load_seconds": Row("load time, s", at_most(3, "3"), at_most(1, "1")),
}


def verdict(row: Row, value: float) -> str:
    """ "goal", "floor", "below", or "" where nothing is asked."""
    if row.goal is not None and row.goal.reached(value):
        return "goal"
    if row.floor is not None:
        return "floor" if row.floor.reached(value) else "below"
    return ""


def markdown(means: dict[str, Mean]) -> str:
    """The rows that were measured, with their 95% intervals."""
    lines = ["| | measured | floor | goal | reached |", "|---|---|---|---|---|"]
    for name, row in ROWS.items():
        if name in means:
            mean = means[name]
            reached = verdict(row, mean.value)
            cells = [row.title, _shown(row, mean), _limit(row.floor), _limit(row.goal), _emphasised(reached)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def by_group(title: str, columns: dict[str, dict[str, float]]) -> str:
    """A table with a line for each group and a column for each measurement (a name in `ROWS`)."""
    groups = list(dict.fromkeys(group for values in columns.values() for group in values))
    lines = [f"| {title} | {' | '.join(ROWS[name].title for name in columns)} |", f"|---|{'---|' * len(columns)}"]
    for group in groups:
        cells = [ROWS[name].form.format(values.get(group, math.nan)) for name, values in columns.items()]
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines)


def style_table(checks: dict[str, float], attributes: Iterable[str]) -> str:
    """Shares of sentences on the right side, a line for each style; checks: by "style attribute"."""
    attributes = list(attributes)
    styles = list(dict.fromkeys(name.split(" ")[0] for name in checks))
    lines = [f"| | {' | '.join(attributes)} |", f"|---|{'---|' * len(attributes)}"]
    for style in styles:
        cells = [SHARE.format(checks[key]) if (key := f"{style} {name}") in checks else "-" for name in attributes]
        lines.append(f"| {style} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(row: Row, mean: Mean) -> str:
    value = row.form.format(mean.value)
    if not math.isfinite(mean.low):
        return value
    return f"{value} [{row.form.format(mean.low)}, {row.form.format(mean.high)}]"


def _limit(limit: Limit | None) -> str:
    return "" if limit is None else limit.shown


def _emphasised(reached: str) -> str:
    return f"**{reached}**" if reached == "below" else reached
