"""The picture of a two-style run."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from model.interpolation.plan import Interpolated
from params import Audio
from synthesis.pictures import Row, field_rows, write_picture
from synthesis.plots import draw_results
from synthesis.two_styles import Pair

_CELL_INCHES = 0.2  # of a row of the attention's mass


def plot_pair(path: str | os.PathLike, pair: Pair, kind: int, audio_params: Audio) -> None:
    """Write a PNG: mels of a, b and one interpolation with F0 and words over one time axis, a's share, attention mass,
    what tuning did.

    kind: which of `pair.between`. Only the first piece of a long text has share, mass and tuning.

    Raises:
        InputError: the place cannot be written to.
    """
    done = pair.steps[kind][0]
    results = [
        (f"{name}: {result.speaker}, {result.emotion}", result)
        for name, result in (("a alone", pair.a), ("b alone", pair.b), ("between", pair.between[kind]))
    ]
    rows = share_rows(pair, kind, audio_params) + _inner_rows(done, pair.lead)
    write_picture(path, draw_results(results, audio_params, rows))


def share_rows(pair: Pair, kind: int, audio_params: Audio) -> list[Row]:
    """The leader's share of the pitch in one of `pair.between`: the mask, or the weight."""
    done = pair.steps[kind][0]
    field = done.field[0, :, : done.synthesis.mel.shape[2]].float().cpu().numpy()
    return field_rows(field, f"{pair.lead}'s share of the pitch", audio_params)


def _inner_rows(done: Interpolated, leads: str) -> list[Row]:
    rows = []
    if done.mass:
        sites = list(dict.fromkeys(site for site, _ in done.mass))
        title = f"mean attention mass on {leads}, by site and type of style"
        inches = _CELL_INCHES * len(sites)
        rows.append(Row(inches, lambda axes, _: _draw_mass(axes, done, sites), title, timed=False))
    if done.history:
        title = "staged: loss over the inner steps, one line for each tuned evaluation"
        rows.append(Row(1.4, lambda axes, _: _draw_history(axes, done), title, timed=False))
    return rows


def _draw_mass(axes: Axes, done: Interpolated, sites: Sequence[str]) -> None:
    types = list(dict.fromkeys(type_name for _, type_name in done.mass))
    table = np.array([[float(done.mass[site, type_name].mean()) for type_name in types] for site in sites])
    axes.imshow(table, aspect="auto", cmap="RdBu", vmin=0, vmax=1)
    for row, column in np.ndindex(*table.shape):
        axes.text(column, row, f"{table[row, column]:.2f}", ha="center", va="center", fontsize=7)
    axes.set_yticks(range(len(sites)), sites, fontsize=7)
    axes.set_xticks(range(len(types)), types, fontsize=7)


def _draw_history(axes: Axes, done: Interpolated) -> None:
    """Loss over the inner steps of each tuned evaluation, and how far the latent moved."""
    place = 0
    for record in done.history:
        steps = range(place, place + len(record.losses))
        axes.plot(steps, record.losses, marker="o", markersize=3, color="#4878a8")
        note = f"t {record.t:.2f}, moved {record.moved:.2g}"
        axes.annotate(note, (place, record.losses[0]), (6, -2), textcoords="offset points", fontsize=7, va="top")
        place += len(record.losses)
    axes.set_ylabel("loss", fontsize=8)
