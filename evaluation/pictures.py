"""Small pictures of a clip, as PNG bytes; no display is needed."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from evaluation.speech import Speech
from params import Audio

_INCHES_PER_SECOND, _LEAST, _MOST = 1.5, 3.2, 14.0
_COLOURS = 64  # of the picture's palette: a quarter of the size


def draw_clip(
    speech: Speech, audio_params: Audio, target_f0: np.ndarray | None = None, mask: np.ndarray | None = None
) -> bytes:
    """The mel; over it F0 (cyan), the contour it should follow (white, dashed) and the edge of a mask (green).

    target_f0: (T,) Hz. mask: (n_mels, T') in [0, 1], drawn where it crosses one half.
    """
    frame_seconds = audio_params.hop_length / audio_params.sample_rate
    seconds = speech.frames * frame_seconds
    figure, axes = _axes(seconds)
    low, high = np.percentile(speech.mel, [2, 99.8])
    rows = speech.mel.shape[0]
    axes.imshow(
        speech.mel,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=low,
        vmax=max(high, low + 1e-3),
        extent=(0, seconds, 0, rows),
    )
    if mask is not None and mask.min() < 0.5 < mask.max():
        x = (np.arange(mask.shape[1]) + 0.5) * frame_seconds
        y = (np.arange(mask.shape[0]) + 0.5) * rows / mask.shape[0]
        axes.contour(x, y, mask, levels=[0.5], colors="lime", linewidths=0.6)
    axes.set_ylabel("mel bin", fontsize=7)
    pitch_axes = axes.twinx()
    centres = (np.arange(speech.frames) + 0.5) * frame_seconds
    if target_f0 is not None:
        pitch_axes.plot(centres, np.where(target_f0 > 0, target_f0, np.nan), "--", color="white", linewidth=1.0)
    pitch_axes.plot(centres, np.where(speech.f0 > 0, speech.f0, np.nan), color="cyan", linewidth=1.3)
    pitch_axes.set_ylim(audio_params.f0_min, audio_params.f0_max)
    pitch_axes.set_ylabel("F0 (Hz)", fontsize=7)
    pitch_axes.tick_params(labelsize=6)
    axes.set_xlim(0, seconds)
    return _png(figure)


def draw_mask(mask: np.ndarray, audio_params: Audio) -> bytes:
    """(n_mels, T) in [0, 1]."""
    seconds = mask.shape[1] * audio_params.hop_length / audio_params.sample_rate
    figure, axes = _axes(seconds)
    axes.imshow(mask, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1, extent=(0, seconds, 0, len(mask)))
    axes.set_ylabel("mel bin", fontsize=7)
    return _png(figure)


def _axes(seconds: float):
    width = min(max(seconds * _INCHES_PER_SECOND, _LEAST), _MOST)
    figure = Figure(figsize=(width, 1.9), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.tick_params(labelsize=6)
    return figure, axes


def _png(figure: Figure) -> bytes:
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).quantize(_COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()
