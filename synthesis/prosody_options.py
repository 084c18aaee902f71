"""The command line of prosody and pronunciation. Torch has no part in it, so that what is wrong is said at once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.arguments import real
from synthesis.contour_file import Contour, read_contour
from text.pronunciation import Lexicon, read_lexicon
from text.prosody import BOUNDS, Prosody

_FIELDS = {"pitch_shift": "pitch", "pitch_range": "range", "speed": "rate", "volume": "volume"}


@dataclass(frozen=True)
class Asked:
    """What the command line asks of every text."""

    overall: Prosody
    contour: Contour | None
    phones: bool
    lexicon: Lexicon | None

    def arguments(self) -> dict[str, Any]:
        """Of `Synthesiser.requests` and those that call it."""
        from synthesis.prosody_edits import ProsodyEdits

        edits = ProsodyEdits(overall=self.overall, contour=self.contour)
        return {"edits": edits, "phones": self.phones, "lexicon": self.lexicon}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prosody", "of every text, whatever its style; docs/prosody.md")
    bounded = {name: real(*BOUNDS[field]) for name, field in _FIELDS.items()}
    group.add_argument("--pitch-shift", type=bounded["pitch_shift"], metavar="ST", help="semitones up, such as +2")
    group.add_argument(
        "--pitch-range", type=bounded["pitch_range"], metavar="X", help="stretches the melody about its median: 1.3"
    )
    group.add_argument("--speed", type=bounded["speed"], metavar="X", help="divides durations: .9 is slower")
    group.add_argument("--volume", type=bounded["volume"], metavar="DB", help="decibels up, such as -3")
    group.add_argument("--contour", type=Path, metavar="FILE", help="lines of seconds and Hz that replace the melody")
    group.add_argument("--phones", action="store_true", help="the texts are ARPAbet, with / between words")
    group.add_argument("--lexicon", type=Path, metavar="FILE", help="pronunciations: lines of a word and its ARPAbet")


def read_arguments(args: argparse.Namespace) -> Asked:
    """Raises InputError for a file that cannot be used."""
    given = {field: getattr(args, name) for name, field in _FIELDS.items()}
    return Asked(
        overall=Prosody(**{field: value for field, value in given.items() if value is not None}),
        contour=None if args.contour is None else read_contour(args.contour),
        phones=args.phones,
        lexicon=None if args.lexicon is None else read_lexicon(args.lexicon),
    )


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """As the report has them."""
    files = {name: getattr(args, name) for name in ("contour", "lexicon")}
    return {
        **{name: getattr(args, name) for name in (*_FIELDS, "phones")},
        **{name: None if path is None else str(path) for name, path in files.items()},
    }
