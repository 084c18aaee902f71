"""Processes that share work: their results, their deaths, and the death of the one that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.errors import InputError
from common.processes import map_in_processes, wait_briefly

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds
offset = 0  # of a worker process


def set_offset(value: int) -> None:
    global offset
    offset = value


def shifted(value: int) -> int:
    return value + offset


def die_of_three(value: int) -> int:
    if value == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def sleep_for_long(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(2 * PATIENCE)


def test_results_come_in_order_from_processes_that_were_started_with_their_arguments():
    assert list(map_in_processes(shifted, range(20), 2, set_offset, (100,), chunksize=3)) == list(range(100, 120))


def test_a_killed_process_is_told():
    with pytest.raises(InputError, match=r"a worker process was killed .* fewer workers"):
        list(map_in_processes(die_of_three, range(5), 2, set_offset, (0,)))


def test_no_process_outlives_a_killed_parent(tmp_path):
    lines = (
        "from tests.test_worker_processes import map_in_processes, set_offset, sleep_for_long",
        f"list(map_in_processes(sleep_for_long, [{str(tmp_path)!r}] * 2, 2, set_offset, (0,)))",
    )
    command = "\n    ".join(("if __name__ == '__main__':", *lines))
    script = tmp_path / "parent.py"
    script.write_text(command, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)})

    def workers() -> list[int]:
        return [int(path.name) for path in tmp_path.iterdir() if path.name.isdecimal()]

    try:
        wait_until(lambda: len(workers()) == 2)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(map(alive, workers())))


def wait_until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # an orphan that nobody waits for


@pytest.mark.parametrize(
    ("given", "policy", "spins"),
    [
        ({}, "PASSIVE", "2000"),
        ({"GOMP_SPINCOUNT": "7"}, "PASSIVE", "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE", None),
    ],
)
def test_threads_wait_briefly_unless_the_user_says_otherwise(monkeypatch, given, policy, spins):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    wait_briefly()
    assert (os.environ["OMP_WAIT_POLICY"], os.environ.get("GOMP_SPINCOUNT")) == (policy, spins)
