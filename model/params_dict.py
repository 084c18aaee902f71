"""Hyper-parameters as plain nested dicts, and back, with strict keys and types."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, get_type_hints

from params import Params

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_SHOWN = reprlib.Repr()  # of values in messages, which may be as large as their author likes
_SHOWN.maxlevel = 1


def params_to_dict(params: Params) -> dict[str, Any]:
    """Nested dict of plain values, fit for a checkpoint or a YAML file."""
    return asdict(params)


def params_from_dict(values: Mapping[str, Any], base: Params | None = None) -> Params:
    """`base` (the defaults) with the given values; whether they can be used together says `model.params_check`.

    values: nested ({"train": {"steps": 10}}) or dotted ({"train.steps": 10}), or both; the last one counts.
    Raises ValueError for an unknown key, naming the nearest one, or for a value of the wrong type.
    """
    params = Params() if base is None else base
    for key, value in values.items():
        params = _with(params, str(key).split("."), value, str(key))
    return params


def flat_params(params: Params) -> dict[str, Any]:
    """Every parameter by its dotted key, such as "train.steps"."""
    return {f"{group}.{name}": value for group, values in asdict(params).items() for name, value in values.items()}


def parameter_types() -> dict[str, Any]:
    """The type of every parameter by its dotted key."""
    return {
        f"{group.name}.{name}": kind
        for group in fields(Params)
        for name, kind in get_type_hints(type(getattr(Params(), group.name))).items()
    }


def _with(node: Any, path: list[str], value: Any, key: str) -> Any:
    name, rest = path[0], path[1:]
    hints = get_type_hints(type(node))
    child = getattr(node, name) if name in hints else None
    if name not in hints or (rest and not is_dataclass(child)):
        raise ValueError(f"there is no parameter {_SHOWN.repr(key)}; did you mean {_nearest(key)!r}?")
    if not is_dataclass(child):
        return replace(node, **{name: _checked(value, hints[name], key)})
    if rest:
        return replace(node, **{name: _with(child, rest, value, key)})
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} is a group of parameters; give one of them, such as {key}.{fields(child)[0].name}")
    for inner, inner_value in value.items():
        child = _with(child, str(inner).split("."), inner_value, f"{key}.{inner}")
    return replace(node, **{name: child})


def _nearest(key: str) -> str:
    """The known key that was probably meant: one of that very name in another group, else the most similar one."""
    known = list(parameter_types())
    same_name = [candidate for candidate in known if candidate.split(".")[1] == key.split(".")[-1]]
    return difflib.get_close_matches(key[:100], same_name or known, n=1, cutoff=0.0)[0]


def _checked(value: Any, kind: Any, key: str) -> Any:
    if kind is float and _is_whole(value) and abs(value) < 2**63:
        return float(value)
    if kind == tuple[int, ...]:
        if isinstance(value, list | tuple) and all(map(_is_whole, value)):
            return tuple(value)
        raise ValueError(f"{key} must be a list of whole numbers, not {_SHOWN.repr(value)}")
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ValueError(f"{key} must be {_WORDS[kind]}, not {_SHOWN.repr(value)}")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
