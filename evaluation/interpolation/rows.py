"""The rows of the frequency comparison: every method and mask, and what each is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from model.interpolation import Frequency, Linear, Temporal
from model.interpolation.settings import MASKS

Settings = Linear | Temporal | Frequency
# What an ablation changes; see `speaking`.
SHIFTED, RANDOM, RAW, BUNDLED = "shifted mask", "random steps", "raw join", "bundled style"


@dataclass(frozen=True)
class TableRow:
    name: str
    settings: Settings
    ablation: str | None = None


def comparison_rows(bundled: bool) -> list[TableRow]:
    """bundled: whether a model of bundled style is at hand."""
    rows = [TableRow("linear", Linear()), TableRow("temporal", Temporal())]
    for method in ("staged", "same-time", "two-noise"):
        rows += [TableRow(f"{method}, {_mask(mask)}", Frequency(method=method, mask=mask)) for mask in MASKS]
    rows += [
        TableRow("same-time, harmonics, mask half the text later", _frequency("same-time", "harmonics"), SHIFTED),
        TableRow("two-noise, harmonics, mask half the text later", _frequency("two-noise", "harmonics"), SHIFTED),
        TableRow("two-noise, no mask, raw join", _frequency("two-noise", "none"), RAW),
        TableRow("staged, no mask, random steps", _frequency("staged", "none"), RANDOM),
    ]
    if bundled:
        rows.append(TableRow("same-time, no mask, bundled style", _frequency("same-time", "none"), BUNDLED))
    return rows


def default_row(rows: list[TableRow]) -> TableRow:
    """The row of the frequency defaults."""
    return next(row for row in rows if row.settings == Frequency() and row.ablation is None)


def _frequency(method: str, mask: str) -> Frequency:
    return Frequency(method=method, mask=mask)


def _mask(kind: str) -> str:
    return "no mask" if kind == "none" else kind
