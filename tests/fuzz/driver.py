"""Runs cases and says what is wrong with their ends."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import os
import re
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from unittest import mock

from tests.fuzz.cases import Case, World, make_case

ROOT = Path(__file__).resolve().parents[2]
CODES = (0, 2, 3)
MOST_SECONDS = 60  # of the processor's time: how busy a machine is says nothing of a script
MOST_WAITING = 600  # seconds by the clock, for one that hangs
MOST_BYTES = 3 * 2**30
# Words of an interpreter or a library that met something unforeseen, and of a size that was not bounded.
_TELLTALE = re.compile(
    r"Traceback|Exception ignored|Segmentation|core dumped|too little memory|terminate called|\x1b\]|\x07"
)


@dataclass(frozen=True)
class End:
    code: int | None  # None: it was stopped
    output: str
    seconds: float  # of the processor
    bytes: int  # most that were in memory; 0: not measured


class _TooLong(BaseException):
    pass


def run_here(case: Case) -> End:
    """Through the script's `main`."""
    main = _main_of(case)
    out, began = io.StringIO(), time.process_time()

    def stop(_number: int, _frame: object) -> None:
        raise _TooLong

    before = [signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.alarm(MOST_WAITING)
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            mock.patch.object(sys, "stdin", None),
            mock.patch("common.files.SECONDS_FOR_A_WRITER", 0.1),
        ):
            code = main(list(case.arguments))
    except SystemExit as end:
        code = end.code or 0
    except _TooLong:
        code = None
    except BaseException:
        out.write(traceback.format_exc())
        code = 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)
    return End(code, out.getvalue(), time.process_time() - began, 0)


def run_process(case: Case) -> End:
    """In a process of its own: forked from this one, which has imported torch, so that thousands can be run."""
    began = time.monotonic()
    with open("output.txt", "w+b") as output:
        process = os.fork()
        if not process:
            _become(case, output.fileno())
        code: int | None = None
        while time.monotonic() - began < MOST_WAITING:
            done, status, usage = os.wait4(process, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.02)
        else:
            os.killpg(process, signal.SIGKILL)
            _, _, usage = os.wait4(process, 0)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    Path("output.txt").unlink()
    return End(code, text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _become(case: Case, output: int) -> NoReturn:
    """The script, from its `main` to the end of the interpreter."""
    code = 1
    try:
        atexit._clear()  # they are the driver's, such as to remove the folder of all cases
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for name, number in (("stdout", 1), ("stderr", 2)):
            setattr(sys, name, open(number, "w", buffering=1, encoding="utf-8", closefd=False))  # noqa: SIM115
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        code = _main_of(case)(list(case.arguments))
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main_of(case: Case) -> Callable[[list[str]], int]:
    folder, _, name = case.script.rpartition("/")
    if folder and str(ROOT / folder) not in sys.path:
        sys.path.append(str(ROOT / folder))  # where Python looks for what a script imports
    return importlib.import_module(name).main


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Path -> size and time of change, of everything below a folder but for what a case may write."""
    found = {}
    for place, folders, names in os.walk(folder):
        if Path(place).name == "out":
            folders.clear()
            continue
        for name in names:
            facts = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (facts.st_size, facts.st_mtime_ns)
    return found


def complaint(end: End, before: dict, after: dict) -> str | None:
    """What is wrong, or None."""
    if end.code is None or end.seconds > MOST_SECONDS:
        return f"not at its end after {MOST_SECONDS} s"
    if end.code not in CODES:
        return f"code {end.code}"
    found = _TELLTALE.search(end.output)
    if found:
        return f"says {found[0]!r}"
    errors = [line for line in re.split(r"[\n\r]", end.output) if line.startswith(("error: ", "usage: "))]
    if end.code == 2 and len(errors) != 1:
        return f"code 2 with {len(errors)} lines of error"
    if end.code != 2 and errors:
        return f"code {end.code} with a line of error"
    if end.bytes > MOST_BYTES:
        return f"{end.bytes / 2**30:.1f} GB"
    if before != after:
        return f"wrote {sorted(path for path in {*before, *after} if before.get(path) != after.get(path))[:3]}"
    return None


def run_case(world: World, folder: Path, seed: int, processes: bool = False) -> tuple[Case, End, str | None]:
    """Make the case of a seed, run it in a folder of its own, and clear that away."""
    here = Path.cwd()
    place = folder / f"case{seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    os.chdir(place)
    try:
        case = make_case(world, place, seed)
        before = files(folder)
        end = (run_process if processes else run_here)(case)
        return case, end, complaint(end, before, files(folder))
    finally:
        os.chdir(here)
        shutil.rmtree(place, ignore_errors=True)


def bound_memory() -> None:
    """What this process asks for beyond `MOST_BYTES` more than it has now is refused, and so is seen."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
