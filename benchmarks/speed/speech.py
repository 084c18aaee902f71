"""The default model from text to wav: its speed by backend, steps and length, from a cold start, and its memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from torch import nn

from common.device import has_bfloat16
from common.errors import InputError
from data.filelist import read_texts
from data.model_file import load_checkpoint
from data.splitting import read_sentences
from hifigan import Vocoder, load_vocoder, quickest, vocode
from speed.outcome import Outcome, Row, Settings, peak_gigabytes, seconds_in_turn
from synthesis.backends.choice import choose_backend
from synthesis.backends.graph_modules import GraphVocoder, session_opener
from synthesis.synthesiser import VOCODER_CHUNK, Synthesiser, load_model

TEXTS = "resources/filelists/synthesis.txt"
HELD_OUT = "resources/texts/held_out.txt"
MANY_STEPS = 50
HELD_OUT_SENTENCES = 20  # that both numbers of steps speak
MANY_TEXTS = 200
LENGTHS = (1, 2, 4, 8, 15, 30, 60, 90, 120)  # seconds, about
MIDDLE = 30  # seconds; the slopes below and above it are compared
MEMORY_SECONDS = 60  # of the text whose peak memory is taken
FIVE_WORDS = "Good evening to you all."
SENTENCES = (
    "Yes.",
    "The evening light lies softly on the quiet water.",
    "Would you like to walk with me along the river before it gets dark?",
    "My father bought a small blue boat that year, and learned to sail it on the bay behind our house.",
    "Nobody had told him that the wind would turn, and so he came home late, wet and very happy.",
)
_CHARS_PER_SECOND = 15  # of speech, about


def backends(settings: Settings) -> Outcome:
    """From text to wav: real-time factor by backend and precision."""
    outcome, boxes = Outcome(), {}
    for backend, precision in (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "bf16")):
        if precision == "bf16" and not has_bfloat16(torch.device("cpu")):
            continue
        try:
            boxes[f"{backend} {precision}"] = load_model(
                settings.checkpoint, device="cpu", backend=backend, precision=precision, graphs=settings.out / "graphs"
            )
        except InputError as error:
            outcome.lines.append(f"  without {backend}: {error}")
    texts = read_texts(TEXTS)[: 1 if settings.quick else None]

    def speak(box: Synthesiser) -> list:
        return list(box.synthesise_each(texts, box.options()))

    results = {name: speak(box) for name, box in boxes.items()}
    audio = sum(result.seconds for result in results["torch fp32"])
    times = seconds_in_turn({name: (lambda box=box: speak(box)) for name, box in boxes.items()}, settings.repeats)
    for name, value in times.items():
        first = sum(result.mel_seconds + result.vocoder_seconds for result in results[name])
        change = max(
            float(abs(a.mel - b.mel).mean()) for a, b in zip(results[name], results["torch fp32"], strict=True)
        )
        outcome.data[name] = {"rtf": value / audio, "first_rtf": first / audio, "mean_mel_change": change}
        outcome.lines.append(f"  {name}: RTF {value / audio:.3f} (the first time {first / audio:.3f})")
    best = min(times, key=times.get)
    outcome.rows = [Row(f"default model, text to wav, {best}: RTF", times[best] / audio, 0.35, 0.2, "", False)]
    return outcome


class _ByTorch(nn.Module):
    """A vocoder by torch's own layers, also where the project has something faster."""

    def __init__(self, generator: Vocoder) -> None:
        super().__init__()
        self.generator, self.config, self.context = generator, generator.config, generator.context

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return self.generator(mel)


