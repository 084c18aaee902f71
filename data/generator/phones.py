"""ARPAbet to the phoneme characters that Kokoro-82M was trained on, one group of characters for each symbol.

Kokoro predicts a duration for every character, so a one-to-many map gives exact durations of the ARPAbet symbols. The
British voices get British vowels, and an R that they would not speak becomes the length of the vowel before it.
"""

from __future__ import annotations

from collections.abc import Sequence

_CONSONANTS = {
    "B": "b", "CH": "ʧ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "ʤ", "K": "k", "L": "l", "M": "m",
    "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j",
    "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_VOWELS_US = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ", "EY": "A", "IH": "ɪ",
    "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u",
}  # fmt: skip
_VOWELS_UK = {**_VOWELS_US, "AA": "ɒ", "AE": "a", "AO": "ɔː", "ER": "ɜː", "IY": "iː", "OW": "Q", "UW": "uː"}
_UNSTRESSED_US = {"AH": "ə", "ER": "əɹ"}
_UNSTRESSED_UK = {"AH": "ə", "ER": "ə", "IY": "i"}
# British vowel before an R that is not spoken: (the vowel's characters, the R's).
_VOWEL_R_UK = {
    "AA": ("ɑ", "ː"), "AO": ("ɔ", "ː"), "EH": ("ɛ", "ː"), "IH": ("ɪ", "ə"), "IY": ("ɪ", "ə"), "UH": ("ʊ", "ə"),
    "UW": ("ʊ", "ə"), "AY": ("I", "ə"), "AW": ("W", "ə"), "AE": ("ɛ", "ː"),
}  # fmt: skip
_STRESS = {"1": "ˈ", "2": "ˌ"}
_PUNCTUATION = {"-": "—"}


def kokoro_groups(symbols: Sequence[str], british: bool, unstressed: Sequence[bool] | None = None) -> list[str]:
    """Characters for each ARPAbet symbol.

    symbols: phones with stress digits ("AH0"), " " between words, and punctuation.
    unstressed: for each symbol, whether its word is spoken without stress (function words).
    Raises ValueError for a symbol without a counterpart.
    """
    groups = []
    for i, symbol in enumerate(symbols):
        phone, digit = symbol.rstrip("012"), symbol[-1]
        following = next((s for s in symbols[i + 1 : i + 3] if s != " "), "")  # looks across one word boundary
        if symbol in _PUNCTUATION or symbol in " ,.!?;:":
            groups.append(_PUNCTUATION.get(symbol, symbol))
        elif phone in _CONSONANTS:
            before = symbols[i - 1] if i else ""
            if british and phone == "R" and before[:-1] in _VOWEL_R_UK and not _is_vowel(following):
                groups.append(_VOWEL_R_UK[before[:-1]][1])
            elif not british and phone == "T" and _is_vowel(before) and _flaps("".join(symbols[i + 1 : i + 2])):
                groups.append("T")  # the American flap
            else:
                groups.append(_CONSONANTS[phone])
        elif phone in _VOWELS_US:
            no_stress = digit == "0" or (unstressed is not None and unstressed[i])
            group = (_VOWELS_UK if british else _VOWELS_US)[phone]
            if no_stress:
                group = (_UNSTRESSED_UK if british else _UNSTRESSED_US).get(phone, group)
            next_symbol = symbols[i + 1] if i + 1 < len(symbols) else ""
            after_r = next((s for s in symbols[i + 2 : i + 4] if s != " "), "")
            if british and next_symbol == "R" and phone in _VOWEL_R_UK and not _is_vowel(after_r):
                group = _VOWEL_R_UK[phone][0]
            elif british and next_symbol == "R" and phone in _VOWEL_R_UK and symbols[i + 2] == " ":
                group = "".join(_VOWEL_R_UK[phone])  # linking R, as in "far away": spoken, after the full vowel
            elif british and phone == "ER" and _is_vowel(following):
                group += "ɹ"
            groups.append(("" if no_stress else _STRESS.get(digit, "")) + group)
        else:
            raise ValueError(f"no Kokoro character for the symbol {symbol!r}")
    return groups


def _is_vowel(symbol: str) -> bool:
    return symbol[-1:].isdigit()


def _flaps(symbol: str) -> bool:
    return symbol[-1:] == "0" and _is_vowel(symbol)
