"""Pronunciations that a user writes: ARPAbet, IPA, and a file of them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping

from common.errors import InputError
from common.files import read_numbered_lines
from text.symbols import PHONES, VOWELS

Phones = tuple[str, ...]
Lexicon = Mapping[str, Phones]

_KNOWN = frozenset(PHONES)
_UNSTRESSED = frozenset(vowel[:-1] for vowel in VOWELS)
_WORD = re.compile(r"[a-z']+(?:-[a-z']+)*")
_VARIANT = re.compile(r"\(\d+\)$")

_IPA_VOWELS: dict[str, Phones] = {
    "i": ("IY",),
    "ɪ": ("IH",),
    "ɨ": ("IH",),
    "ᵻ": ("IH",),
    "e": ("EH",),
    "ɛ": ("EH",),
    "æ": ("AE",),
    "a": ("AE",),
    "ɑ": ("AA",),
    "ɒ": ("AA",),
    "ɔ": ("AO",),
    "o": ("OW",),
    "ʊ": ("UH",),
    "u": ("UW",),
    "ʌ": ("AH",),
    "ɐ": ("AH",),
    "ə": ("AH",),
    "ɜ": ("ER",),
    "ɝ": ("ER",),
    "ɚ": ("ER",),
    "ər": ("ER",),
    "əɹ": ("ER",),
    "ɜr": ("ER",),
    "ɜɹ": ("ER",),
    "eɪ": ("EY",),
    "aɪ": ("AY",),
    "ɔɪ": ("OY",),
    "aʊ": ("AW",),
    "oʊ": ("OW",),
    "əʊ": ("OW",),
    "ɪə": ("IH", "R"),
    "eə": ("EH", "R"),
    "ʊə": ("UH", "R"),
    **{
        f"{vowel}{r}": phones
        for r in "rɹ"
        for vowel, phones in (("ɪə", ("IH", "R")), ("eə", ("EH", "R")), ("ʊə", ("UH", "R")))
    },
}
_IPA_CONSONANTS: dict[str, Phones] = {
    **{letter: (letter.upper(),) for letter in "pbtdkgfvszmnlrw"},
    "ɡ": ("G",),
    "θ": ("TH",),
    "ð": ("DH",),
    "ʃ": ("SH",),
    "ʒ": ("ZH",),
    "h": ("HH",),
    "ŋ": ("NG",),
    "ɫ": ("L",),
    "ɹ": ("R",),
    "ɾ": ("T",),
    "ʔ": ("T",),
    "j": ("Y",),
    "ʍ": ("W",),
    "tʃ": ("CH",),
    "ʧ": ("CH",),
    "dʒ": ("JH",),
    "ʤ": ("JH",),
    "l\u0329": ("AH-", "L"),  # syllabic
    "m\u0329": ("AH-", "M"),
    "n\u0329": ("AH-", "N"),
}
_IPA = {**_IPA_VOWELS, **_IPA_CONSONANTS}
_SCHWAS = frozenset(["ə", "ɚ", "ər", "əɹ"])
_LONGEST = max(map(len, _IPA))
_STRESS = {"ˈ": "1", "'": "1", "ˌ": "2"}
_IPA_IGNORED = frozenset("ː.‿\u0361\u035c ")  # length, syllables, linking, tie bars


def read_phones(text: str) -> Phones:
    """ "HH AH0 L OW1" -> its phones; letters may be small.

    Raises:
        InputError: no phone at all, or one that is none; every vowel needs its stress digit.
    """
    phones = tuple(text.upper().split())
    if not phones:
        raise InputError("no phones; write ARPAbet such as HH AH0 L OW1")
    for phone in phones:
        if phone in _UNSTRESSED:
            raise InputError(f"the vowel {phone} has no stress: write {phone}0, {phone}1 or {phone}2")
        if phone not in _KNOWN:
            raise InputError(f"{_shown(phone)} is no ARPAbet phone; write such as HH AH0 L OW1, with blanks between")
    return phones


def read_ipa(text: str) -> Phones:
    """ "həˈloʊ" -> HH AH0 L OW1: the nearest English phones.

    Without any stress mark, the first vowel that is no schwa is stressed.

    Raises:
        InputError: a sign that stands for no English phone, or no phone at all.
    """
    text = unicodedata.normalize("NFC", text.strip().strip("/[]"))
    text = "".join(sign for sign in text if sign not in _IPA_IGNORED)
    phones: list[str] = []
    stress, marked, position = "0", False, 0
    while position < len(text):
        sign = text[position]
        if sign in _STRESS:
            stress, marked, position = _STRESS[sign], True, position + 1
            continue
        size = next((n for n in range(_LONGEST, 0, -1) if text[position : position + n] in _IPA), 0)
        if not size:
            raise InputError(f"{_shown(sign)} stands for no English phone in IPA; write English ones, or x-arpabet")
        found = text[position : position + size]
        position += size
        if found in _IPA_VOWELS:
            vowel, *rest = _IPA_VOWELS[found]
            # A schwa is told apart until the end: it is never the one that is stressed by default.
            schwa = stress == "0" and found in _SCHWAS
            phones += [f"{vowel}{'-' if schwa else stress}", *rest]
            stress = "0"
        else:
            phones += _IPA_CONSONANTS[found]
    if not phones:
        raise InputError("no phones; write IPA such as həˈloʊ")
    if not marked:
        first = next((i for i, phone in enumerate(phones) if phone[:-1] in _UNSTRESSED and phone[-1] == "0"), None)
        if first is not None:
            phones[first] = f"{phones[first][:-1]}1"
    return tuple(phone.replace("-", "0") for phone in phones)


def read_lexicon(path: str | os.PathLike) -> dict[str, Phones]:
    """Pronunciations by lower-case word from a UTF-8 file in the dictionary's format: `kubernetes  K UW2 B ER0 N ...`.

    Lines that are blank or begin with `#` or `;;;` are skipped, as are further variants, `word(2)`.

    Raises:
        InputError: the file cannot be read, or holds no word; with its line: a word of other signs than letters,
            apostrophes and inner hyphens, one that stands twice, or what is no phone.
    """
    found: dict[str, Phones] = {}
    for number, line in read_numbered_lines(path):
        place = f"{path}:{number}"
        columns = line.partition("#")[0].lower().split(maxsplit=1)
        if not columns or columns[0].startswith(";;;") or _VARIANT.search(columns[0]):
            continue
        word, phones = columns[0], columns[1] if len(columns) == 2 else ""
        if not _WORD.fullmatch(word):
            raise InputError(f"{place}: {_shown(word)} is no word of letters, apostrophes and inner hyphens; change it")
        if word in found:
            raise InputError(f"{place}: {word!r} stands twice; keep one of them")
        try:
            found[word] = read_phones(phones)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
    if not found:
        raise InputError(f"{path} holds no word; write lines such as: kubectl  K Y UW1 B K AH0 T AH0 L")
    return found


def _shown(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:17]}...")