def vocoder(settings: Settings) -> Outcome:
    """V1 as it is run by default, against torch's layers and an OpenVINO graph: alone, and from text to wav."""
    cpu, outcome = torch.device("cpu"), Outcome()
    loaded, precision = load_checkpoint(settings.checkpoint), "bf16" if has_bfloat16(cpu) else "fp32"
    universal = load_vocoder(expect=loaded.params.audio)
    ours = quickest(universal, cpu, precision)
    if ours is universal:
        raise InputError("the kernels are not built, or not for this processor: V1 is run by torch's layers")
    texts = read_texts(TEXTS)[: 1 if settings.quick else None]

    def box(generator: Vocoder, graph: bool = False) -> Synthesiser:
        made = Synthesiser(load_checkpoint(settings.checkpoint), generator, cpu, precision)
        if graph:
            made.use_graphs("openvino", settings.out / "graphs")
        return made

    boxes = {"torch": (box(_ByTorch(universal)), box(universal))}
    vocoders = {"ours": ours, "torch": universal}
    try:
        opener = session_opener(choose_backend("openvino", cpu, precision))
        boxes["OpenVINO"] = box(_ByTorch(universal), True), box(universal, True)
        vocoders["OpenVINO"] = GraphVocoder(universal, settings.out / "graphs", opener, precision)
    except InputError as error:
        outcome.lines.append(f"  without OpenVINO: {error}")
    results = list(boxes["torch"][1].synthesise_each(texts, boxes["torch"][1].options()))
    mels = [torch.from_numpy(result.mel) for result in results]
    audio = sum(result.seconds for result in results)

    def alone(generator: Vocoder) -> None:
        for mel in mels:
            vocode(generator, mel, chunk_frames=VOCODER_CHUNK, precision=precision)

    alone_times = seconds_in_turn(
        {name: (lambda generator=generator: alone(generator)) for name, generator in vocoders.items()}, settings.repeats
    )
    sides = {f"{name} {i}": pair[i] for name, pair in boxes.items() for i in range(2)}
    times = seconds_in_turn(
        {name: (lambda box=box: list(box.synthesise_each(texts, box.options()))) for name, box in sides.items()},
        settings.repeats,
    )
    outcome.data = {"vocoder": alone_times, "text_to_wav": times, "audio_seconds": audio}
    for name in boxes:
        ratio, whole = alone_times[name] / alone_times["ours"], times[f"{name} 0"] / times[f"{name} 1"]
        outcome.rows.append(Row(f"vocoder, time of V1 by {name} over the default's", ratio, 2.5, 5))
        outcome.rows.append(Row(f"text to wav, {name}: time with V1 by {name} over the default's", whole, 1.7, 2.5))
    outcome.lines += [f"  {name}: RTF {value / audio:.3f}" for name, value in (*alone_times.items(), *times.items())]
    return outcome


def steps(settings: Settings) -> Outcome:
    """From text to wav: the default number of steps against 50, with the quality of both."""
    box = load_model(settings.checkpoint, device="cpu", precision="auto")
    few = box.params.inference.steps
    many = few + 1 if settings.quick else MANY_STEPS
    texts = read_texts(TEXTS)[: 1 if settings.quick else None]
    sides = {
        str(steps): lambda steps=steps: list(box.synthesise_each(texts, box.options(steps=steps)))
        for steps in (few, many)
    }
    times = seconds_in_turn(sides, settings.repeats)
    ratio = times[str(many)] / times[str(few)]
    outcome = Outcome([Row(f"default model, text to wav, {few} steps: time ratio to {many}", ratio, 8, 12)])
    outcome.data = {"seconds": times}
    if not settings.quick:
        outcome.lines = _quality(settings, few, many)
    return outcome


def _quality(settings: Settings, few: int, many: int) -> list[str]:
    """evaluate.py's table of the first held-out sentences, spoken with both numbers of steps."""
    texts = _held_out(settings, HELD_OUT_SENTENCES)
    runs = {steps: settings.out / f"steps_{steps}" for steps in (few, many)}
    for steps, folder in runs.items():
        _call("inference.py", "-f", texts, "-c", settings.checkpoint, "-t", steps, "-o", folder, "--device", "cpu")
    return _call("evaluate.py", runs[few], "--baseline", runs[many], "--asr", "base").splitlines()


