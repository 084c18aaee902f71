"""Models that are only there when the `eval` extra is installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

HOW_TO_INSTALL = "pip install -e .[eval]"


class NotInstalledError(Exception):
    """A column cannot be measured here; the message is what stands in its place."""


def require(*names: str) -> None:
    """Raise `NotInstalledError` if a module of these names cannot be found; imports nothing."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise NotInstalledError(f"not installed: {HOW_TO_INSTALL}")


def import_with_placeholders(name: str, placeholders: Mapping[str, Mapping[str, Any]]) -> ModuleType:
    """Import a module that imports others which it does not need for what is asked of it here.

    placeholders: names of those others, with the attributes that are read at import; each is really imported where it
    can be, and is otherwise an empty module while `name` is imported.
    """
    with _standing_in(placeholders):
        return importlib.import_module(name)


@contextmanager
def _standing_in(placeholders: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    added = []
    for name, attributes in placeholders.items():
        try:
            importlib.import_module(name)
        except Exception:  # missing, or built for another torch: either way it is unavailable
            module = ModuleType(name)
            module.__dict__.update(attributes)
            sys.modules[name] = module
            added.append(name)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]
