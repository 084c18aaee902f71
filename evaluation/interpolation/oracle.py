"""The oracle's numbers: the corpus's generator, with F0 alone exchanged."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from common.errors import InputError
from common.files import replacing
from evaluation.interpolation.pairs import SEED

ORACLE = "oracle (the generator)"
_Rows = Mapping[int, Mapping[str, Mapping[str, float]]]


def write_oracle(path: str | os.PathLike, rows: _Rows) -> None:
    """rows: numbers by text and row; rounded, for a small file."""
    rounded = {
        number: {row: {name: round(value, 4) for name, value in values.items()} for row, values in by_row.items()}
        for number, by_row in rows.items()
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"seed": SEED, "texts": rounded}) + "\n", encoding="utf-8")


def read_oracle(path: str | os.PathLike) -> dict[int, dict[str, dict[str, float]]]:
    """Numbers by text and row. Raises InputError for a file that is missing, of another kind or of other pairs."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if content["seed"] != SEED:
            raise InputError(f"{path} is of other pairs; make it again")
        return {int(number): rows for number, rows in content["texts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no numbers of the oracle ({error}); make it again") from error
