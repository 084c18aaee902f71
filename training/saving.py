"""A run's files: the checkpoint that inference reads, the state that an exact resume needs, parameters and log."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from common.errors import InputError, shown
from common.files import replacing
from data.checkpoint_file import read_checkpoint, restoring, write_checkpoint
from model.params_dict import params_to_dict
from params import Params


@dataclass
class TrainingState:
    """Everything that changes while training; randomness is drawn from (seed, step), so it has no state."""

    step: int  # optimizer steps done
    epoch: int
    batch: int  # batches done in the epoch
    payload: dict[str, Any]  # model.checkpoint.pack
    optimizer: dict[str, Any]
    critic: dict[str, Any]  # of a run with a teacher; else empty


_TYPES = {"step": int, "epoch": int, "batch": int, "payload": dict, "optimizer": dict, "critic": dict}


def state_path(log_dir: Path) -> Path:
    return log_dir / "training_state.pt"


def checkpoint_path(log_dir: Path) -> Path:
    return log_dir / "checkpoint.pt"


def save(log_dir: Path, state: TrainingState) -> None:
    """Write state and checkpoint, each whole or not at all; the state holds its own weights, so the two can't differ.

    Raises InputError if the place cannot be written to.
    """
    write_checkpoint(state_path(log_dir), {name: getattr(state, name) for name in _TYPES})
    write_checkpoint(checkpoint_path(log_dir), state.payload)


def load(log_dir: Path) -> TrainingState | None:
    """The state to resume from, or None. Raises InputError for a damaged one."""
    path = state_path(log_dir)
    if not path.exists():
        return None
    # States of before there were critics have none.
    values = {"critic": {}, **read_checkpoint(path, "training state")}
    unfit = [name for name, kind in _TYPES.items() if not isinstance(values.get(name), kind)]
    if unfit or values["payload"].get("weights") is None or values["payload"].get("ema") is None:
        missing = unfit[0] if unfit else "weights"
        raise InputError(f"{path} lacks {missing!r}: it is not a training state; use another train.log_dir")
    with restoring(path):
        for name in ("step", "epoch", "batch"):
            counted(values[name])
    return TrainingState(**{name: values[name] for name in _TYPES})


def counted(value: Any) -> int:
    """A number of steps that a file holds. Raises ValueError for what is none."""
    if not isinstance(value, int) or not 0 <= value < 2**40:
        raise ValueError("a step that is no number of steps")
    return value


def write_params(log_dir: Path, params: Params) -> None:
    """Write `params.yaml`, which `--config` reads back. Raises InputError if the place cannot be written to."""
    with replacing(log_dir / "params.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(params_to_dict(params), sort_keys=False), encoding="utf-8")


class RunLog:
    """A run's progress as plain lines, on the screen and in `train.log`, where a resumed run appends its own.

    path: None only shows the lines, as all but the first of several processes do; so does a file that can be written to
    no longer, which is said once.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def line(self, text: str) -> None:
        with suppress(OSError):  # whoever read the output is gone: no reason to end a run of days
            tqdm.write(shown(text))  # above a progress bar, if there is one
        if self.path is None:
            return
        try:
            with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text + "\n")
        except OSError as error:
            tqdm.write(shown(f"{self.path} is no longer written: {error.strerror}"))
            self.path = None


def open_log(log_dir: Path, params: Params, leads: bool) -> RunLog:
    """The run's log; the process that leads also writes the parameters.

    Raises InputError, before any long work, if the place cannot be written to.
    """
    if not leads:
        return RunLog(None)
    write_params(log_dir, params)
    return RunLog(log_dir / "train.log")
