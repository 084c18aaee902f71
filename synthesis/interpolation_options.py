"""The command line of two-style runs, and the interpolations that it asks for."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING

from common.errors import InputError

if TYPE_CHECKING:
    from model.interpolation import Frequency, Linear, Temporal

KINDS = ("linear", "temporal", "frequency")
_OF_KIND = {
    "linear": ("weight", "weights", "blend"),
    "temporal": ("cross", "cross_word", "cross_width"),
    "frequency": (
        "method", "mask", "carry", "durations", "tal1", "tal2", "gamma", "epoch", "rate", "loss", "noise_only", "lead",
    ),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; all default to None, so that one that was not given can be told."""
    group = parser.add_argument_group("two styles", "a is what -s, --emotion and --ref say; b what these say")
    group.add_argument("-s2", "--speaker2", help="b's speaker; default: a's")
    group.add_argument("--emotion2", help="b's emotion; default: a's")
    group.add_argument("--ref2", help="b's reference; default: none")
    group.add_argument("--interp", choices=KINDS, help="default: linear")
    group.add_argument("--weight", type=float, help="linear: a's share, 0 to 1")
    group.add_argument("--weights", help="linear: several shares by comma, such as 0,0.25,0.5,0.75,1")
    group.add_argument("--blend", help="linear: condition or score")
    group.add_argument("--cross", type=float, help="temporal: where a ends, as a share of the text's tokens")
    group.add_argument("--cross-word", type=int, help="temporal: the first word of b, from 0, instead of --cross")
    group.add_argument("--cross-width", type=float, help="temporal: of the transition, as a share of the tokens")
    group.add_argument("--method", help="frequency: staged, same-time or two-noise")
    group.add_argument("--mask", help="frequency: f0, harmonics, f0-4, or none for every cell")
    group.add_argument("--carry", help="frequency: phones, linear or attention")
    group.add_argument("--durations", help="frequency: a, b or mean")
    group.add_argument("--lead", choices=("a", "b"), help="frequency: whose pitch; default: a")
    group.add_argument("--tal1", type=float, help="staged: diffusion time down to which attention is drawn to a")
    group.add_argument("--tal2", type=float, help="staged: diffusion time after which the run is free")
    group.add_argument("--gamma", type=float, help="staged: weight of the penalty on the other cells")
    group.add_argument("--epoch", type=int, help="staged: gradient steps before an evaluation")
    group.add_argument("--rate", type=float, help="staged: step size")
    group.add_argument("--loss", help="staged: competing or original")
    group.add_argument("--noise-only", action="store_true", default=None, help="staged: tune the start noise alone")


def wants_two_styles(args: argparse.Namespace) -> bool:
    """Whether a second style was given. Raises InputError for options of two styles without one."""
    if any(getattr(args, name) is not None for name in ("speaker2", "emotion2", "ref2")):
        return True
    given = [name for name in ("interp", *(n for names in _OF_KIND.values() for n in names)) if _given(args, name)]
    if given:
        raise InputError(f"{_flag(given[0])} needs a second style: give -s2, --emotion2 or --ref2")
    return False


def interpolations(args: argparse.Namespace) -> dict[str, Linear | Temporal | Frequency]:
    """What to interpolate, by the ending of its file names: "ab", or "ab_0.25" and so on for a sweep.

    Raises:
        InputError: a value is out of range, or an option is of another kind of interpolation.
    """
    from model.interpolation import Frequency, Linear, Temporal

    kind = args.interp or "linear"
    for other, names in _OF_KIND.items():
        for name in names:
            if other != kind and _given(args, name):
                raise InputError(f"{_flag(name)} is of --interp {other}, and this run is {kind}")
    settings = {"linear": Linear, "temporal": Temporal, "frequency": Frequency}[kind]
    names = [field.name for field in fields(settings)]
    chosen = {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}
    try:
        if kind == "linear" and args.weights is not None:
            if args.weight is not None:
                raise InputError("--weight and --weights exclude each other; give one of them")
            return {f"ab_{weight:g}": Linear(**{**chosen, "weight": weight}) for weight in _numbers(args.weights)}
        return {"ab": settings(**chosen)}
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--weights {text!r} must be numbers by comma, such as 0,0.5,1") from error


def _given(args: argparse.Namespace, name: str) -> bool:
    return getattr(args, name) is not None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
