"""External embeddings, one vector an utterance: of the speaker (e.g. 256 wide) or of the emotion (e.g. 768 wide)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.files import read_bounded, replacing
from data.array_file import MOST_BYTES, read_array, read_arrays
from data.filelist import Utterance


def collect_embeddings(folder: str | os.PathLike, utterances: Sequence[Utterance]) -> dict[str, np.ndarray]:
    """Read `<stem of the wav>.npy`, anywhere below `folder`, for every utterance.

    Returns:
        stem -> (width,) float32, of one width.
    Raises:
        InputError: no such folder; a vector that is missing, ambiguous, not finite, or of another width.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the one that holds the .npy embeddings")
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.npy")):
        if path.stem in files:
            raise InputError(f"{path} and {files[path.stem]} have the same name; the wav's name must tell them apart")
        files[path.stem] = path
    owners: dict[str, str] = {}
    for utterance in utterances:
        if owners.setdefault(utterance.stem, str(utterance.wav)) != str(utterance.wav):
            raise InputError(
                f"{utterance.wav} and {owners[utterance.stem]} have the same name; embeddings go by the wav's name"
            )
    missing = sorted(set(owners) - set(files))
    if missing:
        raise InputError(f"{folder} has no embedding for {len(missing)} utterances, e.g. {missing[0]}.npy; add them")
    table = {stem: _read_vector(files[stem]) for stem in owners}
    widths = {len(vector): stem for stem, vector in table.items()}
    if len(widths) > 1:
        examples = ", ".join(f"{stem}.npy: {width}" for width, stem in sorted(widths.items()))
        raise InputError(f"the embeddings in {folder} differ in width ({examples}); use those of one model")
    return table


def write_embeddings(path: str | os.PathLike, table: dict[str, np.ndarray]) -> None:
    """Write stem -> vector as one .npz (`stems`, `vectors (N, width)`). Raises InputError if that cannot be done."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, stems=np.array(list(table)), vectors=np.stack(list(table.values())))


def read_embeddings(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read what `write_embeddings` wrote: stem -> (width,) float32.

    Raises:
        InputError: there is no such file, or it is something else.
    """
    try:
        arrays = read_arrays(read_bounded(path, MOST_BYTES))
        return dict(zip(arrays["stems"].tolist(), arrays["vectors"], strict=True))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not a table of embeddings ({error}); write it with prepare_data.py") from error


def _read_vector(path: Path) -> np.ndarray:
    try:
        vector = np.squeeze(read_array(path)).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a .npy array ({error}); make it again") from error
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise InputError(f"{path} must hold one finite vector, not an array of shape {vector.shape} or NaN")
    return vector
