"""Training survives being killed, a full disk, and dead data-loader processes."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from common.errors import InputError
from data.checkpoint_file import read_checkpoint
from data.dataset import UtteranceDataset
from model.checkpoint import unpack
from training import saving
from training.loader_process import WatchedDataset

from .test_trainer import assert_equal_state, trainer_of, training_losses
from .tiny_corpus import training_params, write_corpus
from .training_process import Run, arguments, losses_of, until, within


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def whole_files(log_dir: Path) -> int:
    """Read both files, if they are there yet; the steps of the state. Fails for a damaged one."""
    state = saving.load(log_dir)
    if (log_dir / "checkpoint.pt").exists():
        assert unpack(read_checkpoint(log_dir / "checkpoint.pt")).step <= state.step
    if state is None:
        return 0
    assert unpack(state.payload, "weights").step == state.step
    return state.step


# ------------------------------------------------------------------- kill -9


@pytest.mark.parametrize(("kills", "steps"), [(1, 14), pytest.param(20, 100, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_changes_nothing(folder, tmp_path, kills, steps):
    """The same losses at every step and the same state, bit for bit, as of a run that nobody disturbed."""
    dice = random.Random(kills)
    settings = {"steps": steps, "save_every": 1, "valid_every": 9, "precision": "fp32"}
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    first = Run(arguments(folder, unbroken, **settings), tmp_path / "unbroken.txt")
    assert first.wait(1200) == 0, first.text
    for number in range(kills):
        run = Run(arguments(folder, killed, **settings), tmp_path / f"killed{number}.txt")
        # From while it starts to some steps later, and anywhere in a step, half of which is saving.
        wait_for_saves(killed, dice.choice([0, 1, 2]) if number else 2, run)
        time.sleep(dice.uniform(0, 0.3))
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, run.text
        assert (number > 0 or whole_files(killed) >= 2) and whole_files(killed) < steps
    last = Run(arguments(folder, killed, **settings), tmp_path / "last.txt")
    assert last.wait(1200) == 0, last.text
    assert whole_files(killed) == steps and not list(killed.glob(".*"))
    assert_equal_state(saving.load(killed), saving.load(unbroken))
    curves = losses_of(unbroken)
    assert losses_of(killed) == curves and list(curves["train/prior"]) == [*range(1, steps + 1)]


def wait_for_saves(log_dir: Path, count: int, run: Run) -> None:
    path = saving.state_path(log_dir)
    for _ in range(count):
        before = path.stat().st_mtime_ns if path.exists() else None
        until(lambda before=before: path.exists() and path.stat().st_mtime_ns != before, run)


def test_sigterm_saves_within_ten_seconds(folder, tmp_path):
    log_dir = tmp_path / "log"
    run = Run(arguments(folder, log_dir, steps=100_000, valid_every=3), tmp_path / "output.txt")
    until(lambda: "validation" in run.text, run)
    began = time.monotonic()
    os.kill(run.pid, signal.SIGTERM)
    assert run.wait() == 0 and time.monotonic() - began < within(10)
    assert f"step {whole_files(log_dir)}  stopped" in run.text and whole_files(log_dir) >= 3


# --------------------------------------------------------------- a full disk


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture(scope="module")
def saved(folder, tmp_path_factory) -> dict[str, bytes]:
    """What a run of two steps leaves behind."""
    log_dir = tmp_path_factory.mktemp("saved") / "log"
    run = Run(arguments(folder, log_dir, steps=2), log_dir.parent / "output.txt")
    assert run.wait() == 0, run.text
    return {name: (log_dir / name).read_bytes() for name in ("training_state.pt", "checkpoint.pt")}


def copied(saved: dict[str, bytes], log_dir: Path) -> Path:
    log_dir.mkdir(exist_ok=True)
    for name, content in saved.items():
        (log_dir / name).write_bytes(content)
    return log_dir


def assert_refused(run: Run, log_dir: Path, saved: dict[str, bytes], reason: str) -> None:
    assert run.wait() == 2, run.text
    (error,) = run.errors
    assert reason in error and "free space" in error and str(log_dir) in error
    for name, content in saved.items():
        assert (log_dir / name).read_bytes() == content
    assert whole_files(log_dir) == 2 and not list(log_dir.glob(".*"))


def test_a_file_that_does_not_fit(folder, saved, tmp_path):
    log_dir = copied(saved, tmp_path / "log")
    limit = partial(limit_files, len(saved["training_state.pt"]) - 1000)
    run = Run(arguments(folder, log_dir, steps=4), tmp_path / "output.txt", prepare=limit)
    assert_refused(run, log_dir, saved, "training_state.pt cannot be written (File too large)")


@pytest.fixture
def small_disk(tmp_path, saved):
    """A disk of its own with room for what is saved and half of it again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = sum(map(len, saved.values())) + len(saved["training_state.pt"]) // 2
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a disk; test_a_file_that_does_not_fit goes the same way")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_while_saving(folder, saved, small_disk, tmp_path):
    log_dir = copied(saved, small_disk / "log")
    run = Run(arguments(folder, log_dir, steps=4), tmp_path / "output.txt")
    assert_refused(run, log_dir, saved, "training_state.pt cannot be written (No space left on device)")


