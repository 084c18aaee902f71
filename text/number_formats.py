"""Numbers as they are written in running text: money, times, dates, units, fractions, years, plain numbers."""

from __future__ import annotations

import re
from collections.abc import Callable

from text.numbers import cardinal, decimal, digits, to_ordinal, to_plural, whole, year

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_SCALES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "bn": "billion",
    "b": "billion",
    "tn": "trillion",
    **{word: word for word in ("hundred", "thousand", "million", "billion", "trillion")},
}
_SCALE = r"(?:[\s-]?(hundred|thousand|million|billion|trillion)|([kKMB]|mn?|bn?|tn))?\b"

# symbol or code -> (singular, plural, singular and plural of its hundredth)
_DOLLAR = ("dollar", "dollars", "cent", "cents")
_CURRENCIES = {
    "$": _DOLLAR,
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "USD": _DOLLAR,
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
}

_UNITS = {
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "m/s": ("meter per second", "meters per second"),
    "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "nm": ("nanometer", "nanometers"),
    "m": ("meter", "meters"),
    "mi": ("mile", "miles"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "L": ("liter", "liters"),
    "ms": ("millisecond", "milliseconds"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "wk": ("week", "weeks"),
    "wks": ("week", "weeks"),
    "yr": ("year", "years"),
    "yrs": ("year", "years"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "dB": ("decibel", "decibels"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "mAh": ("milliamp hour", "milliamp hours"),
    "V": ("volt", "volts"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
    "°": ("degree", "degrees"),
}
_POWERS = {"squared": "square", "cubed": "cubic"}  # 5 m squared -> five square meters
_DENOMINATORS = {
    2: ("half", "halves"),
    3: ("third", "thirds"),
    4: ("quarter", "quarters"),
    **{n: (to_ordinal(cardinal(n)), f"{to_ordinal(cardinal(n))}s") for n in (5, 6, 7, 8, 9, 10, 12, 16, 32, 100)},
}
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MONTH = "|".join(_MONTHS)


def _alternatives(table: dict[str, object]) -> str:
    return "|".join(re.escape(key) for key in sorted(table, key=len, reverse=True))


def _is_one(number: str) -> bool:
    return number.replace(",", "") == "1"


def _before(match: re.Match) -> str:
    """The end of what lies before: enough for the longest word that is looked for there."""
    return match.string[max(0, match.start() - 10) : match.start()]


def _is_attribute(match: re.Match) -> bool:
    """Whether it lies between an article and a noun, as in a 12" record."""
    return bool(_ARTICLE.search(_before(match)) and _NOUN.match(match.string, match.end()))


def _measured(match: re.Match, number: str, one: str, many: str) -> str:
    return f"{decimal(number)} {one if _is_one(number) or _is_attribute(match) else many}"


def _day(text: str) -> str:
    return to_ordinal(cardinal(int(text)))


def _date(month: str, day: str, year_text: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{_MONTHS[int(month) - 1].lower()} {_day(day)}, {_year(year_text)}"


def _year(text: str) -> str:
    return year(int(text)) if 1000 <= int(text) <= 2999 else whole(text)


def _money(number: str, scale: str | None, names: tuple[str, str, str, str]) -> str:
    one, many, cent, cents = names
    if scale:
        return f"{decimal(number)} {_SCALES[scale.lower()]} {many}"
    before, _, after = number.replace(",", "").partition(".")
    if len(after) not in (0, 2):
        return f"{decimal(number)} {many}"
    parts = []
    if before.strip("0") or not after.strip("0"):
        parts.append(f"{whole(before or '0')} {one if before == '1' else many}")
    if after.strip("0"):
        parts.append(f"{cardinal(int(after))} {cent if int(after) == 1 else cents}")
    return " and ".join(parts)


def _symbol_first(match: re.Match) -> str:
    names = _CURRENCIES[match[1]]
    if _is_attribute(match):
        names = (names[0], names[0], *names[2:])  # a five-dollar bill
    return _money(match[2], match[3] or match[4], names)


def _symbol_last(match: re.Match) -> str:
    return _money(match[1], match[2] or match[3], _CURRENCIES[match[4]])


def _cents(match: re.Match) -> str:
    return f"{decimal(match[1])} {'cent' if _is_one(match[1]) else 'cents'}"


def _time(match: re.Match) -> str:
    hour, minute, second, half = match[1], match[2], match[3], match[4]
    words = cardinal(int(hour))
    if minute != "00" or second:
        words += f" {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"
    elif not half:
        words += " o'clock" if 1 <= int(hour) <= 12 else " hundred"
    if second:
        words += f" and {cardinal(int(second))} {'second' if int(second) == 1 else 'seconds'}"
    return words + (_half_of_day(half, match) if half else "")


def _hour(match: re.Match) -> str:
    return cardinal(int(match[1])) + _half_of_day(match[2], match)


def _half_of_day(half: str, match: re.Match) -> str:
    """am or pm as letters; its last full stop stays where it ends the sentence too."""
    ends = half.endswith(".") and _SENTENCE_ENDS.match(match.string, match.end())
    return f" {'ay' if half[0] in 'aA' else 'p'} m{'.' if ends else ''}"


def _unit(match: re.Match) -> str:
    number, hyphen, unit, power = match.groups()
    one, many = _UNITS[unit]
    if hyphen == "-":
        many = one  # a ten-kilometer run
    if power and " per " in one:
        return f"{_measured(match, number, one, many)} {power}"  # of what comes last
    square = f"{_POWERS[power]} " if power else ""
    return _measured(match, number, square + one, square + many)


def _fraction(match: re.Match) -> str:
    whole_part, numerator, denominator = match[1], int(match[2]), int(match[3])
    if denominator not in _DENOMINATORS or not 0 < numerator < denominator:
        return match[0]
    one, many = _DENOMINATORS[denominator]
    if numerator == 1:
        words = f"{'a' if whole_part or denominator == 2 else 'one'} {one}"
    else:
        words = f"{cardinal(numerator)} {many}"
    return f"{whole(whole_part)} and {words}" if whole_part else words


def _seconds(match: re.Match) -> str:
    """What lasts so long, has a space before its s, or a point in its number; 45s are records, and the 30s years."""
    number, space = match.groups()
    lasts = len(number) <= 2 and _LASTS.search(_before(match))
    return _measured(match, number, *_UNITS["sec"]) if space or "." in number or lasts else match[0]


def _decade(match: re.Match) -> str:
    n = int(match[1])
    return to_plural(year(n) if n > 99 else cardinal(n))


def _length(match: re.Match) -> str:
    """Feet or inches, unless the sign ends something quoted before."""
    before = match.string[: match.start()]
    is_inch = match[2] == '"'
    opened = len(_QUOTES.findall(before)) % 2 if is_inch else len(_OPENED.findall(before))
    return match[0] if opened else _measured(match, match[1], *(("inch", "inches") if is_inch else _UNITS["ft"]))


def _ordinal(match: re.Match) -> str:
    text = match[1].replace(",", "")
    return to_ordinal(whole(text))


def _plain(match: re.Match) -> str:
    text = match[0]
    if len(text) == 4 and 1100 <= int(text) <= 2099:
        return year(int(text))
    return whole(text)


def _phone(match: re.Match) -> str:
    return ", ".join(digits(group, zero="oh") for group in re.findall(r"\d+", match[0]))


_LASTS = re.compile(r"\b(?:an?|another|for|after|every|within|takes?|took|lasts?|lasted|waits?|waited)\s$", re.I)
_QUOTES = re.compile(r'(?<!\d)"')  # but for those of inches
_OPENED = re.compile(r"(?:^|[\s(])'(?!\d\d\b)")  # '90s opens nothing
_ARTICLE = re.compile(r"(?<!\w)[Aa]n?\s$")
_NOUN = re.compile(r"(?:\s|-(?!an?-))[a-z]")
_SENTENCE_ENDS = re.compile(r"\s*$|\s+[A-Z]")
_HALF = r"([ap]\.m\.|[ap]m\b|[AP]\.M\.|[AP]M\b)"
_UNIT = _alternatives(_UNITS)
_NO_END = r"(?:\.(?=\s+[a-z(]|[,;:]))?"  # the full stop of an abbreviation inside a sentence
_CURRENCY_SIGNS = "[$£€¥₹]"
_SIGNED = rf"(?:minus\s+)?{_CURRENCY_SIGNS}?\.?\d"
# What a rate is by, and its short forms.
_BY = {
    **{
        name: name
        for name in ("second", "minute", "hour", "day", "night", "week", "month", "year", "person", "head", "unit")
    },
    **{
        name: name
        for name in ("page", "share", "seat", "user", "item", "pound", "kilogram", "ounce", "gallon", "ton", "mile")
    },
    "sec": "second",
    "min": "minute",
    "hr": "hour",
    "wk": "week",
    "mo": "month",
    "yr": "year",
    "lb": "pound",
    "kg": "kilogram",
    "oz": "ounce",
    "gal": "gallon",
}
_RULES: tuple[tuple[str, str | Callable[[re.Match], str | None]], ...] = (
    (r"(?<=[A-Za-z])\^([23])(?!\d)", lambda m: " squared" if m[1] == "2" else " cubed"),
    (r"\^\s?(?=-?\d)", " to the power of "),
    (r"(?<![\w.,'])\d{1,3}(?:'\d{3})+(?![\w'])", lambda m: m[0].replace("'", ",")),  # as the Swiss write them
    # ranges whose first end has a unit or an ending of its own
    (
        rf"(?<![\w.,])([\d.,]*\d)(\s?(?:{_HALF.replace('(', '(?:', 1)}|{_UNIT}|k|st|nd|rd|th|s))(?:\s-\s|-)"
        rf"(?={_CURRENCY_SIGNS}?\d)",
        lambda m: f"{m[1]}{m[2]} to ",
    ),
    # dates
    (r"\b(\d{4})-(\d{2})-(\d{2})\b", lambda m: _date(m[2], m[3], m[1])),
    (r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", lambda m: _date(m[1], m[2], m[3])),
    (rf"\b({_MONTH}) (\d{{1,2}})(?=\s*(?:[,.;:?!)]|$)(?!\d)|,? \d{{4}}\b)", lambda m: f"{m[1]} {_day(m[2])}"),
    (rf"(?<![\w.,/'-])({_NUMBER})(\s)?s\b", _seconds),
    (r"(?<![\d.,])'?(\d{2}|\d{3}0)'?s\b", _decade),
    (r"(?<![\w'])'(\d)(\d)(?![\d'])", lambda m: f"oh {cardinal(int(m[2]))}" if m[1] == "0" else f"{m[1]}{m[2]}"),
    # phone numbers
    (r"\(\d{3}\)\s?\d{3}-\d{4}(?![\d-])", _phone),
    (r"(?<![\d-])(?:(?:1-)?\d{3}-\d{3}-\d{4}|(?!\d00-\d\d00)\d{3}-\d{4})(?![\d-])", _phone),
    (r"(?<=\d)\s?-\s?(?=\d+(?:\.\d+)?\s?=)", " minus "),
    # ranges, of whatever follows; 1-1/2 is none
    (rf"(?<=[\d%])(?:\s-\s|-)(?={_CURRENCY_SIGNS}?\d)(?!\d+[/\u2044])", " to "),
    # signs
    (rf"(?<![\w.)-])({_CURRENCY_SIGNS})-(?=\.?\d)", lambda m: f"minus {m[1]}"),
    (rf"(?<![\w.)-])-(?={_CURRENCY_SIGNS}?\.?\d)", "minus "),
    (r"(?<![\w.])\+\s?(?=\d)", "plus "),
    (rf"~\s?(?={_CURRENCY_SIGNS}?\d)", "about "),
    (r"#\s?(?=\d)", "number "),
    # sizes and comparisons, before the units and signs of their numbers become words
    (r"(?<=\d)\s?x\s?(?=\d)", " by "),
    (
        rf"(?<=\d)(\s?(?:{_UNIT}|[%£€¥₹]))?\s?([<>])\s?(?={_SIGNED})",
        lambda m: f"{(m[1] or '').lstrip()} is {'less' if m[2] == '<' else 'greater'} than ",
    ),
    # rates
    (
        rf"(?<![\d.,])((?:{_NUMBER})(?:\s?[A-Za-z]+(?:[\s-][A-Za-z]+)?)?)\s?/\s?({'|'.join(_BY)})\b",
        lambda m: f"{m[1]} per {_BY[m[2]]}",
    ),
    (r"(?<=\d)-(an?)-(?=[a-z])", lambda m: f" {m[1]} "),
    # money
    (rf"(?<!\d)(?:\bUS)?({_CURRENCY_SIGNS})\s?({_NUMBER}){_SCALE}", _symbol_first),
    (rf"(?<![\d.,])({_NUMBER}){_SCALE}\s?([£€¥₹]|USD\b|EUR\b|GBP\b)", _symbol_last),
    (rf"(?<![\d.,])({_NUMBER})\s?¢", _cents),
    # times of day
    (rf"(?<![\d:.,])(\d|[01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?:\s?{_HALF})?", _time),
    (rf"(?<![\d:.,])(\d|1[0-2])\s?{_HALF}", _hour),
    # quantities
    (r"\b(\d)'\s?(\d{1,2})(?:\"|\b)", lambda m: f"{cardinal(int(m[1]))} foot {cardinal(int(m[2]))}"),
    (rf"(?<![\w.,/'])({_NUMBER})(['\"])(?![\w'\"])", _length),
    (rf"(?<![\d.,/\u2044])({_NUMBER})(\s|-)?({_UNIT})(?![\w/]){_NO_END}(?:\s+(squared|cubed)\b)?", _unit),
    (rf"(?<![\d.,/\u2044])({_NUMBER})\s?%", lambda m: f"{decimal(m[1])} percent"),
    (r"(?<![\d.,/])(?:(\d+)[ -])?(\d{1,4})[/\u2044](\d{1,4})(?![\d/])(?:(?:st|nd|rd|th)s?\b)?", _fraction),
    (r"(?<![\d.,])(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th|ST|ND|RD|TH)\b", _ordinal),
    # ranges, scores, ratios
    (r"(?<=\d)\s?-\s?(?=\d)", " to "),
    (r"(?<=\d)\s?:\s?(?=\d)", " to "),
    (r"(?<=\d)\s?[/\u2044]\s?(?=\d)", " "),
    # plain numbers
    (r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,]*\d)", lambda m: decimal(m[0])),
    (r"(?<![\d.])(?:\d+)?\.\d+(?!\.?\d)", lambda m: decimal(m[0])),
    (r"(?<=\d)\.(?=\d)", " point "),
    (r"\d+", _plain),
)
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _RULES)


def _spaced(replacement: str | Callable[[re.Match], str | None]) -> Callable[[re.Match], str]:
    """Words that replace digits must not touch the letters around them: MP3 is not "MPthree"."""

    def replace(match: re.Match) -> str:
        words = replacement if isinstance(replacement, str) else replacement(match)
        if words is None or words == match[0]:
            return match[0]
        before = match.string[match.start() - 1 : match.start()]
        after = match.string[match.end() : match.end() + 1]
        return f"{' ' if before.isalnum() else ''}{words}{' ' if after.isalnum() else ''}"

    return replace


def expand(text: str) -> str:
    """Every digit of folded text (see `text.fold`) becomes words."""
    for pattern, replacement in _COMPILED:
        text = pattern.sub(_spaced(replacement), text)
    return text
