"""Reads texts by the official front end in .peer/; a process of its own.

    PYTHONPATH=.peer python tests/peer/read_official_text.py <TEXTS >IDS

TEXTS is a JSON list of texts; IDS one of lists of ids, `text_to_sequence(text, dictionary=CMUDict())`. Where the
official code raises, the error's name stands instead.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
import warnings
from pathlib import Path


def main() -> None:
    # Of setuptools once; the official code asks it where its dictionary lies.
    resources = types.ModuleType("pkg_resources")
    folder = Path(importlib.util.find_spec("grad_tts").origin).parent / "text"
    resources.resource_filename = lambda _package, name: str(folder / name)
    sys.modules["pkg_resources"] = resources
    from grad_tts.text import text_to_sequence
    from grad_tts.text.cmudict import CMUDict

    warnings.simplefilter("ignore")
    dictionary = CMUDict()
    read: list[list[int] | str] = []
    for text in json.load(sys.stdin):
        try:
            read.append(text_to_sequence(text, dictionary=dictionary))
        except Exception as error:
            read.append(type(error).__name__)
    json.dump(read, sys.stdout)


if __name__ == "__main__":
    main()
