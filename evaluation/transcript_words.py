"""Text as the words that are compared when a transcript is scored.

Both sides go through it, so that writing does not count as an error: 16 / sixteen, $40 / forty dollars, it's / its,
colour / color, e-mail / e mail.
"""

from __future__ import annotations

import re

from text.normalise import normalise
from text.numbers import cardinal

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
_SCALES = frozenset(("hundred", "thousand", "million", "billion"))
_FILLERS = frozenset(("uh", "um", "hmm", "mm", "mhm"))


def transcript_words(text: str) -> list[str]:
    """Lower-case words of a-z alone, numbers written out; empty when there is nothing to say in the text."""
    bare = re.sub("[^a-z ]", "", re.sub("[-—]", " ", normalise(text)))
    words = [_SPELLINGS.get(word, word) for word in bare.split() if word not in _FILLERS]
    words = " ".join(words).split()
    # "one hundred and five" is what "105" is read as too
    return [
        word
        for i, word in enumerate(words)
        if not (word == "and" and 0 < i < len(words) - 1 and words[i - 1] in _SCALES and words[i + 1] in _NUMBER_WORDS)
    ]
