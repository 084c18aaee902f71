"""Two styles in one utterance; see docs/interpolation.md.

A kind is one file here and one line in `KINDS`. Its settings are its dataclass: flags, `params.interpolation` and
defaults follow from it. Such a file imports what needs torch where it is used: the command line is read without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from model.interpolation.kind import Kind, settings_of
from model.interpolation.linear import Linear
from model.interpolation.same_time import SameTime
from model.interpolation.staged import Staged
from model.interpolation.temporal import Temporal
from model.interpolation.two_noise import TwoNoise

KINDS: dict[str, type[Kind]] = {
    "linear": Linear,
    "temporal": Temporal,
    "same-time": SameTime,
    "staged": Staged,
    "two-noise": TwoNoise,
}


def make_kind(name: str, defaults: Any, settings: Mapping[str, Any] | None = None) -> Kind:
    """The kind of that name; defaults: `params.interpolation`, over which the settings count.

    Raises ValueError for a setting out of range, or a kind that there is not.
    """
    if name not in KINDS:
        raise ValueError(f"there is no interpolation {name!r}; there are {', '.join(KINDS)}")
    known = [setting.name for setting in fields(KINDS[name])]
    values = {setting: getattr(defaults, setting) for setting in known if hasattr(defaults, setting)}
    return KINDS[name](**{**values, **(settings or {})})


def parameters_of_kinds() -> list[tuple[str, type, Any]]:
    """Name, type and default of every setting that `params.interpolation` holds."""
    types = {name: hint for kind in KINDS.values() for name, hint in get_type_hints(kind).items()}
    return [
        (name, types[name], setting.default)
        for name, setting in settings_of(KINDS).items()
        if setting.default is not None
    ]


def name_of(kind: Kind) -> str:
    """The name of a kind in `KINDS`."""
    return next(name for name, known in KINDS.items() if known is type(kind))


__all__ = [
    "KINDS",
    "Kind",
    "Linear",
    "SameTime",
    "Staged",
    "Temporal",
    "TwoNoise",
    "make_kind",
    "name_of",
    "parameters_of_kinds",
]
