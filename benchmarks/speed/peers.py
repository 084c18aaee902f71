"""The default model beside other systems, from text to wav: real-time factor, time to first audio, memory.

Every system is a process of its own (`speed/peer_speech.py`), and they speak the same texts in turn with the same
number of threads.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from common.errors import InputError
from data.filelist import read_texts
from speed.outcome import Outcome, Row, Settings
from speed.peer import ROOT

TEXTS = "resources/filelists/synthesis.txt"
LONG = 10  # seconds of the text whose first audio is taken, about
MOST_REPEATS = 3  # of a round, which lasts about a minute and a half
SYSTEMS = {
    "default model, torch": "its own evaluations, V1; the long sentence streamed",
    "default model, OpenVINO": "the same",
    "Matcha-TTS, 4 steps": "its own code and size, 18.2 million random weights, float32, our frame counts; V1 by torch",
    "Matcha-TTS, 10 steps": "the same",
    "Matcha-TTS, 4 steps, own V1": "the same; V1 by its own code too, in float32, as its command line speaks",
    "Matcha-TTS, 4 steps, V1 as here": "the same; the vocoder as this project runs it",
    "official Grad-TTS, 10 steps": "its own code and size, random weights, float32, our frame counts; our V1 by torch",
    "Kokoro-82M, int8": "the whole packaged graph, with its own durations and its own vocoder",
}
OURS = "default model, torch"
THEIRS = ("Matcha-TTS, 4 steps", "Matcha-TTS, 4 steps, own V1", "Matcha-TTS, 4 steps, V1 as here")


def peers(settings: Settings) -> Outcome:
    plan = _plan(settings)
    path = settings.out / "peers.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    outcome, systems = Outcome(), {}
    for name in SYSTEMS:
        try:
            systems[name] = _System(name, path)
        except InputError as error:
            if name == OURS:
                raise
            outcome.lines.append(f"  without {name}: {error}")
    rounds: dict[str, list[np.ndarray]] = {name: [] for name in systems}
    order = random.Random(0)
    for repeat in range(1 + min(settings.repeats, MOST_REPEATS)):
        for name in order.sample(list(systems), len(systems)):
            times = np.array(systems[name].speak())  # (texts, 3)
            if repeat:  # the first is the warm-up
                rounds[name].append(times)
    for name, system in systems.items():
        gigabytes, times = system.end(), np.median(rounds[name], 0)  # of the rounds
        rtf = times[:-1, 1].sum() / times[:-1, 2].sum()
        first, whole, _ = times[-1]
        outcome.data[name] = {"rtf": rtf, "first_audio": first, "whole": whole, "gigabytes": gigabytes}
        outcome.lines.append(f"  {name}: RTF {rtf:.3f}; {gigabytes:.2f} GB ({SYSTEMS[name]})")
        outcome.lines.append(
            f"    {LONG} s in one sentence: first audio after {first:.2f} s, all of it after {whole:.2f}"
        )
    for name in filter(systems.__contains__, THEIRS):
        ratio = outcome.data[name]["rtf"] / outcome.data[OURS]["rtf"]
        outcome.rows.append(Row(f"RTF of {name} over that of the {OURS}", ratio, 1, 2))
    share = outcome.data[OURS]["first_audio"] / outcome.data[OURS]["whole"]
    outcome.rows.append(Row(f"first audio of {LONG} s, share of the time to all of it", share, 1 / 3, 0.1, "", False))
    return outcome


def _plan(settings: Settings) -> dict[str, Any]:
    """The texts, a long one last, with the tokens and frames that the default model has for them."""
    from data.generator.phones import kokoro_groups
    from speed.speech import long_text
    from synthesis.synthesiser import load_model

    synthesiser = load_model(settings.checkpoint, device="cpu", precision="auto")
    speaker = synthesiser.speakers[0]
    texts = [line.text for line in read_texts(TEXTS)]
    found = []
    long = _sentence(long_text(3 if settings.quick else LONG))
    for text in (*texts[: 1 if settings.quick else None], long):
        (request,) = synthesiser.requests([text], speaker, None, None)
        (result,) = synthesiser.synthesise([text], speaker=speaker)
        (encoded,) = request.encoded
        symbols = encoded.symbols[1::2]  # without blanks
        found.append(
            {
                "text": text,
                "speaker": speaker,
                "streamed": text == long,
                "ids": encoded.ids,
                "durations": result.durations.tolist(),
                "characters": "".join(kokoro_groups(symbols, british=False)),
            }
        )
    return {
        "threads": settings.threads,
        "precision": synthesiser.precision,
        "checkpoint": settings.checkpoint,
        "graphs": str(settings.out / "graphs"),
        "texts": found,
    }


def _sentence(text: str) -> str:
    """The text as one sentence."""
    return text.replace(". ", ", ").replace("? ", ", ")


class _System:
    """A process that speaks the plan's texts whenever it is asked.

    Raises InputError if it cannot.
    """

    def __init__(self, name: str, plan: Path) -> None:
        self._errors = TemporaryFile("w+")  # noqa: SIM115, as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "speed.peer_speech", name, str(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")},
        )
        self._answer()

    def speak(self) -> list[tuple[float, float, float]]:
        """By text: seconds to its first audio, to its last, and of audio."""
        print(file=self._process.stdin, flush=True)
        return json.loads(self._answer())

    def end(self) -> float:
        """Its peak memory in GB."""
        self._process.stdin.close()
        gigabytes = float(self._answer())
        self._process.wait()
        return gigabytes

    def _answer(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise InputError((self._errors.read().strip().splitlines() or ["it ended without a word"])[-1])
        return line
