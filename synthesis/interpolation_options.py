"""The command line of two-style runs, and the interpolations that it asks for."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from common.arguments import shortened
from common.errors import InputError
from model.interpolation import KINDS, Kind, make_kind
from model.interpolation.kind import settings_of
from synthesis.parts import parse_parts

FREQUENCY = "frequency"  # `--interp frequency --method M` is the kind M, one of those that move pitch
DEFAULT_METHOD = "same-time"
MOST_WEIGHTS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options; all default to None, so that one that was not given can be told."""
    group = parser.add_argument_group("two styles", "a is what -s, --emotion and --ref say; b what these say")
    group.add_argument("-s2", "--speaker2", help="b's speaker; default: a's")
    group.add_argument("--emotion2", help="b's emotion; default: a's")
    group.add_argument("--ref2", type=Path, nargs="+", action="extend", help="b's recordings; default: none")
    group.add_argument("--take2", type=parse_parts, metavar="PARTS", help="what b takes of --ref2, as --take")
    group.add_argument("--interp", choices=(*KINDS, FREQUENCY), help="default: linear")
    group.add_argument("--method", help=f"{FREQUENCY}: {', '.join(_methods())}; default: {DEFAULT_METHOD}")
    group.add_argument("--lead", choices=("a", "b"), help=f"{FREQUENCY}: whose pitch; default: a")
    group.add_argument("--weights", help="linear: several shares by comma, such as 0,0.25,0.5,0.75,1")
    types = {name: hint for kind in KINDS.values() for name, hint in get_type_hints(kind).items()}
    for name, setting in settings_of(KINDS).items():
        owners = _owners(name)
        text = f"{FREQUENCY if owners == _methods() else ', '.join(owners)}: {setting.metadata['help']}"
        if types[name] is bool:
            group.add_argument(_flag(name), action="store_true", default=None, help=text)
        else:
            parsed = next(kind for kind in (int, float, str) if kind is types[name] or kind in _members(types[name]))
            group.add_argument(_flag(name), type=parsed, help=text)


def wants_two_styles(args: argparse.Namespace) -> bool:
    """Whether a second style was given. Raises InputError for options of two styles without one."""
    if args.take2 is not None and args.ref2 is None:
        raise InputError("--take2 needs a recording to take it from; give --ref2")
    if any(getattr(args, name) is not None for name in ("speaker2", "emotion2", "ref2")):
        return True
    given = [name for name in ("interp", "method", "lead", "weights", *settings_of(KINDS)) if _given(args, name)]
    if given:
        raise InputError(f"{_flag(given[0])} needs a second style: give -s2, --emotion2 or --ref2")
    return False


def interpolations(args: argparse.Namespace, defaults: Any) -> dict[str, Kind]:
    """What to interpolate, by the ending of its file names: "ab", or "ab_0.25" and so on for a sweep.

    defaults: `params.interpolation`, of the model or of nobody.

    Raises:
        InputError: a value is out of range, or an option is of another kind of interpolation.
    """
    name = _kind_of(args)
    known = [setting.name for setting in fields(KINDS[name])]
    for other in settings_of(KINDS):
        if other not in known and _given(args, other):
            owners = " or ".join(_owners(other))
            raise InputError(f"{_flag(other)} belongs to --interp {owners}, but this run is {name}")
    chosen = {setting: getattr(args, setting) for setting in known if _given(args, setting)}
    try:
        if args.weights is None:
            return {"ab": make_kind(name, defaults, chosen)}
        if name != "linear":
            raise InputError(f"--weights belongs to --interp linear, but this run is {name}")
        if args.weight is not None:
            raise InputError("--weight and --weights exclude each other; give one of them")
        weights = _numbers(args.weights)
        kinds = [make_kind(name, defaults, {**chosen, "weight": weight}) for weight in weights]
        endings = [f"ab_{weight:g}" for weight in weights]
        twice = next((ending for ending in endings if endings.count(ending) > 1), None)
        if twice is not None:
            raise InputError(f"--weights has two shares for one file, {twice}; six digits tell shares apart")
        return dict(zip(endings, kinds, strict=True))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def _kind_of(args: argparse.Namespace) -> str:
    """The kind's name in `KINDS`."""
    name = args.interp or "linear"
    if name == FREQUENCY:
        name = args.method or DEFAULT_METHOD
        if name not in _methods():
            raise InputError(f"method must be one of {', '.join(_methods())}, not {name!r}")
    elif args.method is not None:
        raise InputError(f"--method belongs to --interp {FREQUENCY}, but this run is {name}")
    if args.lead is not None and not KINDS[name].moves_pitch:
        raise InputError(f"--lead belongs to --interp {FREQUENCY}, but this run is {name}")
    return name


def _methods() -> list[str]:
    return [name for name, kind in KINDS.items() if kind.moves_pitch]


def _owners(setting: str) -> list[str]:
    """The kinds that have a setting."""
    return [name for name, kind in KINDS.items() if setting in (field.name for field in fields(kind))]


def _members(hint: Any) -> tuple[type, ...]:
    return getattr(hint, "__args__", ())


def _numbers(text: str) -> list[float]:
    parts = text.split(",")
    try:
        if len(parts) <= MOST_WEIGHTS:
            return [float(part) for part in parts]
    except ValueError:
        pass
    raise InputError(f"--weights {shortened(text)} must be up to {MOST_WEIGHTS} numbers by comma, such as 0,0.5,1")


def _given(args: argparse.Namespace, name: str) -> bool:
    return getattr(args, name) is not None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
