"""The comparison as a table, the one number that names the default, and the oracle's row."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence

from common.errors import InputError
from common.files import read_json, replacing
from evaluation.statistics import Mean, bootstrap_mean
from style_pairs.pairs import NO_MASK, SEED, B

ORACLE = "oracle (the generator)"
# By name: heading, form, and the name of each value's weight.
COLUMNS = {
    "movement": ("F0 movement", "{:.0%}", None),
    "f0_a": ("F0 corr. to a", "{:.2f}", None),
    "f0_b": ("to b", "{:.2f}", None),
    "rmse_a": ("F0 RMSE to a, st", "{:.1f}", None),
    "nearest_b": ("nearest to b", "{:.0%}", None),
    "cosine_b": ("cosine to b", "{:.2f}", None),
    "energy_b": ("energy corr. to b", "{:.2f}", None),
    "wer": ("WER", "{:.1%}", "words"),
    "leak": ("leak, dB", "{:.2f}", None),
    "nfe": ("NFE", "{:.0f}", None),
    "seconds": ("seconds", "{:.1f}", None),
    "dearer": ("mel time", "{:.1f}x", None),
}


def row_means(measured: Sequence[Mapping[str, float]]) -> dict[str, Mean]:
    """Means of one row over its clips."""
    means = {}
    for name, (_, _, weight) in COLUMNS.items():
        known = [values for values in measured if name in values]
        if known:
            weights = None if weight is None else [values[weight] for values in known]
            means[name] = bootstrap_mean([values[name] for values in known], weights)
    return means


def selection_score(means: Mapping[str, Mean]) -> float:
    """How well a has given its pitch and nothing else: the mean of five shares, 1 at best.

    F0 movement (0 to 1), correlation to a's contour, clips nearest to b's voice, correlation to b's energy, and words
    right. NaN where one of them is missing.
    """
    if not {"movement", "f0_a", "nearest_b", "energy_b", "wer"} <= means.keys():
        return math.nan
    movement = means["movement"].value
    shares = [
        1 - abs(1 - movement),
        means["f0_a"].value,
        means["nearest_b"].value,
        means["energy_b"].value,
        1 - means["wer"].value,
    ]
    return sum(min(max(share, 0.0), 1.0) for share in shares) / len(shares)


def markdown(rows: Mapping[str, Sequence[Mapping[str, float]]], default: str) -> str:
    """rows: measured clips by row. The row of the defaults is marked; rows without a clip are left out."""
    headings = [heading for heading, _, _ in COLUMNS.values()]
    lines = [f"| | {' | '.join(headings)} | score |", f"|---|{'---|' * (len(COLUMNS) + 1)}"]
    for name, measured in rows.items():
        if measured:
            means = row_means(measured)
            cells = [_shown(means.get(key), form) for key, (_, form, _) in COLUMNS.items()]
            score = selection_score(means)
            shown = f"**{name} (default)**" if name == default else name
            lines.append(f"| {shown} | {' | '.join(cells)} | {'-' if math.isnan(score) else f'{score:.3f}'} |")
    return "\n".join(lines)


# What staged tuning has to show, by mask: what is said of it, floor, goal, form.
_TUNED = {
    "movement": ("F0 movement", "83%", "88%", "{:.0%}"),
    "beyond_random": ("beyond random steps of the same length and mask", "30 points", "40", "{:.0%}"),
    "f0_a": ("correlation to a's contour", "0.84", "0.86", "{:.2f}"),
    "nearest_b": ("nearest to b's voice", "90%", "100%", "{:.0%}"),
    "above_b": ("WER above b's", "3 points", "1 point", "{:.1%}"),
    "less_leak": ("leak below that without a mask", "20%", "50%", "{:.0%}"),
    "dearer": ("mel time, in plain runs of as many evaluations", "8x", "3x", "{:.1f}x"),
}


def tuned_markdown(texts: Sequence[Mapping[str, Mapping[str, float]]], masks: Sequence[str]) -> str:
    """What tuning gains with every mask ("f0", "no mask"). texts: each one's rows; those that lack one do not count."""
    columns = {}
    for mask in masks:
        names = f"staged, {mask}", f"staged, {mask}, random steps", f"staged, {NO_MASK}", B
        complete = [rows for rows in texts if all(name in rows for name in names)]
        if complete:
            tuned, random, free, b = (
                {k: m.value for k, m in row_means([r[n] for r in complete]).items()} for n in names
            )
            gained = {
                "beyond_random": tuned["movement"] - random["movement"],
                "above_b": tuned.get("wer", math.nan) - b.get("wer", math.nan),
                "less_leak": 1 - tuned["leak"] / free["leak"],
            }
            columns[f"{mask} ({len(complete)} texts)"] = tuned | gained
    if not columns:
        return ""
    lines = [f"| staged | {' | '.join(columns)} | floor | goal |", f"|---|{'---|' * (len(columns) + 2)}"]
    for name, (heading, floor, goal, form) in _TUNED.items():
        cells = [form.format(values[name]) for values in columns.values()]
        lines.append(f"| {heading} | {' | '.join(cells)} | {floor} | {goal} |")
    return "\n".join(lines)


def _shown(mean: Mean | None, form: str) -> str:
    return "-" if mean is None else form.format(mean.value)


_Rows = Mapping[int, Mapping[str, Mapping[str, float]]]


def write_oracle(path: str | os.PathLike, rows: _Rows) -> None:
    """rows: numbers by text and row; rounded, for a small file."""
    rounded = {
        number: {row: {name: round(value, 4) for name, value in values.items()} for row, values in by_row.items()}
        for number, by_row in rows.items()
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"seed": SEED, "texts": rounded}) + "\n", encoding="utf-8")


def read_oracle(path: str | os.PathLike, with_words: bool = True) -> dict[int, dict[str, dict[str, float]]]:
    """Numbers by text and row. Raises InputError for a file that is missing, of another kind or of other pairs.

    with_words: whether its words, heard by whisper base, can be compared with others.
    """
    try:
        content = read_json(path)
        if content["seed"] != SEED:
            raise InputError(f"{path} is of other pairs; make it again")
        dropped = () if with_words else ("wer", "words")
        return {
            int(number): {
                name: {key: value for key, value in values.items() if key not in dropped}
                for name, values in rows.items()
            }
            for number, rows in content["texts"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no numbers of the oracle ({error}); make it again") from error
