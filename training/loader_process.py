"""Data-loader processes: how they take signals, and what the dead ones were reading."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import torch

from common.errors import InputError
from data.dataset import Item, UtteranceDataset

PATIENCE = 10.0  # seconds for a process that is dying to be dead


def obey_only_the_parent(_worker: int = 0) -> None:
    """Make this process deaf to Ctrl-C, to a terminal that closes, and to SIGTERM from anyone but its parent.

    A request to stop often reaches every process of a run. A loader that died of it would interrupt the training step
    that is being ended; it ends with the run instead, or when the run is gone.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_await_the_parent, args=(os.getppid(),), daemon=True).start()


def _await_the_parent(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def batches_of(loader: torch.utils.data.DataLoader) -> Iterator[Any]:
    """What a loader yields. Raises InputError, in one line, for a file that cannot be used; and RuntimeError, here, if
    one of its processes dies.
    """
    batches = iter(loader)
    # torch's handler would raise wherever the training step happens to be; without it the next batch raises.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield from batches
    except InputError as error:  # from a loader process it comes with a traceback in front
        raise InputError(str(error).splitlines()[-1].removeprefix("common.errors.InputError: ")) from error


class WatchedDataset(torch.utils.data.Dataset):
    """A dataset for `processes` loader processes, each of which notes what it reads where the parent sees it.

    Those that replace dead ones need another: its notes are theirs alone.
    """

    def __init__(self, dataset: UtteranceDataset, processes: int) -> None:
        self.dataset = dataset
        self._notes = torch.full((processes, 2), -1, dtype=torch.long).share_memory_()  # process id, utterance

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        worker = torch.utils.data.get_worker_info()
        if worker is not None:
            self._notes[worker.id] = torch.tensor([os.getpid(), key[1]])
        return self.dataset[key]

    def read_by_the_dead(self) -> list[str]:
        """The files that processes which are no more were reading, or read last.

        A process that is killed closes its connections before it counts as dead, so it may be waited for.
        """
        end = time.monotonic() + PATIENCE
        while True:
            alive = {process.pid for process in multiprocessing.active_children()}
            dead = [index for pid, index in self._notes.tolist() if pid >= 0 and pid not in alive]
            if dead or time.monotonic() > end:
                return [str(self.dataset.utterances[index].wav) for index in dead]
            time.sleep(0.01)
