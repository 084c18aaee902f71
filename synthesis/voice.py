"""Who speaks and how: speakers and emotions by name, id or embedding."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from common.errors import InputError
from data.array_file import read_array

Label = str | int | os.PathLike | np.ndarray


@dataclass(frozen=True)
class Choice:
    """A speaker or an emotion: its name, and its id (1,) or embedding (1, width)."""

    name: str
    value: Tensor


def choose_name(kind: str, wanted: str | int | None, names: Sequence[str], default: int = 0) -> Choice:
    """One of the model's names; a number that is not a name is an id.

    Raises:
        InputError: there is none such; the message lists the names.
    """
    names = list(names)
    if wanted is None:
        index = default
    elif isinstance(wanted, str) and wanted in names:
        index = names.index(wanted)
    else:
        whole = isinstance(wanted, Integral) and not isinstance(wanted, bool)
        digits = isinstance(wanted, str) and wanted.isascii() and wanted.isdecimal() and len(wanted) < 10
        index = int(wanted) if whole or digits else -1
        if not 0 <= index < len(names):
            raise InputError(f"there is no {kind} {str(wanted)!r}; {_listed(names)}")
    return Choice(names[index], torch.tensor([index]))


def choose_embedding(kind: str, wanted: Label | None, width: int) -> Choice:
    """The embedding in a `.npy` file, or a given one, for a model that was trained on embeddings.

    Raises:
        InputError: none is given, it cannot be read, or it is not `width` finite numbers.
    """
    if wanted is None or isinstance(wanted, Integral):
        raise InputError(f"this model takes {kind} embeddings: give a .npy file of {width} numbers as the {kind}")
    name = "embedding" if isinstance(wanted, np.ndarray) else str(wanted)
    try:
        vector = wanted if isinstance(wanted, np.ndarray) else read_array(wanted)
        vector = np.asarray(vector, dtype=np.float32).squeeze()
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name} is not a {kind} embedding ({reason}); give a .npy file of {width} numbers") from error
    if vector.shape != (width,) or not np.isfinite(vector).all():
        raise InputError(f"{name}: a {kind} embedding of this model is {width} finite numbers, not {vector.shape}")
    return Choice(name, torch.from_numpy(vector)[None])


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3 and list(names) == [str(i) for i in range(len(names))]:
        return f"this model has {names[0]} to {names[-1]}"
    return f"this model has {', '.join(names)}"
