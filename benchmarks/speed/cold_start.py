"""From the start of a process to the first audio of a text of five words."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from common.errors import InputError
from speed.outcome import Outcome, Row, Settings

TEXT = "Good evening to you all."


def run(settings: Settings) -> Outcome:
    text = settings.out / "five_words.txt"
    text.write_text(TEXT + "\n", encoding="utf-8")
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
