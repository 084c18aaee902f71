"""Both sides of a comparison in one process, in turn, so that what else the machine does treats all alike."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def seconds_in_turn(
    sides: Mapping[str, Callable[[], Any]], repeats: int, warm_up: int = 1, seed: int = 0
) -> dict[str, float]:
    """Median seconds of a call of every side; in each repeat every side runs once, in an order that changes."""
    order = random.Random(seed)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(warm_up + repeats):
        for name in order.sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[name]()
            if repeat >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}
