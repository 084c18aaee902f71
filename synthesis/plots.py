"""One picture of a spoken text; needs no display."""

from __future__ import annotations

import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.errors import InputError, shown
from common.files import replacing
from data.pitch import extract_f0
from params import Audio
from synthesis.result import Result
from text.symbols import BLANK, PAUSE, SPACE

_INCHES_PER_SECOND = 2.6  # so that a phone of 50 ms has room for its name
_MIN_INCHES, _MAX_INCHES = 9.0, 240.0
_MARGIN_INCHES = 1.3  # beside the axes
_LETTER_INCHES = 0.0092  # width of a letter, per point of its size
_DPI = 100


def plot_result(path: str | os.PathLike, result: Result, audio_params: Audio) -> None:
    """Write a PNG: the mel with the audio's F0 over it, words and phones where there is room for names, and mu.

    Raises:
        InputError: the place cannot be written to.
    """
    width = min(max(result.seconds * _INCHES_PER_SECOND + _MARGIN_INCHES, _MIN_INCHES), _MAX_INCHES)
    figure = Figure(figsize=(width, 6.4), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    mel_axes, label_axes, mu_axes = figure.subplots(3, 1, sharex=True, height_ratios=(5, 1.1, 3))
    frame_seconds = audio_params.hop_length / audio_params.sample_rate

    title = result.text if len(result.text) <= 80 else f"{result.text[:77]}..."
    title = shown(f"{result.index}: {title}  ({result.speaker}, {result.emotion})")
    mel_axes.set_title(title, loc="left", fontsize=10, parse_math=False)
    _draw_mel(mel_axes, result.mel, "mel", result, frame_seconds)
    _draw_f0(mel_axes, result, audio_params)
    _draw_mel(mu_axes, result.mu, "mu", result, frame_seconds)
    if width < _MAX_INCHES:  # else there is no room for names, of which a long text has very many
        _draw_labels(label_axes, result, frame_seconds, (width - _MARGIN_INCHES) / result.seconds)
        for start, end, _ in symbol_spans(result):
            for axes in (mel_axes, mu_axes):
                for at in (start, end):
                    axes.axvline(at * frame_seconds, color="white", linewidth=0.4, alpha=0.35)
    mu_axes.set_xlabel("seconds")
    mu_axes.set_xlim(0, result.frames * frame_seconds)
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); free space, or choose another output folder"
        ) from error


def symbol_spans(result: Result) -> list[tuple[int, int, str]]:
    """Frames [start, end) of each symbol with the blank after it, and its name; symbols without frames are left out."""
    ends = np.cumsum(result.durations)
    spans: list[tuple[int, int, str]] = []
    for token, duration, end in zip(result.tokens, result.durations, ends, strict=True):
        if token == BLANK and spans:
            spans[-1] = (spans[-1][0], int(end), spans[-1][2])
        else:
            spans.append((int(end - duration), int(end), "" if token == BLANK else token.removeprefix("@")))
    return [span for span in spans if span[1] > span[0]]


def word_spans(result: Result) -> list[tuple[int, int, str]]:
    """Frames [start, end) of each word, without the marks after it; words without frames are left out."""
    ends = np.cumsum(result.durations)
    starts = ends - result.durations
    word_of = np.array(result.word_of)
    spans = []
    for i, word in enumerate(result.words):
        tokens = np.nonzero(word_of == i)[0]
        if len(tokens) and ends[tokens[-1]] > starts[tokens[0]]:
            spans.append((int(starts[tokens[0]]), int(ends[tokens[-1]]), word))
    return spans


def _draw_mel(axes: Axes, mel: np.ndarray, name: str, result: Result, frame_seconds: float) -> None:
    # One scale for mel and mu, without the floor's long tail.
    low, high = np.percentile(result.mel, [2, 99.8])
    axes.imshow(
        mel,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=low,
        vmax=max(high, low + 1e-3),
        extent=(0, mel.shape[1] * frame_seconds, 0, mel.shape[0]),
    )
    axes.set_ylabel(f"{name} bin")


def _draw_f0(axes: Axes, result: Result, audio_params: Audio) -> None:
    f0 = extract_f0(result.audio, audio_params)
    seconds = (np.arange(len(f0)) + 0.5) * audio_params.hop_length / audio_params.sample_rate
    pitch_axes = axes.twinx()
    pitch_axes.plot(seconds, np.where(f0 > 0, f0, np.nan), color="cyan", linewidth=1.4)
    pitch_axes.set_ylim(audio_params.f0_min, audio_params.f0_max)
    pitch_axes.set_ylabel("F0 (Hz)", color="teal")
    pitch_axes.tick_params(colors="teal")


def _draw_labels(axes: Axes, result: Result, frame_seconds: float, inches_per_second: float) -> None:
    """Words above phones, each in a box as wide as it lasts, upright where that is too narrow."""
    for spans, bottom, size in ((word_spans(result), 1, 9), (symbol_spans(result), 0, 8)):
        for start, end, name in spans:
            edges = np.array([start, end]) * frame_seconds
            axes.fill_between(edges, bottom, bottom + 1, facecolor="none", edgecolor="0.6", linewidth=0.5)
            narrow = (edges[1] - edges[0]) * inches_per_second < len(name) * size * _LETTER_INCHES
            axes.text(
                edges.mean(),
                bottom + 0.5,
                "" if name in (SPACE, PAUSE) else name,
                ha="center",
                va="center",
                fontsize=min(size, 24 / max(len(name), 1)) if narrow else size,
                rotation=90 if narrow else 0,
                clip_on=True,
            )
    axes.set_ylim(0, 2)
    axes.set_yticks([0.5, 1.5], ["phones", "words"])
