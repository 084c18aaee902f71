"""Numbers in words, and Roman numerals where the words around them leave no doubt."""

from __future__ import annotations

import re

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = [
    "zero",
    "ten",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
_SCALES = [
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
]
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MAX_DIGITS = 3 * (len(_SCALES) + 1)  # longer numbers are read digit by digit


def _below_hundred(n: int) -> str:
    if n < 20:
        return _SMALL[n]
    return _TENS[n // 10] + (f"-{_SMALL[n % 10]}" if n % 10 else "")


def _below_thousand(n: int, joint: str) -> str:
    if n < 100:
        return _below_hundred(n)
    return f"{_SMALL[n // 100]} hundred" + (f"{joint}{_below_hundred(n % 100)}" if n % 100 else "")


def cardinal(n: int, joint: str = " ", group: str = " ") -> str:
    """0 <= n < 10 ** MAX_DIGITS in words: 1234 -> one thousand two hundred thirty-four.

    `joint` stands between hundreds and tens, `group` between groups of three digits.
    """
    if not 0 <= n < 10**MAX_DIGITS:
        raise ValueError(f"{n} cannot be read as a number: 0 to 10**{MAX_DIGITS} - 1 can")
    if n < 1000:
        return _below_thousand(n, joint)
    rest, parts = n // 1000, []
    for scale in _SCALES:
        if rest % 1000:
            parts.append(f"{_below_thousand(rest % 1000, joint)} {scale}")
        rest //= 1000
    words = group.join(reversed(parts))
    last = n % 1000
    if last:
        words += (joint if last < 100 else group) + _below_thousand(last, joint)
    return words


def to_ordinal(words: str) -> str:
    """The ordinal of a number in words: twenty-one -> twenty-first."""
    start = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[start:]
    regular = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return words[:start] + _ORDINALS.get(last, regular)


def to_plural(words: str) -> str:
    """twenty -> twenties, two thousand -> two thousands, six -> sixes."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith("x") else f"{words}s"


def digits(text: str, zero: str = "zero") -> str:
    """Digit by digit: 107 -> one zero seven."""
    return " ".join(zero if digit == "0" else _SMALL[int(digit)] for digit in text)


def whole(text: str) -> str:
    """A string of digits as a cardinal, or digit by digit when it starts with 0 or is too long to be a quantity."""
    if (len(text) > 1 and text[0] == "0") or len(text) > MAX_DIGITS:
        return digits(text)
    return cardinal(int(text))


def decimal(text: str) -> str:
    """12, 3.14 or .5 in words; commas between thousands are allowed."""
    before, point, after = text.replace(",", "").partition(".")
    words = whole(before) if before else ""
    return f"{words} point {digits(after)}".strip() if point else words


def pairs(n: int) -> str:
    """A number of four digits as two of two: 1984 -> nineteen eighty-four, 1905 -> nineteen oh five."""
    high, low = divmod(n, 100)
    tail = f"oh {_SMALL[low]}" if low < 10 else _below_hundred(low)
    return f"{_below_hundred(high)} {tail}"


def year(n: int) -> str:
    """A year of four digits: 1900 -> nineteen hundred, 2005 -> two thousand five, 2024 -> twenty twenty-four."""
    if n % 1000 < 10:
        return cardinal(n)
    return f"{_below_hundred(n // 100)} hundred" if n % 100 == 0 else pairs(n)


_ROMAN = re.compile(r"(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}
_NUMBERED = (
    r"Chapter|Part|Book|Act|Scene|Volume|Section|Article|Appendix|Phase|Stage|Type|Class|Title|Mark|Canto|Level|"
    r"World War|Super Bowl|Final Fantasy|Apollo|CHAPTER|PART|BOOK|ACT|SCENE|VOLUME"
)
_MONARCHS = (
    r"Henry|Edward|George|Louis|Charles|James|William|Richard|Elizabeth|Mary|Catherine|Napoleon|Francis|Frederick|Philip|"
    r"Pius|Paul|Benedict|Leo|Gregory|Clement|Innocent|Urban|Nicholas|Alexander|Ferdinand|Otto|Ivan|Peter|Leopold|"
    r"Albert|Alfonso|Ramses|Ramesses|Xerxes|Darius|Ptolemy|Boniface|Sixtus|Rudolf|Wilhelm|Gustav|Gustavus|Christian|"
    r"Haakon|Harald|Olav|Constantine|Margaret|Margrethe|Isabella|Robert|David|Malcolm|Sigismund"
)
_SMALL_NUMBERED = _NUMBERED.split("|World War")[0].lower()  # "type II", but not "the part I"
_NUMERAL_ENDS = r"\b(?!')(?!\.\w)"
_NUMBERED_ROMAN = re.compile(rf"\b({_NUMBERED})(\s+)([IVXL]{{2,}}|[IVX]){_NUMERAL_ENDS}")
_SMALL_NUMBERED_ROMAN = re.compile(rf"\b({_SMALL_NUMBERED})(\s+)([IVXL]{{2,}}){_NUMERAL_ENDS}")
_ABBREVIATED_ROMAN = re.compile(rf"\b((?:[Vv]ol|[Ff]ig|[Cc]h|[Nn]o|[Ss]ec)\.)(\s*)([IVXL]{{2,}}){_NUMERAL_ENDS}")
_WORLD_WAR = re.compile(rf"\bWW\s?(I{{1,3}}){_NUMERAL_ENDS}")
_MONARCH_ROMAN = re.compile(rf"\b({_MONARCHS})(\s+)([IVX]{{2,}}|V(?!\.\s?[A-Z]))\b(?!\.\w)")
_PRONOUN = re.compile(r"\s+[a-z]")  # "the part I like"


def roman_value(numeral: str) -> int | None:
    """The value of a numeral up to LXXXIX, or None when it is none."""
    if not numeral or not _ROMAN.fullmatch(numeral):
        return None
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def expand_roman(text: str) -> str:
    """Chapter IV -> Chapter four; Henry VIII -> Henry the eighth."""

    def numbered(match: re.Match) -> str:
        n = roman_value(match[3])
        is_pronoun = match[3] == "I" and match[1].lower() in ("part", "type", "mark", "title", "book")
        if n is None or (is_pronoun and _PRONOUN.match(text, match.end())):
            return match[0]
        return f"{match[1]}{match[2]}{cardinal(n)}"

    def monarch(match: re.Match) -> str:
        n = roman_value(match[3])
        return match[0] if n is None else f"{match[1]}{match[2]}the {to_ordinal(cardinal(n))}"

    def abbreviated(match: re.Match) -> str:
        n = roman_value(match[3])  # in digits, before which the abbreviation is read
        return match[0] if n is None else f"{match[1]}{match[2]}{n}"

    text = _WORLD_WAR.sub(lambda m: f"World War {m[1]}", text)
    text = _NUMBERED_ROMAN.sub(numbered, text)
    text = _SMALL_NUMBERED_ROMAN.sub(numbered, text)
    text = _ABBREVIATED_ROMAN.sub(abbreviated, text)
    return _MONARCH_ROMAN.sub(monarch, text)
