"""What can be taken of a recording, and what names give in its place. No torch here: the command line asks."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from common.arguments import shortened
from common.errors import InputError

VOICE, MANNER, MELODY = PARTS = ("voice", "manner", "melody")
NOBODYS_VOICE = "b's voice is nobody's: give its name, or take it from b's recording, or from a's alone"


def parse_parts(text: str) -> tuple[str, ...]:
    """The type of an option: some of `PARTS` by comma, in any order, none twice."""
    parts = tuple(part.strip() for part in text.split(","))
    if not set(parts) <= set(PARTS) or len(set(parts)) < len(parts):
        raise ArgumentTypeError(f"{shortened(text)} must be some of {', '.join(PARTS)}, by comma")
    return parts


def parts_taken(take: Collection[str] | None, speaker_named: bool, emotion_named: bool, hears: bool) -> frozenset[str]:
    """Which of `PARTS` come from a recording; what is given by name wins, unless both are asked for.

    take: None for everything that is not given by name. hears: whether the model reads voices and manners; one that
    does not takes the melody, and of the voice the timbre alone.

    Raises InputError for a part that there is not, that the model cannot take, or that is given twice.
    """
    if take is None:
        if not hears:
            return frozenset((MELODY,))
        return frozenset(PARTS) - ({VOICE} if speaker_named else set()) - ({MANNER} if emotion_named else set())
    for part in take:
        if part not in PARTS:
            raise InputError(f"a recording has no {part!r} to take; it has {', '.join(PARTS)}")
    for part, named, option in ((VOICE, speaker_named, "speaker"), (MANNER, emotion_named, "emotion")):
        if part in take and not hears:
            raise InputError(f"this checkpoint hears no {part} in a recording; take the melody alone, or use another")
        if part in take and named:
            raise InputError(f"the {part} is to be taken from the recording, and the {option} is given too; drop one")
    return frozenset(take)


@dataclass(frozen=True)
class Given:
    """What options say of a style; take, ref: as `Synthesiser.synthesise` has them."""

    speaker: str | None = None
    emotion: str | None = None
    ref: list[Path] | None = None
    take: Collection[str] | None = None

    def taken(self, hears: bool) -> frozenset[str]:
        """Which parts come from recordings, where there are any; raises InputError as `parts_taken`."""
        return parts_taken(self.take, self.speaker is not None, self.emotion is not None, hears)

    def sources(self, speaker: str, emotion: str, hears: bool) -> str:
        """One line: what comes from where; speaker, emotion: who speaks and how where no option says so."""
        taken = self.taken(hears) if self.ref else frozenset()
        own = {
            VOICE: f"voice of {self.speaker or speaker}",
            MANNER: f"manner: {self.emotion or emotion}",
            MELODY: "the melody is the text's own",
        }
        parts = [part for part in PARTS if part in taken] + (["timbre"] if self.ref and not hears else [])
        names = [str(path) for path in (self.ref or ())]
        shown = " and ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} others"
        return "; ".join(
            [
                *([f"{', '.join(parts)} of {shown}"] if parts else []),
                *(own[part] for part in PARTS if part not in taken),
            ]
        )


def shared_with(a: Given, b: Given, hears: bool) -> Given:
    """b with what it is not given itself taken from a: names, and, of a's recordings, the voice.

    The rest of a recording is a's alone: its melody would leave nothing to interpolate.

    Raises InputError where b's voice would be one of a's recordings, and b has recordings of its own for other parts.
    """
    taken = b.taken(hears) if b.ref else frozenset()
    voice = b.speaker is not None or VOICE in taken
    manner = b.emotion is not None or MANNER in taken
    shared = replace(
        b,
        speaker=b.speaker if voice else a.speaker,
        emotion=b.emotion if manner else a.emotion,
        take=tuple(taken) if b.ref else None,
    )
    if hears and not voice and a.ref and VOICE in a.taken(hears):
        if b.ref:
            raise InputError(NOBODYS_VOICE)
        shared = replace(shared, ref=a.ref, take=(VOICE,))
    return shared
