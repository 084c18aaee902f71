"""What the pitch reader saw before every evaluation, as a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from data.pitch import extract_f0
from model.interpolation.pitch_reading import ReadField
from model.interpolation.plan import Interpolated
from params import Audio
from synthesis.pictures import write_picture
from synthesis.two_styles import Pair

_MASS_COLOURS = colormaps["PuOr_r"].resampled(11)  # few, for a small file
_TICKS = (50, 100, 200, 400, 800)  # Hz
_MOST_SHOWN = 8  # evaluations, spread over all


def plot_readings(path: str | os.PathLike, pair: Pair, kinds: Mapping[str, int], audio_params: Audio) -> None:
    """Write a PNG: what the pitch reader saw before evaluations, and the F0 of a, b and what came out.

    kinds: by name, which of `pair.between`; all have asked the reader, and equally often.

    Raises:
        InputError: the place cannot be written to.
    """
    runs = {name: pair.steps[kind][0] for name, kind in kinds.items()}
    count = len(next(iter(runs.values())).read)
    shown = np.linspace(0, count - 1, min(count, _MOST_SHOWN)).round().astype(int)
    figure = Figure(figsize=(13, 1.5 * len(runs) + 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, height_ratios=(1.5 * len(runs), 3.0))
    seconds = audio_params.hop_length / audio_params.sample_rate
    cells = above.subplots(len(runs), len(shown), sharex=True, sharey=True, squeeze=False)
    for row, (name, done) in zip(cells, runs.items(), strict=True):
        length = done.synthesis.mel.shape[2]
        cells_shown = {"origin": "lower", "aspect": "auto", "extent": (0, length * seconds, 0, done.field.shape[1])}
        for axes, number in zip(row, shown, strict=True):
            read = done.read[number]
            mass = read.mass[0, :, :length].float().cpu().numpy()
            drawn = axes.imshow(mass, _MASS_COLOURS, vmin=0, vmax=1, interpolation="nearest", **cells_shown)
            axes.set_title(f"{number + 1}: t {read.t:.3f}, mean {_mean_voiced(done, read):.2f}", fontsize=8)
        row[0].set_ylabel(f"{name}\nmel bin", fontsize=8)
    above.colorbar(drawn, ax=cells, label=f"m_{pair.lead}")
    _draw_contours(below.subplots(), pair, kinds, audio_params)
    write_picture(path, figure)


def _mean_voiced(done: Interpolated, read: ReadField) -> float:
    """a's part of the voiced frames."""
    voiced = done.plan.style_b.voicing[0] > 0.5  # (T,)
    return float(read.by_frame[0][voiced].mean())


def _draw_contours(axes: Axes, pair: Pair, kinds: Mapping[str, int], audio_params: Audio) -> None:
    """F0 of both styles at the follower's frames, as they were asked for, and of the sound that came out."""
    seconds = audio_params.hop_length / audio_params.sample_rate
    plan = pair.steps[next(iter(kinds.values()))][0].plan
    for name, style, colour in ((pair.lead, plan.style_a, "#b35806"), (pair.follows, plan.style_b, "#542788")):
        log_f0, voicing = (values[0].float().cpu().numpy() for values in (style.log_f0, style.voicing))
        times = (np.arange(len(log_f0)) + 0.5) * seconds
        axes.plot(
            times, np.where(voicing > 0.5, np.exp(log_f0), np.nan), color=colour, linewidth=4, alpha=0.45, label=name
        )
    for (name, kind), line in zip(kinds.items(), cycle(("-", "--", ":", "-.")), strict=False):
        f0 = extract_f0(pair.between[kind].audio, audio_params)
        times = (np.arange(len(f0)) + 0.5) * seconds
        axes.plot(times, np.where(f0 > 0, f0, np.nan), line, color="black", linewidth=1.2, label=name)
    axes.set(xlabel="seconds", ylabel="F0 (Hz)", yscale="log")
    axes.yaxis.set_major_locator(FixedLocator(_TICKS))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(loc="upper right", ncols=5, fontsize=8)
