"""Command lines: mistakes in one line, and numbers within bounds."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from common.errors import shown

DEVICES = ("auto", "cpu", "cuda")  # of `common.device`, which needs torch
MOST_SHARDS = 10_000

Shard = tuple[int, int]  # which, from 1, of how many


class Parser(argparse.ArgumentParser):
    """Options in full only; a mistake is one line and exit code 2, as every other one."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {shown(message)} (--help lists the options)\n")


def folder(text: str) -> Path:
    """The type of an option: a folder to write to. An empty text, of a variable that was not set, is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a folder")
    return Path(text)


def place(text: str) -> Path:
    """The type of an option: a file or a folder to read. An empty text is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a file or a folder")
    return Path(text)


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of an option: whole numbers from low to high."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{shortened(text)} is not a whole number from {low} to {high}")
        return number

    return parse


def real(low: float, high: float) -> Callable[[str], float]:
    """The type of an option: numbers from low to high."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{shortened(text)} is not a number from {low:g} to {high:g}")
        return number

    return parse


def shard(text: str) -> Shard:
    """The type of an option: `2/4`."""
    found = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text)
    which, count = (int(number) for number in found.groups()) if found else (0, 0)
    if not 1 <= which <= count <= MOST_SHARDS:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is no shard such as 2/4, the second of four")
    return which, count


def shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
