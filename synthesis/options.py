"""The numbers that steer a run, and what each may be."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any

from common.errors import InputError
from model.params_check import SOLVERS


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and low <= value <= high


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Real) and not isinstance(value, bool) and low <= value <= high


BACKENDS = ("auto", "torch", "onnx", "openvino")
PRECISIONS = ("auto", "fp32", "bf16")

# The bounds keep nonsense out; what is useful lies well within them.
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "steps": (_whole(1, 10_000), "a whole number from 1 to 10000"),
    "temperature": (_number(0.01, 1000), "a number from 0.01 to 1000"),
    "length_scale": (_number(0.1, 10), "a number from 0.1 to 10"),
    "guidance_scale": (_number(0, 100), "a number from 0 to 100"),
    "seed": (_whole(0, 2**63 - 1), "a whole number from 0 to 2^63 - 1"),
    "threads": (_whole(1, 1024), "a whole number from 1 to 1024"),
}


def check_options(**given: Any) -> None:
    """Check options by name; None stands for an option that was not given.

    Raises:
        InputError: a value is of the wrong kind, out of range or not finite.
    """
    for name, value in given.items():
        allowed, words = _RULES[name]
        if value is not None and not allowed(value):
            raise InputError(f"{name} must be {words}, not {reprlib.repr(value)}")


def check_solver(solver: str | os.PathLike | None) -> None:
    """Raises InputError for what is neither a solver's name nor the file of a fitted one."""
    if solver is None or solver in SOLVERS:
        return
    if not isinstance(solver, str | os.PathLike) or not os.fspath(solver).endswith(".json"):
        raise InputError(
            f"there is no sampler {solver!r}; there are {', '.join(SOLVERS)}, or a fitted one's .json file"
        )
    if not os.path.isfile(solver):
        raise InputError(f"{solver}: no such solver file; check the path")


@dataclass(frozen=True)
class Options:
    """Options of a run, none left open.

    steps: network evaluations (twice as many with guidance). temperature: divides the start noise. length_scale: above
    1 is slower. guidance_scale: 1 is off. seed: of the noise. sampler: a name in `model.sampling.SAMPLERS`, or the path
    of a fitted solver. named_steps: whether somebody asked for that number of steps; where nobody did, an interpolation
    may have a usual number of its own.
    """

    steps: int
    temperature: float
    length_scale: float
    guidance_scale: float
    seed: int
    sampler: str
    named_steps: bool = True

    def __post_init__(self) -> None:
        check_options(**{name: value for name, value in asdict(self).items() if name in _RULES})
