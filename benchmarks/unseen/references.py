"""Recordings by voices that the model never met, made by the generator: references, and what they are judged by."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from data.audio import read_header
from data.generator.manners import STYLES, Manner, draw_manner
from data.generator.voices import Voice, unseen_voices
from params import Audio

SENTENCES = 10  # of the held-out ones, that every voice speaks
OTHERS = 5  # further ones, whose mean is the voice
MANNERS = 2  # of each voice, beside neutral
SEED = 31
_SECONDS = (4.0, 8.0)  # of a reference
_LONG_WORDS = 9  # of a sentence that lasts so long


@dataclass(frozen=True)
class UnseenVoice:
    """Paths of its recordings.

    reference: neutral; manners: the same sentence in other manners; others: other sentences; targets: the sentences.
    """

    name: str
    reference: Path
    manners: tuple[Path, ...]
    others: tuple[Path, ...]
    targets: tuple[Path, ...]


def judged_sentences(held_out: list[str]) -> list[str]:
    """The sentences that every voice speaks, out of all held-out ones."""
    return held_out[:: len(held_out) // SENTENCES][:SENTENCES]


def make_recordings(
    folder: Path, voice_packs: Path | None, held_out: list[str], development: bool
) -> Iterator[UnseenVoice]:
    """The voices, one after another; what is in the folder already is not made again.

    voice_packs: None if nothing is to be made. Raises InputError if something is missing then.
    """
    sentences = judged_sentences(held_out)
    rest = [text for text in held_out if text not in sentences]
    long = [text for text in rest if len(text.split()) >= _LONG_WORDS]
    maker = _Maker(folder, voice_packs)
    for number, voice in enumerate(unseen_voices(development)):
        others = [rest[(13 * number + 17 * i) % len(rest)] for i in range(OTHERS)]
        for tried in range(len(long)):
            text = long[(7 * number + tried) % len(long)]
            if text in others:  # which the voice is known by
                continue
            reference = maker.made(voice, f"reference_{tried}", text)
            if _SECONDS[0] <= read_header(reference).seconds <= _SECONDS[1]:
                break
        else:
            raise InputError(f"no sentence lasts {_SECONDS[0]:g} to {_SECONDS[1]:g} s by {voice.name}")
        manners = (
            maker.made(voice, f"manner_{i}", text, draw_manner(SEED, number, i, development)) for i in range(MANNERS)
        )
        yield UnseenVoice(
            voice.name,
            reference,
            tuple(manners),
            tuple(maker.made(voice, f"other_{i}", text) for i, text in enumerate(others)),
            tuple(maker.made(voice, f"target_{i}", text) for i, text in enumerate(sentences)),
        )


class _Maker:
    def __init__(self, folder: Path, voice_packs: Path | None) -> None:
        self._folder = folder
        self._voice_packs = voice_packs
        self._engine = None

    def made(self, voice: Voice, name: str, text: str, manner: Manner = STYLES["neutral"]) -> Path:
        # The text is in the name: with other sentences everything is made anew.
        path = self._folder / voice.name / f"{name}_{zlib.crc32(text.encode()):08x}.wav"
        if path.exists():
            return path
        if self._voice_packs is None:
            raise InputError(f"{path} is missing; give --voice-packs once, so that it is made")
        from data.generator.corpus import speak, write_spoken
        from data.generator.engine import KokoroEngine

        self._engine = KokoroEngine(self._voice_packs) if self._engine is None else self._engine
        write_spoken(path, speak(self._engine, text, voice, manner))
        assert read_header(path).sample_rate == Audio.sample_rate
        return path
