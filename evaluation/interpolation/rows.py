"""The rows of the frequency comparison: every method and mask, and what each is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from model.interpolation import KINDS, Kind, Linear, SameTime, Staged, Temporal, TwoNoise
from model.interpolation.pitch_transfer import MASKS

# What an ablation changes; see `speaking`.
SHIFTED, BUNDLED = "shifted mask", "bundled style"


@dataclass(frozen=True)
class TableRow:
    name: str
    settings: Kind
    ablation: str | None = None


def comparison_rows(bundled: bool) -> list[TableRow]:
    """bundled: whether a model of bundled style is at hand."""
    rows = [TableRow("linear", Linear()), TableRow("temporal", Temporal())]
    for method in ("staged", "same-time", "two-noise"):
        rows += [TableRow(f"{method}, {_mask(mask)}", _frequency(method, mask)) for mask in MASKS]
    rows += [
        TableRow("same-time, harmonics, mask half the text later", _frequency("same-time", "harmonics"), SHIFTED),
        TableRow("two-noise, harmonics, mask half the text later", _frequency("two-noise", "harmonics"), SHIFTED),
        TableRow("two-noise, no mask, raw join", TwoNoise(mask="none", join="raw")),
        TableRow("staged, no mask, random steps", Staged(mask="none", direction="random")),
    ]
    if bundled:
        rows.append(TableRow("same-time, no mask, bundled style", _frequency("same-time", "none"), BUNDLED))
    return rows


def default_row(rows: list[TableRow]) -> TableRow:
    """The row of the frequency defaults."""
    return next(row for row in rows if row.settings == SameTime() and row.ablation is None)


def _frequency(method: str, mask: str) -> Kind:
    return KINDS[method](mask=mask)


def _mask(kind: str) -> str:
    return "no mask" if kind == "none" else kind
