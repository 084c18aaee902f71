"""What a benchmark is given, how it takes the time, and what it says."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Linux counts a parent's peak as its child's (it forks, then executes), so the child is started by a small process.
_WATCH = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, 1, 0)])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def peak_gigabytes(command: list[str]) -> float:
    """The most memory that a command has. Raises subprocess.CalledProcessError if it fails."""
    watched = [sys.executable, "-S", "-c", _WATCH, *command]
    return int(subprocess.run(watched, stdout=subprocess.PIPE, check=True).stdout) / 1e9


def own_peak_gigabytes() -> float:
    """The most memory that this process has had; of the kernel's two numbers the one without its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise LookupError("the kernel does not say how much memory a process had")


@dataclass(frozen=True)
class Settings:
    """checkpoint: the default model; official: a trained model of the official architecture; solvers: tuned ones of it.

    filelist: to train on. recordings: a filelist of some, for the vocoders. quick: sizes that only show that everything
    runs. repeats: of each side, in turn. out: folder for files.
    """

    checkpoint: str
    official: str
    solvers: tuple[str, ...]
    filelist: str
    recordings: str | None
    threads: int
    repeats: int
    quick: bool
    out: Path


@dataclass(frozen=True)
class Row:
    """A line of the table. higher: whether more is better; floor, goal: what is asked for."""

    what: str
    value: float
    floor: float
    goal: float
    unit: str = "x"
    higher: bool = True

    @property
    def verdict(self) -> str:
        sign = 1 if self.higher else -1
        if sign * self.value >= sign * self.goal:
            return "goal"
        return "floor" if sign * self.value >= sign * self.floor else "missed"


@dataclass
class Outcome:
    """rows: of the table; lines: what explains them; data: all that was measured, for the JSON file."""

    rows: list[Row] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        return bool(self.rows or self.data)

    def to_dict(self) -> dict[str, Any]:
        return {"rows": [{**asdict(row), "verdict": row.verdict} for row in self.rows], **self.data}


def seconds_in_turn(
    sides: Mapping[str, Callable[[], Any]], repeats: int, warm_up: int = 1, seed: int = 0
) -> dict[str, float]:
    """Median seconds of a call of every side; in each repeat every side runs once, in an order that changes.

    All are in one process and in turn, so that what else the machine does treats all alike.
    """
    order = random.Random(seed)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(warm_up + repeats):
        for name in order.sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[name]()
            if repeat >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}
