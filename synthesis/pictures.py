"""Mels with their F0, words and phones, one below the other over one time axis; no display is needed."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from PIL import Image

from common.errors import shown
from common.files import replacing
from params import Audio

Span = tuple[float, float, str]  # seconds and a name

DPI = 110
F0_COLOUR = "#3fe0e8"
TARGET_COLOUR = "#ffffff"
_INCHES_PER_SECOND = 2.6  # so that a phone of 50 ms has room for its name
_LEAST_INCHES, _MOST_INCHES = 8.0, 240.0  # of the time axis
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.62, 0.62, 0.08, 0.42
_TITLE_INCHES = 0.24
_LETTER_INCHES = 0.0092  # width of a letter, per point of its size
_TICKS = (50, 70, 100, 150, 200, 300, 400, 600, 800)  # Hz
_COLOURS = 256  # of a picture's palette: a third of the size
_EVEN = 0.01  # a field that differs by less is one number


@dataclass(frozen=True)
class Row:
    """A strip of the picture; draw is given its axes, and how many inches a second takes there. timed: it shares the
    time axis.
    """

    inches: float
    draw: Callable[[Axes, float], None]
    title: str = ""
    timed: bool = True


@dataclass(frozen=True)
class Mel:
    """A mel (n_mels, T), natural log, with what is drawn on it.

    f0, target_f0: (T,) Hz, 0 where unvoiced.
    """

    title: str
    mel: np.ndarray
    f0: np.ndarray | None = None
    words: Sequence[Span] = ()
    phones: Sequence[Span] = ()
    target_f0: np.ndarray | None = None


def mel_rows(mel: Mel, audio: Audio, inches: float = 1.5, like: np.ndarray | None = None) -> list[Row]:
    """The mel, and below it its words and phones as far as there are any; like: the mel whose colours it shares."""
    colours = mel.mel if like is None else like
    rows = [Row(inches, lambda axes, scale: _draw_mel(axes, mel, audio, colours, _has_room(scale)), mel.title)]
    for spans, size in ((mel.words, 9), (mel.phones, 8)):
        if spans:
            rows.append(Row(0.26, lambda axes, scale, spans=spans, size=size: _draw_spans(axes, spans, size, scale)))
    return rows


def field_rows(field: np.ndarray, name: str, audio: Audio) -> list[Row]:
    """A share (n_mels, T) in [0, 1]: as a picture only where it differs over the rows, as a line where it does not, and
    as a number where it is the same everywhere.
    """
    if np.ptp(field) < _EVEN:
        return [Row(0.02, _draw_nothing, f"{name}: {field.mean():.2g} in every cell", timed=False)]
    if np.ptp(field, axis=0).max() < _EVEN:
        return [Row(0.6, lambda axes, _: _draw_line(axes, field[0], audio), name)]
    return [Row(1.1, lambda axes, _: _draw_field(axes, field, audio), f"{name} (bright: all)")]


def draw(rows: Sequence[Row], seconds: float, title: str = "") -> Figure:
    """One below the other, from 0 to so many seconds."""
    width = min(max(seconds * _INCHES_PER_SECOND, _LEAST_INCHES), _MOST_INCHES)
    last = max(number for number, row in enumerate(rows) if row.timed)
    gaps = [0.06 + (_TITLE_INCHES if row.title else 0) for row in rows]
    for after in [i for i, row in enumerate(rows) if i > 0 and (i == last + 1 or not rows[i - 1].timed)]:
        gaps[after] += _BOTTOM  # for the numbers below the one before
    top = _TOP + (0.2 if title else 0)
    height = top + sum(gaps) + sum(row.inches for row in rows) + _BOTTOM
    figure = Figure(figsize=(_LEFT + width + _RIGHT, height), dpi=DPI)
    FigureCanvasAgg(figure)
    if title:
        left = _LEFT / figure.get_figwidth()
        figure.text(left, 1 - 0.08 / height, shown(title), fontsize=10, va="top", weight="bold", parse_math=False)
    at = height - top
    for number, (row, gap) in enumerate(zip(rows, gaps, strict=True)):
        at -= gap + row.inches
        axes = figure.add_axes((_LEFT / figure.get_figwidth(), at / height, width / figure.get_figwidth(),
                                row.inches / height))  # fmt: skip
        axes.tick_params(labelsize=7)
        row.draw(axes, width / seconds)
        if row.title:
            axes.set_title(shown(row.title), loc="left", fontsize=9, pad=3, parse_math=False)
        if row.timed:
            axes.set_xlim(0, seconds)
            axes.tick_params(axis="x", labelbottom=number == last, bottom=number == last)
            axes.set_xlabel("seconds" if number == last else "", fontsize=8, labelpad=1)
    return figure


def write_picture(path: str | os.PathLike, figure: Figure) -> None:
    """As PNG. Raises InputError if the place cannot be written to."""
    with replacing(path) as temporary:
        temporary.write_bytes(as_png(figure))


def as_png(figure: Figure) -> bytes:
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).quantize(_COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


# ------------------------------------------------------------------------- rows


def _has_room(inches_per_second: float) -> bool:
    """Whether names can be read; a very long text has very many of them, and no room."""
    return inches_per_second >= _INCHES_PER_SECOND


def _draw_mel(axes: Axes, mel: Mel, audio: Audio, like: np.ndarray, with_edges: bool) -> None:
    frame_seconds = audio.hop_length / audio.sample_rate
    low, high = np.percentile(like, [2, 99.8])  # without the floor's long tail
    rows, frames = mel.mel.shape
    axes.imshow(
        mel.mel,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=low,
        vmax=max(high, low + 1e-3),
        extent=(0, frames * frame_seconds, 0, rows),
    )
    for edge in {edge for start, end, _ in mel.phones if with_edges for edge in (start, end)}:
        axes.axvline(edge, color="white", linewidth=0.4, alpha=0.35)
    axes.set_facecolor("0.93")  # beyond the end of a shorter one
    axes.set_ylabel("mel bin", fontsize=8)
    pitch_axes = axes.twinx()
    pitch_axes.set(yscale="log", ylim=(audio.f0_min, audio.f0_max))
    for f0, style in (
        (mel.target_f0, {"color": TARGET_COLOUR, "linestyle": "--", "linewidth": 1.1}),
        (mel.f0, {"color": F0_COLOUR, "linewidth": 1.6}),
    ):
        if f0 is not None:
            centres = (np.arange(len(f0)) + 0.5) * frame_seconds
            pitch_axes.plot(centres, np.where(f0 > 0, f0, np.nan), **style)
    if mel.f0 is None:
        pitch_axes.set_yticks([])
        pitch_axes.yaxis.set_minor_locator(NullLocator())
        return
    pitch_axes.yaxis.set_major_locator(FixedLocator(_TICKS))
    pitch_axes.yaxis.set_major_formatter("{x:g}")
    pitch_axes.yaxis.set_minor_locator(NullLocator())
    pitch_axes.tick_params(labelsize=7)
    pitch_axes.set_ylabel("F0 (Hz)", fontsize=8)


def _draw_spans(axes: Axes, spans: Sequence[Span], size: float, inches_per_second: float) -> None:
    """Each in a box as wide as it lasts; smaller, then upright, where that is too narrow."""
    for start, end, name in spans if _has_room(inches_per_second) else ():
        axes.fill_between([start, end], 0, 1, facecolor="none", edgecolor="0.6", linewidth=0.5)
        room = (end - start) * inches_per_second
        fits = room / (max(len(name), 1) * _LETTER_INCHES)  # the size at which it fits
        upright = fits < 5
        axes.text(
            (start + end) / 2,
            0.5,
            shown(name),
            parse_math=False,
            ha="center",
            va="center",
            fontsize=min(size, 18 / max(len(name), 1)) if upright else min(size, fits),
            rotation=90 if upright else 0,
            clip_on=True,
        )
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_field(axes: Axes, field: np.ndarray, audio: Audio) -> None:
    seconds = field.shape[1] * audio.hop_length / audio.sample_rate
    axes.imshow(
        field, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1, extent=(0, seconds, 0, len(field))
    )
    axes.set_ylabel("mel bin", fontsize=8)


def _draw_line(axes: Axes, share: np.ndarray, audio: Audio) -> None:
    seconds = (np.arange(len(share)) + 0.5) * audio.hop_length / audio.sample_rate
    axes.fill_between(seconds, 0, share, color="#9ec3e6")
    axes.plot(seconds, share, color="#2a6ca8", linewidth=1.2)
    axes.set(ylim=(0, 1.05), yticks=[0, 1])


def _draw_nothing(axes: Axes, _: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
