"""Peak memory of inference.py on a text of about 60 seconds, by backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from common.errors import InputError
from speed.outcome import Outcome, Row, Settings
from speed.texts import long_text

SECONDS = 60


def run(settings: Settings) -> Outcome:
    outcome, peaks = Outcome(), {}
    text = settings.out / "long.txt"
    text.write_text(long_text(5 if settings.quick else SECONDS) + "\n", encoding="utf-8")
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
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"inference.py ended with {process.returncode}; run it by itself to see why")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return usage.ru_maxrss * unit / 1e9
