"""One run in several processes: the same result as in one."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from model.checkpoint import unpack
from model.cond_grad_tts import CondGradTTS
from model.randomness import BatchShare, Dropout, drawing_for, drawn
from training import corpus, saving
from training.trainer import Trainer

from .tiny_corpus import taught_by, write_corpus
from .training_process import Run, arguments, losses_of, start_all, until, within

STEPS = 20
BATCH = 3  # two processes have shares of two and of one, and in the last of an epoch's four batches of one and of none


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def settings(folder: Path, log_dir: Path, **train: object) -> list[str]:
    common = {"steps": STEPS, "batch_size": BATCH, "encoder_steps": 3, "valid_every": 10, "save_every": 10}
    return arguments(folder, log_dir, **({"precision": "fp32"} | common | train))


def finish(runs: list[Run]) -> None:
    codes = [run.wait() for run in runs]
    assert codes == [0] * len(runs), "\n".join(run.text for run in runs)


@pytest.fixture(scope="module")
def alone(folder, tmp_path_factory) -> Path:
    log_dir = tmp_path_factory.mktemp("alone") / "log"
    finish(start_all(1, settings(folder, log_dir), log_dir.parent))
    return log_dir


def largest_difference(a: Path, b: Path) -> float:
    curves = losses_of(a), losses_of(b)
    assert curves[0].keys() == curves[1].keys() and len(curves[0]) == 8
    for name, values in curves[0].items():
        assert list(values) == list(curves[1][name]) == [*range(4 if "diffusion" in name else 1, STEPS + 1)], name
    return max(abs(value - curves[1][name][step]) for name in curves[0] for step, value in curves[0][name].items())


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_several_processes_have_the_losses_of_one(folder, alone, tmp_path, count):
    """With dropout, dropped style types and random crops."""
    log_dir = tmp_path / "log"
    finish(start_all(count, settings(folder, log_dir), tmp_path))
    assert largest_difference(alone, log_dir) < 1e-4
    names = [path.name for path in log_dir.iterdir()]  # written by one of them
    assert len([name for name in names if name.startswith("events")]) == 1 and len(names) == 5
    log = (log_dir / "train.log").read_text().splitlines()
    assert [sum(word in line for line in log) for word in ("validation:", "finished")] == [2, 1]
    assert saving.load(log_dir).step == STEPS


def test_a_taught_decoder_and_its_critic_learn_the_same_in_several(folder, alone, tmp_path):
    curves = []
    for count in (1, 2):
        log_dir = tmp_path / str(count) / "log"
        given = settings(folder, log_dir, steps=8, valid_every=8) + taught_by(alone)
        finish(start_all(count, given, log_dir.parent))
        curves.append(losses_of(log_dir))
    one, two = curves
    assert one.keys() == two.keys() and len(one) == 4
    for name, values in one.items():
        assert list(values) == list(two[name]) == list(range(1, 9))
        assert list(two[name].values()) == pytest.approx(list(values.values()), rel=1e-5, abs=1e-4), name
    assert any(one["train/features"].values()) and not all(one["train/features"].values())  # both kinds of batches


def stop_at(step: int) -> None:
    run = Trainer.run
    Trainer.run = lambda self, _: run(self, lambda: self.step >= step)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(folder, alone, tmp_path):
    log_dir = tmp_path / "log"
    for count, steps in ((2, 7), (1, STEPS)):
        finish(start_all(count, settings(folder, log_dir), tmp_path / str(count), partial(stop_at, steps)))
        assert saving.load(log_dir).step == steps
    assert largest_difference(alone, log_dir) < 1e-4


def break_a_step_of_process_1() -> None:
    losses = CondGradTTS.losses

    def broken(self, *args, **kwargs):
        found = losses(self, *args, **kwargs)
        broken.calls += 1
        spoil = os.environ["RANK"] == "1" and broken.calls == 2
        return replace(found, prior=found.prior * math.nan) if spoil else found

    broken.calls = 0
    CondGradTTS.losses = broken


def test_a_step_that_fails_in_one_is_skipped_by_all(folder, tmp_path):
    log_dir = tmp_path / "log"
    finish(start_all(2, settings(folder, log_dir, steps=4), tmp_path, break_a_step_of_process_1))
    log = (log_dir / "train.log").read_text()
    assert log.count("skipped: its gradient is not finite") == 1 and "step 2  skipped" in log
    state = saving.load(log_dir)
    assert state.step == 4 and all(value.isfinite().all() for value in state.payload["weights"].values())


def has_saved(log_dir: Path) -> bool:
    return (log_dir / "checkpoint.pt").exists()


def test_a_killed_process_ends_the_others_with_an_error(folder, tmp_path):
    log_dir = tmp_path / "log"
    runs = start_all(2, settings(folder, log_dir, steps=100_000, save_every=1), tmp_path)
    until(lambda: has_saved(log_dir), runs[0])
    os.kill(runs[1].pid, signal.SIGKILL)
    assert runs[0].wait(within(60)) == 2 and runs[1].wait() == -signal.SIGKILL
    (error,) = runs[0].errors
    assert error.startswith("error: process 0 lost another one") and "start again" in error
    assert saving.load(log_dir).step >= 1
    unpack(saving.load(log_dir).payload)


def test_sigterm_to_all_saves_once(folder, tmp_path):
    log_dir = tmp_path / "log"
    runs = start_all(2, settings(folder, log_dir, steps=100_000, save_every=1), tmp_path)
    until(lambda: has_saved(log_dir), runs[0])
    began = time.monotonic()
    for _ in range(2):  # torchrun passes on what a process may have got already
        for run in runs:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by now
                os.kill(run.pid, signal.SIGTERM)
        time.sleep(0.05)
    assert [run.wait() for run in runs] == [0, 0] and time.monotonic() - began < within(10)
    step = saving.load(log_dir).step
    assert (log_dir / "train.log").read_text().count(f"step {step}  stopped") == 1
    assert not any(run.errors for run in runs)


def read_a_shorter_list_in_process_1() -> None:
    read = corpus.read_filelists
    if os.environ["RANK"] == "1":
        corpus.read_filelists = lambda *args: [utterances[:-1] for utterances in read(*args)]


def test_processes_that_find_different_files_stop(folder, tmp_path):
    argv = settings(folder, tmp_path / "log")
    runs = start_all(2, argv, tmp_path, read_a_shorter_list_in_process_1)
    assert [run.wait() for run in runs] == [2, 2]
    assert all("not all processes find the same files" in run.errors[0] for run in runs)


# ------------------------------------------------------------------- the rows


@pytest.mark.parametrize("rows", [(0, 2, 4), (1, 3), (0,)])
def test_rows_of_what_the_whole_batch_is_drawn(rows):
    def draw(shape):
        return torch.randn(shape, generator=torch.Generator().manual_seed(3))

    whole = draw((5, 4))
    with drawing_for(BatchShare(5, rows)):
        assert torch.equal(drawn(draw, (len(rows), 4)), whole[list(rows)])
        with pytest.raises(ValueError, match="rows"):
            drawn(draw, (6, 4))
    assert torch.equal(drawn(draw, (5, 4)), whole)


def test_dropout_of_a_share_is_that_of_the_batch():
    x, dropout = torch.ones(6, 3, 50), Dropout(0.3)
    torch.manual_seed(1)
    whole = dropout(x)
    assert 0.2 < float((whole == 0).float().mean()) < 0.4
    for rows in ((0, 2, 4), (1, 3, 5)):
        torch.manual_seed(1)
        with drawing_for(BatchShare(6, rows)):
            assert torch.equal(dropout(x[list(rows)]), whole[list(rows)])
            assert torch.equal(dropout.eval()(x[:3]), x[:3]) and dropout.train()


# ------------------------------------------------------------------ torchrun


def torchrun(argv: list[str], output: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    with open(output, "wb") as file:
        return subprocess.Popen(
            [*command, "train_multi_speaker.py", *argv],
            cwd=Path(__file__).resolve().parents[1],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def workers_of(process: subprocess.Popen) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [pid for pid in map(int, children) if b"train_multi_speaker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, None], ids=["SIGTERM", "kill -9", "undisturbed"])
def test_under_torchrun(folder, alone, tmp_path, number):
    log_dir, output = tmp_path / "log", tmp_path / "output.txt"
    steps = STEPS if number is None else 100_000
    process = torchrun(settings(folder, log_dir, steps=steps, save_every=1), output)
    if number is None:
        assert process.wait(600) == 0, output.read_text()
        assert largest_difference(alone, log_dir) < 1e-4
        return
    end = time.monotonic() + 600
    while not has_saved(log_dir):
        assert process.poll() is None and time.monotonic() < end, output.read_text()
        time.sleep(0.05)
    workers = workers_of(process)
    assert len(workers) == 2
    began = time.monotonic()
    os.kill(process.pid if number == signal.SIGTERM else workers[1], number)
    code = process.wait(600)
    assert time.monotonic() - began < within(60) and code != 0  # torchrun says so of a signal, too
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    step, text = saving.load(log_dir).step, output.read_text()
    if number == signal.SIGTERM:
        assert text.count(f"step {step}  stopped; checkpoint") == 1
    else:
        assert "error: process 0 lost another one" in text
