"""Mutants against their tests, a forked process for each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from tests.mutation.child import FAILED, INTERRUPTED, PASSED, run_tests
from tests.mutation.mutant import Mutant

_FORK = multiprocessing.get_context("fork")
_BUILD_SECONDS = 600  # for a compiled mutant, besides its tests


@dataclass
class _Run:
    mutant: Mutant
    process: multiprocessing.process.BaseProcess
    workspace: Path
    deadline: float


def unchanged_seconds(root: Path, tests: Sequence[str]) -> float:
    """How long the tests take where nothing is changed.

    Raises RuntimeError if they do not pass then.
    """
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        process = _FORK.Process(target=run_tests, args=(root, None, tests, Path(folder)))
        process.start()
        process.join()
    if process.exitcode != PASSED:
        raise RuntimeError(f"without any change, {' '.join(tests)} end with exit status {process.exitcode}")
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
                    running.append(_started(root, mutant, Path(tempfile.mkdtemp(dir=folder)), seconds(mutant)))
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


def _started(root: Path, mutant: Mutant, workspace: Path, seconds: float) -> _Run:
    process = _FORK.Process(target=run_tests, args=(root, mutant, mutant.tests, workspace))
    process.start()
    return _Run(mutant, process, workspace, time.monotonic() + seconds + _BUILD_SECONDS * mutant.compiled)


def _noticed(run: _Run) -> bool:
    timed_out = run.process.is_alive()
    _end(run)
    status = run.process.exitcode
    if timed_out or status < 0 or status in (FAILED, INTERRUPTED):
        return True
    if status == PASSED:
        return False
    raise RuntimeError(f"the tests could not be run (exit status {status}) for {run.mutant}")


def _end(run: _Run) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.process.pid, signal.SIGKILL)
    run.process.join()
    shutil.rmtree(run.workspace, ignore_errors=True)
