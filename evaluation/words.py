"""What is said in a text, as words and syllables, and what of it was heard."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import InputError
from evaluation.speech import Speech
from params import Audio
from text.front_end import front_end
from text.normalise import normalise
from text.numbers import cardinal
from text.symbols import SYMBOLS, VOWELS

_VOWELS = frozenset(VOWELS)
_SPELLINGS = {
    "colour": "color", "colours": "colors", "favour": "favor", "favourite": "favorite", "neighbour": "neighbor",
    "neighbours": "neighbors", "honour": "honor", "labour": "labor", "harbour": "harbor", "behaviour": "behavior",
    "grey": "gray", "theatre": "theater", "centre": "center", "metre": "meter", "metres": "meters", "litre": "liter",
    "travelling": "traveling", "travelled": "traveled", "traveller": "traveler", "jewellery": "jewelry",
    "realise": "realize", "realised": "realized", "organise": "organize", "organised": "organized",
    "recognise": "recognize", "recognised": "recognized", "apologise": "apologize", "apologised": "apologized",
    "defence": "defense", "licence": "license", "programme": "program", "cheque": "check", "mum": "mom",
    "towards": "toward", "afterwards": "afterward", "ok": "okay", "alright": "all right", "pyjamas": "pajamas",
    "plough": "plow", "storey": "story", "tyre": "tire", "tyres": "tires", "leapt": "leaped", "whilst": "while",
}  # fmt: skip
_NUMBER_WORDS = frozenset(cardinal(n) for n in (*range(1, 20), *range(20, 100, 10)))
_INITIALS = re.compile(r"\b(?:[A-Z]\.){2,}|\b[Pp]h\.D\.")
_SCALES = frozenset(("hundred", "thousand", "million", "billion"))
_FILLERS = frozenset(("uh", "um", "hmm", "mm", "mhm"))


def transcript_words(text: str) -> list[str]:
    """Lower-case words of a-z alone, numbers written out; empty when there is nothing to say in the text."""
    together = _INITIALS.sub(lambda match: match[0].replace(".", ""), text)  # T.V. is TV
    bare = re.sub("[^a-z ]", "", re.sub("[-—]", " ", normalise(together)))
    words = [_SPELLINGS.get(word, word) for word in bare.split() if word not in _FILLERS]
    words = " ".join(words).split()
    # "one hundred and five" is what "105" is read as too
    return [
        word
        for i, word in enumerate(words)
        if not (word == "and" and 0 < i < len(words) - 1 and words[i - 1] in _SCALES and words[i + 1] in _NUMBER_WORDS)
    ]


@dataclass(frozen=True)
class ErrorRate:
    """errors / length of the reference; of many sentences: the sum of the errors over the sum of the lengths."""

    errors: int
    length: int

    @property
    def rate(self) -> float:
        return self.errors / self.length if self.length else float("nan")


def word_errors(transcript: str, text: str) -> ErrorRate:
    heard, said = transcript_words(transcript), transcript_words(text)
    return ErrorRate(edit_distance(heard, said), len(said))


def character_errors(transcript: str, text: str) -> ErrorRate:
    """Blanks between words count as characters."""
    heard, said = (" ".join(transcript_words(each)) for each in (transcript, text))
    return ErrorRate(edit_distance(heard, said), len(said))


def edit_distance(a: Sequence, b: Sequence) -> int:
    """Least number of insertions, deletions and replacements (Levenshtein, 1966)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


@functools.lru_cache(maxsize=4096)
def count_syllables(text: str) -> int:
    """Vowels of the text's ARPAbet pronunciation."""
    return sum(symbol in _VOWELS for symbol in _front_end().encode(text).symbols)


def is_readable(text: str) -> bool:
    """Whether the front end finds something to speak in it; another script, spoken by its own phonemes, has nothing."""
    try:
        return bool(_front_end().encode(text).ids)
    except InputError:
        return False


def speaking_rate(text: str, speech: Speech, audio_params: Audio) -> float:
    """Syllables a second, from the first to the last active frame; pauses inside count."""
    start, end = speech.span
    return count_syllables(text) / ((end - start) * audio_params.hop_length / audio_params.sample_rate)


@functools.lru_cache(maxsize=1)
def _front_end():
    return front_end("arpabet", SYMBOLS, add_blank=False)
