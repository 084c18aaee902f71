"""Words to ARPAbet phones: the CMU dictionary, then words derived from its words, then letter to sound."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from text import lexicon as dictionary
from text.letter_to_sound import guess
from text.pronunciation import Lexicon, Phones
from text.symbols import VOICELESS, VOWELS

_SIBILANTS = ("S", "Z", "SH", "ZH", "CH", "JH")
_SUFFIXES = {
    "ing": ("IH0", "NG"),
    "in'": ("IH0", "N"),
    "ly": ("L", "IY0"),
    "ness": ("N", "AH0", "S"),
    "less": ("L", "AH0", "S"),
    "ful": ("F", "AH0", "L"),
    "ment": ("M", "AH0", "N", "T"),
}
_CLITICS = {
    "'ll": ("AH0", "L"),
    "'ve": ("AH0", "V"),
    "'re": ("ER0",),
    "'d": ("D",),
    "'m": ("M",),
}
_SHORTEST_STEM = 3  # letters
_SHORTEST_PART = 5  # letters of each half of a compound; with less, the guess is right more often

# Overrides of the dictionary's first variant, as words are mostly said in running speech.
_FUNCTION_WORDS: dict[str, Phones] = {
    "a": ("AH0",),
    "the": ("DH", "AH0"),
    "and": ("AH0", "N", "D"),
}
_THE_BEFORE_VOWEL = ("DH", "IY0")

_VERB_CUES = frozenset(
    [
        "to",
        "will",
        "would",
        "can",
        "could",
        "shall",
        "should",
        "may",
        "might",
        "must",
        "don't",
        "didn't",
        "doesn't",
        "can't",
        "won't",
        "couldn't",
        "wouldn't",
        "i",
        "you",
        "we",
        "they",
        "let's",
        "please",
        "i'll",
        "you'll",
        "we'll",
        "they'll",
        "he'll",
        "she'll",
        "it'll",
    ]
)
_PERFECT_CUES = frozenset(
    [
        "have",
        "has",
        "had",
        "having",
        "i've",
        "you've",
        "we've",
        "they've",
        "was",
        "were",
        "is",
        "are",
        "be",
        "been",
        "being",
        "he",
        "she",
        "it",
        "who",
        "i'd",
        "he'd",
        "she'd",
    ]
)
_NOUN_CUES = frozenset(
    [
        "a",
        "the",
        "this",
        "that",
        "his",
        "her",
        "its",
        "my",
        "your",
        "our",
        "their",
        "of",
        "no",
        "any",
    ]
)

_CLAUSE_ENDS = (".", "!", "?", ";", ":")  # marks
# word -> (phones elsewhere, phones after a word of the set, the set)
_HOMOGRAPHS: dict[str, tuple[Phones, Phones, frozenset[str]]] = {
    word: (tuple(elsewhere.split()), tuple(after.split()), cues)
    for word, elsewhere, after, cues in (
        ("read", "R IY1 D", "R EH1 D", _PERFECT_CUES),
        ("lead", "L IY1 D", "L EH1 D", frozenset(["of", "molten"])),
        ("live", "L IH1 V", "L AY1 V", frozenset(["a", "the", "this", "was", "is", "are", "go", "went", "broadcast"])),
        ("lives", "L AY1 V Z", "L IH1 V Z", frozenset(["he", "she", "it", "who", "that", "one", "still", "now"])),
        ("use", "Y UW1 Z", "Y UW1 S", _NOUN_CUES | {"in", "into", "for"}),
        ("close", "K L OW1 S", "K L OW1 Z", _VERB_CUES),
        ("tear", "T EH1 R", "T IH1 R", frozenset(["a", "single"])),
        ("wind", "W IH1 N D", "W AY1 N D", _VERB_CUES),
        ("wound", "W UW1 N D", "W AW1 N D", frozenset(["was", "he", "she", "it", "had", "they"])),
        ("bow", "B AW1", "B OW1", frozenset(["a", "his", "her", "my"])),
        ("record", "R EH1 K ER0 D", "R IH0 K AO1 R D", _VERB_CUES),
        ("present", "P R EH1 Z AH0 N T", "P R IY0 Z EH1 N T", _VERB_CUES),
        ("object", "AA1 B JH EH0 K T", "AH0 B JH EH1 K T", _VERB_CUES),
        ("project", "P R AA1 JH EH0 K T", "P R AH0 JH EH1 K T", _VERB_CUES),
        ("produce", "P R AH0 D UW1 S", "P R OW1 D UW0 S", frozenset(["fresh", "local", "farm", "organic"])),
        ("conduct", "K AA1 N D AH0 K T", "K AH0 N D AH1 K T", _VERB_CUES),
        ("conflict", "K AA1 N F L IH0 K T", "K AH0 N F L IH1 K T", _VERB_CUES),
        ("contract", "K AA1 N T R AE2 K T", "K AH0 N T R AE1 K T", _VERB_CUES),
        ("desert", "D EH1 Z ER0 T", "D IH0 Z ER1 T", _VERB_CUES),
        ("excuse", "IH0 K S K Y UW1 Z", "IH0 K S K Y UW1 S", _NOUN_CUES),
        ("house", "HH AW1 S", "HH AW1 Z", _VERB_CUES),
        ("increase", "IH1 N K R IY2 S", "IH0 N K R IY1 S", _VERB_CUES),
        ("permit", "P ER1 M IH2 T", "P ER0 M IH1 T", _VERB_CUES),
        ("rebel", "R EH1 B AH0 L", "R IH0 B EH1 L", _VERB_CUES),
    )
}


def _plural(stem: Phones) -> Phones:
    if stem[-1] in _SIBILANTS:
        return (*stem, "IH0", "Z")
    return (*stem, "S" if stem[-1] in VOICELESS else "Z")


def _past(stem: Phones) -> Phones:
    if stem[-1] in ("T", "D"):
        return (*stem, "IH0", "D")
    return (*stem, "T" if stem[-1] in VOICELESS else "D")


def _stem(*spellings: str) -> Phones | None:
    """The first spelling that the dictionary lists."""
    for spelling in spellings:
        phones = dictionary.first(spelling) if len(spelling) >= _SHORTEST_STEM else None
        if phones:
            return phones
    return None


def _stems(base: str) -> tuple[str, ...]:
    """Spellings whose ending may have changed to `base` before a vowel: lac -> lace, stopp -> stop, carri -> carry."""
    if len(base) > 2 and base[-1] == base[-2]:
        return base, base[:-1], f"{base}e"
    if base.endswith("i"):
        return base, f"{base[:-1]}y"
    return (f"{base}e", base) if base[-1:] in tuple("cgsuvz") else (base, f"{base}e")


def _inflected(word: str) -> Phones | None:
    if word.endswith("s") and not word.endswith("ss"):
        spellings = [word[:-1]]
        if word.endswith("ies"):
            spellings.append(f"{word[:-3]}y")
        elif word.endswith("es"):
            spellings.append(word[:-2])
        stem = _stem(*spellings)
        if stem:
            return _plural(stem)
    if word.endswith("ed"):
        stem = _stem(*_stems(word[:-2]))
        if stem:
            return _past(stem)
    for suffix, phones in _SUFFIXES.items():
        if word.endswith(suffix):
            base = word.removesuffix(suffix)
            changes = suffix[0] in "aeiou"
            stem = _stem(*(_stems(base) if changes else (base, f"{base[:-1]}y" if base.endswith("i") else base)))
            if stem:
                return (*stem, *phones[stem[-1] == phones[0] :])  # continual + ly has one L
    return None


def _compound(word: str) -> Phones | None:
    """Two listed words written as one; the split nearest the middle. The second loses its main stress."""
    cuts = range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    for cut in sorted(cuts, key=lambda cut: abs(2 * cut - len(word))):
        first, second = dictionary.first(word[:cut]), dictionary.first(word[cut:])
        if first and second:
            return (*first, *(phone.replace("1", "2") for phone in second))
    return None


@functools.lru_cache(maxsize=65536)
def pronounce(word: str) -> Phones:
    """The phones of one lower-case word by itself, of a-z, apostrophes and hyphens.

    A word outside the dictionary is derived from listed words where its spelling shows how, else guessed from its
    letters. Empty only for a word without letters.
    """
    listed = dictionary.first(word)
    if listed:
        return _FUNCTION_WORDS.get(word, listed)
    if "-" in word:
        return sum((pronounce(part) for part in word.split("-")), ())
    for clitic, phones in _CLITICS.items():
        if word.endswith(clitic) and len(word) > len(clitic):
            return (*pronounce(word.removesuffix(clitic)), *phones)
    if word.endswith("n't") and len(word) > 3:
        return (*pronounce(word[:-3]), "AH0", "N", "T")
    if word.endswith("'s") and len(word) > 2:
        stem = pronounce(word[:-2])
        return _plural(stem) if stem else stem
    return _inflected(word) or _compound(word) or guess(word)


def pronounce_words(
    words: Sequence[str],
    lexicon: Lexicon | None = None,
    given: Sequence[Phones | None] | None = None,
    marks: Sequence[str] | None = None,
) -> list[Phones]:
    """The phones of each word of a text, with the reading that its neighbours suggest.

    lexicon: pronunciations that win over the dictionary; given: those that win over everything, None where there are
    none. marks: after each word, or ""; what stands before the end of a clause suggests nothing for what follows.
    """
    fixed = [_of_user(word, lexicon or {}) for word in words]
    if given is not None:
        fixed = [phones or own for phones, own in zip(given, fixed, strict=True)]
    phones = [known or pronounce(word) for word, known in zip(words, fixed, strict=True)]
    for i, word in enumerate(words):
        if fixed[i]:
            continue
        if word in _HOMOGRAPHS:
            elsewhere, after, cues = _HOMOGRAPHS[word]
            apart = i == 0 or (marks is not None and marks[i - 1] in _CLAUSE_ENDS)
            phones[i] = after if not apart and words[i - 1] in cues else elsewhere
        elif word == "the" and i + 1 < len(words) and phones[i + 1] and phones[i + 1][0] in VOWELS:
            phones[i] = _THE_BEFORE_VOWEL
    return phones


def _of_user(word: str, lexicon: Lexicon) -> Phones | None:
    """A word of the user's lexicon, its possessive, or a hyphenated word with a part from there."""
    if word in lexicon:
        return lexicon[word]
    if word.endswith("'s") and word[:-2] in lexicon:
        return _plural(lexicon[word[:-2]])
    parts = word.split("-")
    if len(parts) > 1 and any(part in lexicon for part in parts):
        return sum((lexicon.get(part) or pronounce(part) for part in parts), ())
    return None
