"""Mutants against their tests, a forked process for each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path

from tests.mutation.child import FAILED, INTERRUPTED, OUTPUT, PASSED, run_tests
from tests.mutation.mutant import Mutant

_FORK = multiprocessing.get_context("fork")


@dataclass
class _Run:
    mutant: Mutant
    process: multiprocessing.process.BaseProcess
    workspace: Path
    deadline: float


def unchanged_seconds(root: Path, mutant: Mutant) -> float:
    """How long the tests of a mutant take, set up in the same way, where nothing is changed.

    Raises RuntimeError, with what they print, if they do not pass then.
    """
    unchanged = replace(mutant, source=(root / mutant.path).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run = _started(root, unchanged, Path(folder), float("inf"))
        run.process.join()
        if run.process.exitcode != PASSED:
            raise RuntimeError(f"without any change, {' '.join(mutant.tests)} do not pass:\n{_output(run)}")
    return time.monotonic() - began


def run_mutants(
    root: Path, mutants: Iterable[Mutant], seconds: Callable[[Mutant], float], jobs: int = 1
) -> Iterator[tuple[Mutant, bool]]:
    """(mutant, whether its tests noticed it), as they end. Tests that crash, or are not done in time, have noticed.

    seconds: how long the tests of a mutant may take.
    Raises RuntimeError if a test run ends in any other way, such as a mutant that does not compile.
    """
    waiting = iter(mutants)
    running: list[_Run] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            while True:
                while len(running) < jobs and (mutant := next(waiting, None)) is not None:
                    deadline = time.monotonic() + seconds(mutant)
                    running.append(_started(root, mutant, Path(tempfile.mkdtemp(dir=folder)), deadline))
                if not running:
                    return
                soonest = min(run.deadline for run in running)
                wait([run.process.sentinel for run in running], max(0.0, soonest - time.monotonic()))
                for run in list(running):
                    if run.process.is_alive() and time.monotonic() < run.deadline:
                        continue
                    running.remove(run)
                    yield run.mutant, _noticed(run)
        finally:
            for run in running:
                _end(run)


def _started(root: Path, mutant: Mutant, workspace: Path, deadline: float) -> _Run:
    process = _FORK.Process(target=run_tests, args=(root, mutant, workspace))
    process.start()
    return _Run(mutant, process, workspace, deadline)


def _noticed(run: _Run) -> bool:
    timed_out = run.process.is_alive()
    try:
        if timed_out or run.process.exitcode < 0 or run.process.exitcode in (FAILED, INTERRUPTED):
            return True
        if run.process.exitcode == PASSED:
            return False
        raise RuntimeError(f"the tests could not be run for {run.mutant}:\n{_output(run)}")
    finally:
        _end(run)


def _end(run: _Run) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.process.pid, signal.SIGKILL)
    run.process.join()
    shutil.rmtree(run.workspace, ignore_errors=True)


def _output(run: _Run) -> str:
    return (run.workspace / OUTPUT).read_text(encoding="utf-8", errors="replace")[-4000:]
