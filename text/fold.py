"""Any Unicode text to printable ASCII and the few signs that later steps read (currencies, degree, fraction slash)."""

from __future__ import annotations

import re
import unicodedata

KEPT = "£€¥₹¢°\u2044"

_SIGNS = {
    **dict.fromkeys("\u2018\u2019\u201b\u2032\u02bc\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2014\u2015\u2e3a\u2e3b", " -- "),  # never a minus
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u00ad", "-"),
    "\u00ad": "",  # soft hyphen
    "\u2212": " -",  # minus sign
    "\u2022": ", ",
    "\u00b7": " ",
    "\u00d7": " times ",
    "\u00f7": " divided by ",
    "\u00b1": " plus or minus ",
    "\u2248": " about ",
    "\u2264": " at most ",
    "\u2265": " at least ",
    "\u2260": " is not equal to ",
    "\u221e": " infinity ",
    "\u221a": " root ",
    "\u00b2": " squared ",
    "\u00b3": " cubed ",
    "\u00b5": "\u03bc",
    "\u2103": "\u00b0C",
    "\u2109": "\u00b0F",
    "\u2116": "No. ",
    "\u00bf": " ",
    "\u00a1": " ",
    "\u00a7": " section ",
    **dict.fromkeys("\u00a9\u00ae\u2122\u2120", " "),
    "\u00df": "ss",
    "\u1e9e": "SS",
    "\u00e6": "ae",
    "\u00c6": "Ae",
    "\u0153": "oe",
    "\u0152": "Oe",
    "\u00f8": "o",
    "\u00d8": "O",
    "\u0142": "l",
    "\u0141": "L",
    "\u0111": "d",
    "\u0110": "D",
    "\u00f0": "d",
    "\u00d0": "D",
    "\u00fe": "th",
    "\u00de": "Th",
    "\u0131": "i",
}
_TABLE = str.maketrans(_SIGNS)
_MINUS = re.compile("\u2212\\s+(?=\\d)")
_GROUPED = re.compile("(?<=\\d)[\u00a0\u202f\u2009](?=\\d{3}(?!\\d))")  # 10 000, by a space that does not break
_SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b"
_PLAIN_DIGITS = str.maketrans(_SUPERSCRIPTS, "0123456789+-")
_FOOTNOTE = re.compile(f"(?<=\\d)\u00b9(?![{_SUPERSCRIPTS}])")
# After a number; a single 2 or 3 is "squared" or "cubed".
_EXPONENT = re.compile(f"(?<=\\d)(?:[\u2070\u2074-\u2079]|[{_SUPERSCRIPTS}]{{2,}})")
_VULGAR_FRACTION = re.compile("[\u00bc-\u00be\u2150-\u215e\u2189]")
_GREEK = re.compile(r"GREEK (?:SMALL|CAPITAL) LETTER (?:FINAL )?([A-Z]+)(?: WITH .*| SYMBOL)?")


def _ascii(character: str) -> str:
    if " " <= character <= "~" or character in KEPT:
        return character
    if unicodedata.combining(character):
        return ""
    greek = _GREEK.fullmatch(unicodedata.name(character, ""))
    return f" {greek[1].lower()} " if greek else " "


def left_out(text: str) -> str:
    """The characters of a text that `fold` turns into nothing but a space, although they are none."""
    return "".join(c for c in text if not (c.isspace() or c in _SIGNS or unicodedata.combining(c) or fold(c).strip()))


def fold(text: str) -> str:
    """Accents are dropped, typographic signs become their plain forms, single Greek letters become their names.

    Characters without a plain form, such as other scripts, emoji and control characters, become spaces.
    """
    text = _GROUPED.sub(",", text)
    text = _FOOTNOTE.sub(" ", text)
    text = _EXPONENT.sub(lambda match: f" to the power of {match[0].translate(_PLAIN_DIGITS)}", text)
    text = _MINUS.sub("\u2212", text).translate(_TABLE)
    text = _VULGAR_FRACTION.sub(lambda match: f" {match[0]}", text)  # 2½ is not 21/2
    text = unicodedata.normalize("NFKC", text).translate(_TABLE)
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(map(_ascii, decomposed))
