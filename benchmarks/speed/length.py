"""Cost against the length of the audio, from 1 to 120 seconds: a line, if nothing grows faster than the audio does."""

from __future__ import annotations

import numpy as np

from speed.in_turn import seconds_in_turn
from speed.outcome import Outcome, Row, Settings
from speed.texts import long_text
from synthesis.synthesiser import load_model

LENGTHS = (1, 2, 4, 8, 15, 30, 60, 90, 120)  # seconds, about
MIDDLE = 30  # the slopes below and above it are compared


def run(settings: Settings) -> Outcome:
    box = load_model(settings.checkpoint, device="cpu", precision="auto")
    options = box.options()
    texts = [long_text(length) for length in (LENGTHS[:4] if settings.quick else LENGTHS)]
    audio = np.array([result.seconds for result in box.synthesise_each(texts, options)])
    sides = {str(i): (lambda text=text: list(box.synthesise_each([text], options))) for i, text in enumerate(texts)}
    times = seconds_in_turn(sides, settings.repeats, warm_up=0)
    cost = np.array([times[str(i)] for i in range(len(texts))])
    middle = audio[len(audio) // 2] if settings.quick else MIDDLE
    short, long = audio <= middle * 1.2, audio >= middle * 0.8
    below, above = (np.polyfit(audio[part], cost[part], 1)[0] for part in (short, long))
    change = abs(above / below - 1)
    outcome = Outcome([Row(f"cost against length: change of slope at {MIDDLE} s", change, 0.2, 0.2, "", False)])
    outcome.data = {"audio_seconds": audio.tolist(), "seconds": cost.tolist(), "slopes": [below, above]}
    outcome.lines = [f"  {a:6.1f} s of audio: {c:6.2f} s" for a, c in zip(audio, cost, strict=True)]
    if not settings.quick:
        outcome.lines.append(f"  plot: {_plot(settings, audio, cost)}")
    return outcome


def _plot(settings: Settings, audio: np.ndarray, cost: np.ndarray) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    slope, offset = np.polyfit(audio, cost, 1)
    axes.plot(audio, cost, "o", color="tab:blue")
    axes.plot(audio, slope * audio + offset, color="tab:grey", label=f"{slope:.3f} s a second of audio")
    axes.set_xlabel("audio, seconds")
    axes.set_ylabel("text to wav, seconds")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend()
    path = settings.out / "length.png"
    figure.savefig(path, dpi=120)
    return str(path)
