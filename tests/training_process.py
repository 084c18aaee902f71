"""Scripts in processes that can be killed; they are forked from one that has imported everything."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import tensorboard.backend.event_processing.event_file_loader as events
import torch
import torch.utils.tensorboard  # what a run imports
from tensorboard.util import tensor_util

import inference  # noqa: F401 - like the next ones, for the process that is forked
import prepare_data  # noqa: F401
import synthesis.synthesiser  # noqa: F401
import train_multi_speaker  # noqa: F401
from common.errors import InputError
from common.processes import cores
from model.params_dict import flat_params
from params import Params

from .tiny_corpus import training_params

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__])


class Run:
    """One process of a run; its output is in a file."""

    def __init__(
        self,
        argv: Sequence[str],
        output: Path,
        env: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        script: str = "train_multi_speaker",
    ) -> None:
        """prepare: a function of a module, called in the process first."""
        self.output = output
        self.process: ForkServerProcess = _SERVER.Process(
            target=_main, args=(script, list(argv), str(output), dict(env or {}), prepare)
        )
        self.process.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self, seconds: float = 400) -> int:
        """The exit code; minus the signal's number where one killed it. Fails if it takes longer."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"still running after {seconds} s:\n{self.text}")
        return self.process.exitcode

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    @property
    def errors(self) -> list[str]:
        """Its lines but for progress bars."""
        lines = [line.split("\r")[-1] for line in self.text.splitlines()]
        return [line for line in lines if line.startswith("error: ") or "Traceback" in line]


def _main(script: str, argv: list[str], output: str, env: dict[str, str], prepare: Callable[[], None] | None) -> None:
    os.setsid()
    heed_signals()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(env)
    torch.set_num_threads(1)
    if script == "train_multi_speaker":
        sys.modules["hifigan"].load_vocoder = _no_vocoder
    if prepare is not None:
        prepare()
    code = importlib.import_module(script).main(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def heed_signals() -> None:
    """As in a terminal; whoever runs the tests may ignore them (nohup, a background job), which a process inherits."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _no_vocoder(*_: object, **__: object) -> None:
    raise InputError("no vocoder in this test")


def start_all(count: int, argv: Sequence[str], folder: Path, prepare: Callable[[], None] | None = None) -> list[Run]:
    """The processes of one run, with what torchrun tells each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Run(argv, folder / f"output{rank}.txt", common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, prepare)
        for rank in range(count)
    ]


def arguments(corpus: Path, log_dir: Path, **train: object) -> list[str]:
    """Everything that is not a default, as key=value."""
    wanted, defaults = flat_params(training_params(corpus, log_dir, **train)), flat_params(Params())
    values = {key: value for key, value in wanted.items() if defaults[key] != value}
    shown = [f"{key}={list(value) if isinstance(value, tuple) else value}" for key, value in values.items()]
    return ["--device", "cpu", *shown]


def losses_of(log_dir: Path) -> dict[str, dict[int, float]]:
    """Curves train/* by name and step; a later run's value counts. Fails for a broken event file."""
    curves: dict[str, dict[int, float]] = {}
    for path in sorted(log_dir.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        for event in events.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag.startswith("train/"):
                    number = tensor_util.make_ndarray(value.tensor).item()
                    curves.setdefault(value.tag, {})[event.step] = number
    return curves


def within(seconds: float) -> float:
    """So many seconds of a machine that does nothing else: more where others share its cores."""
    return seconds * max(1.0, 2 * os.getloadavg()[0] / cores())


def until(happens: Callable[[], bool], run: Run, seconds: float = 400) -> None:
    """Wait for something while a run is alive."""
    end = time.monotonic() + seconds
    while not happens():
        assert run.process.is_alive() and time.monotonic() < end, run.text
        time.sleep(0.002)
