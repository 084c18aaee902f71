"""Readers of published corpora, by name; `kokoro`, which is generated, is apart."""

from __future__ import annotations

import sys

from data.corpora import esd, folder, kathleen, libritts, ljspeech, ravdess, vctk
from data.corpora.reading import Reader

READERS: dict[str, Reader] = {
    "ljspeech": ljspeech.read,
    "vctk": vctk.read,
    "libritts": libritts.read,
    "esd": esd.read,
    "ravdess": ravdess.read,
    "kathleen": kathleen.read,
    "folder": folder.read,
}


def layout(name: str) -> str:
    """How the folder of a corpus has to look, in words."""
    return sys.modules[READERS[name].__module__].__doc__
