"""What was found of the held-out sentences, and its means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from evaluation.held_out.reference import HeldOutReference
from evaluation.held_out.speaking import REFERENCE
from evaluation.statistics import Mean, bootstrap_mean

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
            pooled = [(self.values[s][n], self.weights[s][n]) for s in styles for n in sorted(self.values[s])]
            means["style"] = bootstrap_mean(*zip(*pooled, strict=True))
        if "wer_plain" in means:
            plain, other = self.values["wer_plain"], self.values[f"wer_{REFERENCE}"]
            corpus = self.values["wer_corpus"]
            numbers = sorted(plain)
            weights = [self.weights["wer_plain"][number] for number in numbers]
            means["leak"] = bootstrap_mean([other[number] - plain[number] for number in numbers], weights)
            means["wer_above"] = bootstrap_mean([plain[number] - corpus[number] for number in numbers], weights)
        return means

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
