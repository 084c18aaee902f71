"""A run's files: the checkpoint that inference reads, and the state that an exact resume needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.checkpoint_file import read_checkpoint, write_checkpoint
from data.errors import InputError


@dataclass
class TrainingState:
    """Everything that changes while training; randomness is drawn from (seed, step), so it has no state."""

    step: int  # optimizer steps done
    epoch: int
    batch: int  # batches done in the epoch
    payload: dict[str, Any]  # model.checkpoint.pack
    optimizer: dict[str, Any]


def state_path(log_dir: Path) -> Path:
    return log_dir / "training_state.pt"


def checkpoint_path(log_dir: Path) -> Path:
    return log_dir / "checkpoint.pt"


def save(log_dir: Path, state: TrainingState) -> None:
    """Write state and checkpoint, each whole or not at all; the state holds its own weights, so the two can't differ.

    Raises InputError if the place cannot be written to.
    """
    log_dir.mkdir(parents=True, exist_ok=True)
    write_checkpoint(
        state_path(log_dir),
        {
            "step": state.step,
            "epoch": state.epoch,
            "batch": state.batch,
            "payload": state.payload,
            "optimizer": state.optimizer,
        },
    )
    write_checkpoint(checkpoint_path(log_dir), state.payload)


def load(log_dir: Path) -> TrainingState | None:
    """The state to resume from, or None. Raises InputError for a damaged one."""
    path = state_path(log_dir)
    if not path.exists():
        return None
    values = read_checkpoint(path)
    try:
        return TrainingState(**{key: values[key] for key in ("step", "epoch", "batch", "payload", "optimizer")})
    except KeyError as error:
        raise InputError(f"{path} lacks {error.args[0]!r}: no training state; use another train.log_dir") from error
