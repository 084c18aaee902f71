"""Hyper-parameters as plain nested dicts, and back, with strict keys and types."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, get_type_hints

from params import Params


def params_to_dict(params: Params) -> dict[str, Any]:
    """Nested dict of plain values, fit for a checkpoint or a YAML file."""
    return asdict(params)


def params_from_dict(values: Mapping[str, Any], base: Params | None = None) -> Params:
    """`base` (the defaults) with the given values.

    values: nested ({"train": {"steps": 10}}) or dotted ({"train.steps": 10}), or both.
    Raises ValueError for an unknown key, naming the nearest one, or for a value of the wrong type.
    """
    params = Params() if base is None else base
    for key, value in _flatten(values).items():
        params = _with(params, key.split("."), value, key)
    return params


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def known_keys(node: Any = None, prefix: str = "") -> list[str]:
    """Every dotted key there is."""
    node = Params() if node is None else node
    keys = []
    for item in fields(node):
        value = getattr(node, item.name)
        keys += known_keys(value, f"{prefix}{item.name}.") if is_dataclass(value) else [f"{prefix}{item.name}"]
    return keys


def _with(node: Any, path: list[str], value: Any, key: str) -> Any:
    hints = get_type_hints(type(node))
    name = path[0]
    child = getattr(node, name, None)
    if name not in hints or is_dataclass(child) != (len(path) > 1):
        nearest = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.0)
        raise ValueError(f"there is no parameter {key!r}; did you mean {nearest[0]!r}?")
    if len(path) > 1:
        return replace(node, **{name: _with(child, path[1:], value, key)})
    return replace(node, **{name: _checked(value, hints[name], key)})


def _checked(value: Any, kind: Any, key: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == tuple[int, ...]:
        if isinstance(value, list | tuple) and all(isinstance(v, int) and not isinstance(v, bool) for v in value):
            return tuple(value)
        raise ValueError(f"{key} must be a list of whole numbers, not {value!r}")
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        raise ValueError(f"{key} must be {names[kind]}, not {value!r}")
    return value
