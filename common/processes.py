"""Processes: work that is shared out to them, and how a running one is asked to stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from common.errors import InputError, stop_signals

MOST_THREADS = 1024
_SPINS = 2000  # about 40 to 100 microseconds; between two layers lies less
_OF_A_TERMINAL = (signal.SIGINT, signal.SIGHUP)
Item = TypeVar("Item")
Done = TypeVar("Done")


def wait_briefly() -> None:
    """OpenMP's threads look for work a moment longer before they sleep; to be called before torch is imported.

    GNU's usually look on for milliseconds, which makes a machine with another busy process several times slower. Where
    they sleep at once they have to be woken for each of the thousands of small layers of a mel, which then takes half
    as long again. What the user's environment says stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", str(_SPINS))


def cores() -> int:
    """Of the processor, that this process may use; more threads or processes than that only wait for each other."""
    return len(os.sched_getaffinity(0))


def map_in_processes(
    function: Callable[[Item], Done],
    items: Iterable[Item],
    workers: int,
    start: Callable[..., None],
    start_arguments: tuple[Any, ...] = (),
    chunksize: int = 1,
) -> Iterator[Done]:
    """function of each item, in order, computed by `workers` processes, but no more than there are cores.

    start: called once in each process, before its first item. chunksize: items sent at a time. Closed early, or on
    Ctrl-C, what is being worked on is finished and nothing more is begun.

    Raises:
        InputError: a process was killed.
    """
    context = multiprocessing.get_context("spawn")  # neither torch's nor onnxruntime's threads survive a fork
    pool = ProcessPoolExecutor(min(workers, cores()), context, _start, (start, start_arguments))
    try:
        # What a terminal sends to all its processes the parent answers; the new ones are deaf to it from their start.
        signal.pthread_sigmask(signal.SIG_BLOCK, _OF_A_TERMINAL)
        try:
            results = pool.map(function, items, chunksize=chunksize)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_A_TERMINAL)
        yield from results
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process was killed (out of memory?); run again with fewer workers, what is finished is kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(start: Callable[..., None], start_arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    start(*start_arguments)


def _end_with_the_parent() -> None:
    """A killed parent closes no queue that its workers hold open too: they would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def stopping_on_signals(patiently: bool = False) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether one of `stop_signals` has come; a second one kills the process.

    patiently: it does not, as under torchrun, which passes on what every process may have got already, and kills those
    that take too long. The handlers that were there before come back at the end.
    """
    asked = False
    before = {number: signal.getsignal(number) for number in stop_signals()}

    def ask(_number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        for number in before:
            signal.signal(number, signal.SIG_IGN if patiently else signal.SIG_DFL)

    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
