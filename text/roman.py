"""Roman numerals, where the words around them leave no doubt."""

from __future__ import annotations

import re

from text.numbers import cardinal, to_ordinal

_VALID = re.compile(r"X{0,3}(?:IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10}
_NUMBERED = (
    r"Chapter|Part|Book|Act|Scene|Volume|Vol\.|Section|Article|Appendix|Phase|Stage|Type|Class|Title|Mark|Canto|Level|"
    r"World War|Super Bowl|Final Fantasy|Apollo|CHAPTER|PART|BOOK|ACT|SCENE|VOLUME"
)
_MONARCHS = (
    r"Henry|Edward|George|Louis|Charles|James|William|Richard|Elizabeth|Mary|Catherine|Napoleon|Francis|Frederick|Philip|"
    r"Pius|Paul|Benedict|Leo|Gregory|Clement|Innocent|Urban|Nicholas|Alexander|Ferdinand|Otto|Ivan|Peter|Leopold|"
    r"Albert|Alfonso|Ramses|Ramesses|Xerxes|Darius|Ptolemy|Boniface|Sixtus|Rudolf|Wilhelm|Gustav|Gustavus|Christian|"
    r"Haakon|Harald|Olav|Constantine|Margaret|Margrethe|Isabella|Robert|David|Malcolm|Sigismund"
)
_NUMBERED_RE = re.compile(rf"\b({_NUMBERED})(\s+)([IVX]+)\b(?!')(?!\.\w)")
_MONARCH_RE = re.compile(rf"\b({_MONARCHS})(\s+)([IVX]{{2,}}|V)\b(?!\.\w)")
_PRONOUN = re.compile(r"\s+[a-z]")  # "the part I like"


def value(numeral: str) -> int | None:
    """The value of a numeral up to XXXIX, or None when it is none."""
    if not numeral or not _VALID.fullmatch(numeral):
        return None
    values = [_VALUES[letter] for letter in numeral]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def expand(text: str) -> str:
    """Chapter IV -> Chapter four; Henry VIII -> Henry the eighth."""

    def numbered(match: re.Match) -> str:
        n = value(match[3])
        is_pronoun = match[3] == "I" and match[1].lower() in ("part", "type", "mark", "title", "book")
        if n is None or (is_pronoun and _PRONOUN.match(text, match.end())):
            return match[0]
        return f"{match[1]}{match[2]}{cardinal(n)}"

    def monarch(match: re.Match) -> str:
        n = value(match[3])
        return match[0] if n is None else f"{match[1]}{match[2]}the {to_ordinal(cardinal(n))}"

    text = _NUMBERED_RE.sub(numbered, text)
    return _MONARCH_RE.sub(monarch, text)