def many_texts(settings: Settings) -> Outcome:
    """A long list spoken by inference.py: two workers against one process, starts included."""
    texts = _held_out(settings, 4 if settings.quick else MANY_TEXTS)

    def speak(workers: int) -> None:
        arguments = ["-f", texts, "-c", settings.checkpoint, "-o", settings.out / f"workers_{workers}"]
        arguments += ["--device", "cpu", "--threads", max(settings.threads // workers, 1)]
        _call("inference.py", *arguments, "--workers", workers)

    # Minutes each, so what comes and goes weighs little, and each is measured twice.
    seconds = seconds_in_turn({"1": lambda: speak(1), "2": lambda: speak(2)}, min(settings.repeats, 2), warm_up=0)
    ratio = seconds["1"] / seconds["2"]
    outcome = Outcome([Row("many texts, time of one process over that of two workers", ratio, 1.1, 1.5)])
    outcome.data = {"seconds": seconds}
    outcome.lines = [f"  --workers {workers}: {value:.1f} s" for workers, value in seconds.items()]
    return outcome


def _held_out(settings: Settings, count: int) -> Path:
    """A file of so many held-out sentences; where there are fewer, from the first one again."""
    texts = settings.out / "held_out.txt"
    sentences = islice(cycle(read_sentences(HELD_OUT)), count)
    texts.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return texts


def _call(script: str, *arguments: object) -> str:
    command = [sys.executable, script, *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError((done.stderr.strip().splitlines() or [f"{script} ended with {done.returncode}"])[-1])
    return done.stdout


def length(settings: Settings) -> Outcome:
    """Cost against the length of the audio: a line, if nothing grows faster than the audio does."""
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


def cold_start(settings: Settings) -> Outcome:
    """From the start of a process to the first audio of a text of five words."""
    text = settings.out / "five_words.txt"
    text.write_text(FIVE_WORDS + "\n", encoding="utf-8")
    command = [sys.executable, "inference.py", "-f", text, "-c", settings.checkpoint, "-o", settings.out / "cold"]
    command += ["--stream", "--device", "cpu", "--threads", settings.threads]
    times = [_first_audio([str(part) for part in command]) for _ in range(settings.repeats)]
    outcome = Outcome([Row("process start to first audio of 5 words", statistics.median(times), 6, 3, "s", False)])
    outcome.data = {"seconds": times}
    each = ", ".join(f"{value:.2f}" for value in times)
    outcome.lines = [f"  each: {each} s; the files may be in memory after the first"]
    return outcome


def _first_audio(command: list[str]) -> float:
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if line.startswith("first audio"):
                seconds = time.perf_counter() - start
                process.stdout.read()
                return seconds
    raise InputError("inference.py ended without audio; run it by itself to see why")


def memory(settings: Settings) -> Outcome:
    """Peak memory of inference.py on a text of about 60 seconds, by backend."""
    outcome, peaks = Outcome(), {}
    text = settings.out / "long.txt"
    text.write_text(long_text(5 if settings.quick else MEMORY_SECONDS) + "\n", encoding="utf-8")
    for backend in ("torch",) if settings.quick else ("torch", "auto"):
        folder = settings.out / f"memory_{backend}"
        command = [sys.executable, "inference.py", "-f", text, "-c", settings.checkpoint, "-o", folder]
        command += ["--backend", backend, "--device", "cpu", "--threads", settings.threads]
        peaks[backend] = _peak([str(part) for part in command])
        (result,) = json.loads((folder / "report.json").read_text(encoding="utf-8"))["results"]
        outcome.lines.append(f"  {backend}: {peaks[backend]:.2f} GB for {result['seconds']:.0f} s of audio")
    outcome.data = {"gigabytes": peaks}
    outcome.rows = [Row("peak memory for a 60 s text", peaks["torch"], 2, 1, "GB", False)]
    return outcome


def _peak(command: list[str]) -> float:
    """Gigabytes that a process had at most. Raises InputError if it fails."""
    try:
        return peak_gigabytes(command)
    except subprocess.CalledProcessError as error:
        raise InputError(f"inference.py ended with {error.returncode}; run it by itself to see why") from error


def long_text(seconds: float) -> str:
    """Sentences of about so many seconds in all; what is left at the end is cut to whole words."""
    wanted, text, number = seconds * _CHARS_PER_SECOND, "", 1
    while len(text) < wanted:
        text = f"{text} {SENTENCES[number % len(SENTENCES)]}".strip()
        number += 1
    cut = text[: round(wanted)].rsplit(" ", 1)[0].rstrip(",.")
    return f"{cut}."
