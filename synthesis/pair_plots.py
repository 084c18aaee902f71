"""Pictures of a two-style run; they need no display."""

from __future__ import annotations

import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from common.errors import InputError, shown
from common.files import replacing
from data.pitch import extract_f0
from model.interpolation.plan import Interpolated
from params import Audio
from synthesis.result import Result
from synthesis.two_styles import Pair

_DPI = 100
_F0_COLOUR = "#ff5ec8"
_TICKS = (50, 100, 200, 400, 800)  # Hz


def plot_pair(path: str | os.PathLike, pair: Pair, kind: int, audio_params: Audio) -> None:
    """Write a PNG: mels of a, b and one interpolation with their F0, a's share, attention mass, what tuning did.

    kind: which of `pair.between`. Only the first piece of a long text has field, mass and tuning.

    Raises:
        InputError: the place cannot be written to.
    """
    done = pair.steps[kind][0]
    mass = _mass_by_site(done)
    extra = [bool(mass), bool(done.history)]
    figure = Figure(figsize=(12, 2.4 * (5 + sum(extra))), layout="constrained")
    axes = list(figure.subplots(5 + sum(extra), 1))
    results = (("a alone", pair.a), ("b alone", pair.b), ("between", pair.between[kind]))
    for row, (title, result) in zip(axes, results, strict=False):
        _draw_mel(row, f"{title}: {result.speaker}, {result.emotion}", result, audio_params)
    seconds = audio_params.hop_length / audio_params.sample_rate
    length = done.synthesis.mel.shape[2]
    field = done.field[0, :, :length].float().cpu().numpy()
    axes[3].imshow(field, origin="lower", aspect="auto", vmin=0, vmax=1, extent=(0, length * seconds, 0, len(field)))
    axes[3].set(title="a's share of the pitch (the mask, or the weight)", ylabel="mel bin")
    alignment = done.synthesis.alignment[0].float().cpu().numpy()
    axes[4].imshow(alignment, origin="lower", aspect="auto", extent=(0, length * seconds, 0, len(alignment)))
    axes[4].set(title="alignment", ylabel="token", xlabel="seconds")
    position = 5
    if mass:
        labels = list(mass)
        axes[position].barh(labels, [mass[label] for label in labels], color="#4878a8")
        axes[position].axvline(0.5, color="black", linewidth=0.8)
        axes[position].set(title="mean attention mass on a, by site and type", xlim=(0, 1))
        position += 1
    if done.history:
        _draw_history(axes[position], done)
    canvas = FigureCanvasAgg(figure)
    try:
        with replacing(path) as temporary:
            canvas.print_figure(temporary, format="png", dpi=_DPI)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another output folder") from error


def _draw_mel(axes: Axes, title: str, result: Result, audio_params: Audio) -> None:
    seconds = audio_params.hop_length / audio_params.sample_rate
    frames = result.mel.shape[1]
    extent = (0, frames * seconds, 0, len(result.mel))
    axes.imshow(result.mel, origin="lower", aspect="auto", interpolation="nearest", extent=extent, cmap="magma")
    f0 = extract_f0(result.audio, audio_params)
    voiced = np.where(f0 > 0, f0, np.nan)
    pitch = axes.twinx()
    pitch.plot((np.arange(len(f0)) + 0.5) * seconds, voiced, color=_F0_COLOUR, linewidth=2)
    pitch.set(ylim=(audio_params.f0_min, audio_params.f0_max), ylabel="F0 (Hz)", yscale="log")
    pitch.yaxis.set_major_locator(FixedLocator(_TICKS))
    pitch.yaxis.set_major_formatter("{x:g}")
    pitch.yaxis.set_minor_locator(NullLocator())
    axes.set_title(shown(title), parse_math=False)
    axes.set(ylabel="mel bin", xlim=extent[:2])


def _draw_history(axes: Axes, done: Interpolated) -> None:
    """Loss over the inner steps of each tuned evaluation, and how far the latent moved."""
    place = 0
    for record in done.history:
        steps = range(place, place + len(record.losses))
        axes.plot(steps, record.losses, marker="o", markersize=3, color="#4878a8")
        axes.annotate(f"t {record.t:.2f}\nmoved {record.moved:.2g}", (place, record.losses[0]), fontsize=7)
        place += len(record.losses)
    axes.set(title="staged: loss over the inner steps, one line for each tuned evaluation", ylabel="loss")


def _mass_by_site(done: Interpolated) -> dict[str, float]:
    return {f"{site} {type_name}": float(mass.mean()) for (site, type_name), mass in done.mass.items()}