def test_a_disk_that_is_full_to_the_last_byte(folder, saved, small_disk, tmp_path):
    log_dir = copied(saved, small_disk / "log")
    with open(small_disk / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
    run = Run(arguments(folder, log_dir, steps=4), tmp_path / "output.txt")
    assert run.wait() == 2, run.text
    (error,) = run.errors
    assert "No space left on device" in error and str(log_dir) in error
    assert whole_files(log_dir) == 2


# ----------------------------------------------------- data-loader processes


@pytest.fixture
def dies_at_a_file(monkeypatch, tmp_path):
    """A loader process is killed while it reads utterance 3, as often as given."""
    read = UtteranceDataset.__getitem__

    def install(times: int) -> None:
        def reading(self, key):
            died = len(list(tmp_path.glob("died*")))
            if torch.utils.data.get_worker_info() is not None and key[1] == 3 and died < times:
                (tmp_path / f"died{died}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return read(self, key)

        monkeypatch.setattr(UtteranceDataset, "__getitem__", reading)

    return install


def test_a_dead_loader_process_is_replaced_and_changes_nothing(folder, tmp_path, dies_at_a_file):
    params = training_params(folder, tmp_path / "a", precision="fp32")
    undisturbed = trainer_of(params)
    assert undisturbed.run()
    dies_at_a_file(1)
    trainer = trainer_of(replace(params, train=replace(params.train, workers=2, log_dir=str(tmp_path / "b"))))
    assert trainer.run() and (tmp_path / "died0").exists()
    wav = trainer.dataset.utterances[3].wav
    (line,) = (tmp_path / "b" / "train.log").read_text().splitlines()
    assert "a data-loader process was killed" in line and str(wav) in line and "1 of at most 5" in line
    assert training_losses(trainer) == training_losses(undisturbed)
    assert_equal_state(saving.load(tmp_path / "b"), saving.load(tmp_path / "a"))


def test_loader_processes_that_keep_dying_end_the_run(folder, tmp_path, dies_at_a_file, monkeypatch):
    monkeypatch.setattr("training.corpus.MOST_DEATHS", 0)
    dies_at_a_file(100)
    trainer = trainer_of(training_params(folder, tmp_path / "log", workers=1))
    wav = trainer.dataset.utterances[3].wav
    with pytest.raises(InputError, match=rf"killed .* while reading {wav}.*lower train\.workers"):
        trainer.run()


def test_a_process_that_is_still_dying_is_waited_for(folder, tmp_path):
    """A killed one's connections break a moment before it counts as dead; here the moment is half a second."""
    watched = WatchedDataset(trainer_of(training_params(folder, tmp_path / "log")).dataset, 2)
    processes = [multiprocessing.get_context("fork").Process(target=time.sleep, args=(x,)) for x in (0.5, 60)]
    for worker, process in enumerate(processes):
        process.start()
        watched._notes[worker] = torch.tensor([process.pid, 3 + worker])
    assert watched.read_by_the_dead() == [str(watched.dataset.utterances[3].wav)]
    processes[1].kill()
    processes[1].join()
