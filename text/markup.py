"""Markup: a subset of SSML 1.1 (W3C, 2010), from a document to stretches of text and what is asked of them.

The parser is expat, of the standard library, told to refuse a document type. Entities and external files can be
declared nowhere else, so a document can neither grow when it is read nor reach a file or a network. defusedxml does the
same to the same parser; ElementTree, which it wraps, does not say where an element stands, and messages need that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

from common.errors import InputError
from text.pronunciation import Phones, read_ipa, read_phones
from text.prosody import NEUTRAL, Prosody

MAX_CHARACTERS = 100_000
MAX_BREAK_SECONDS = 10.0
ALPHABETS: dict[str, Callable[[str], Phones]] = {"x-arpabet": read_phones, "ipa": read_ipa}

_BEGINS = re.compile(r"\s*<speak[\s/>]")
_NUMBER = r"(?P<sign>[+-]?)(?P<number>\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})"
_WITH_UNIT = re.compile(rf"{_NUMBER}(?P<unit>st|%|dB|ms|s|)")
_SILENT_DB = -96.0

# What the words of SSML stand for here.
_WORDS: dict[str, dict[str, float]] = {
    "pitch": {"x-low": -4, "low": -2, "medium": 0, "default": 0, "high": 2, "x-high": 4},
    "range": {"x-low": 0.4, "low": 0.7, "medium": 1, "default": 1, "high": 1.4, "x-high": 1.8},
    "rate": {"x-slow": 0.6, "slow": 0.8, "medium": 1, "default": 1, "fast": 1.25, "x-fast": 1.6},
    "volume": {"silent": _SILENT_DB, "x-soft": -12, "soft": -6, "medium": 0, "default": 0, "loud": 4, "x-loud": 8},
    "strength": {"none": 0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.2},
}
_EMPHASIS = {
    "none": NEUTRAL,
    "reduced": Prosody(pitch=-1, rate=1.1, volume=-2),
    "moderate": Prosody(pitch=1.5, rate=0.92, volume=1.5),
    "strong": Prosody(pitch=3, rate=0.85, volume=3),
}
_EXAMPLES = {
    "pitch": "+2st, -10% or high",
    "range": "130%, 1.3 or low",
    "rate": "90%, 0.9 or fast",
    "volume": "-3dB or soft",
    "time": "300ms or 0.3s",
}


@dataclass(frozen=True)
class Span:
    """Text in which the same is asked of everything; phones: how all of it is said, as one word."""

    text: str
    prosody: Prosody = NEUTRAL
    phones: Phones | None = None
    voice: str | None = None
    place: str = ""  # for messages


@dataclass(frozen=True)
class Break:
    """The pause here lasts so long; several in one place add up."""

    seconds: float


@dataclass(frozen=True)
class Mark:
    """A place that the report names."""

    name: str
    place: str = ""


Part = Span | Break | Mark


def is_markup(text: str) -> bool:
    """Whether a line is markup; any other is plain text, whatever signs are in it."""
    return _BEGINS.match(text) is not None


def split_markup(line: str) -> tuple[str, str]:
    """A line that begins with markup -> the document, and what follows it on the line."""
    end = line.rfind("</speak>")
    end = len(line) if end < 0 else end + len("</speak>")
    return line[:end], line[end:]


def parse_markup(document: str) -> list[Part]:
    """The parts of a document, in order; text outside elements has its white space as written.

    Raises:
        InputError: it is no well-formed XML, declares anything, is too long, or holds an element, an attribute or a
            value that is not known; the message begins with the place.
    """
    if len(document) > MAX_CHARACTERS:
        raise InputError(f"{len(document)} characters of markup are too many; give at most {MAX_CHARACTERS} a line")
    return _Reader(document).parts


@dataclass(frozen=True)
class _Open:
    """An element that is open, with all that holds inside it."""

    name: str
    prosody: Prosody
    voice: str | None
    phones: Phones | None


class _Reader:
    """Reads one document with expat."""

    def __init__(self, document: str) -> None:
        self.parts: list[Part] = []
        # A lone surrogate cannot be encoded; passed on, the parser refuses it and says where.
        self._bytes = document.encode("utf-8", "surrogatepass")
        self._open: list[_Open] = []
        self._phones_text: list[str] = []
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse("a document type; leave it out")
        parser.ProcessingInstructionHandler = self._refuse("a processing instruction; leave it out")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(self._bytes, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            hint = "; & is written &amp; and < is written &lt;" if "token" in reason or "entity" in reason else ""
            raise InputError(f"{self._place(parser.ErrorByteIndex)}: {reason}{hint}") from error

    def _place(self, index: int | None = None) -> str:
        """Line and column, from 1, of a byte, or of what the parser is reading."""
        before = self._bytes[: self._parser.CurrentByteIndex if index is None else index].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return f"column {column}" if b"\n" not in self._bytes else f"line {line}, column {column}"

    def _fail(self, message: str) -> NoReturn:
        raise InputError(f"{self._place()}: {message}")

    def _refuse(self, what: str) -> Callable[..., NoReturn]:
        return lambda *_: self._fail(f"markup cannot hold {what}")

    # ---------------------------------------------------------------- events

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self._open and name != "speak":
            self._fail(f"markup begins with <speak>, not <{name}>")
        if self._open and self._open[-1].name in ("break", "mark", "phoneme"):
            self._fail(f"<{self._open[-1].name}> cannot hold <{name}>")
        if name not in _ELEMENTS or (self._open and name == "speak"):
            inside = ", ".join(f"<{known}>" for known in _ELEMENTS if known != "speak")
            self._fail(f"<{name}> is not known here; there are {inside}")
        known, read = _ELEMENTS[name]
        for attribute in attributes:
            if attribute not in known and not (name == "speak" and attribute.startswith(("xmlns", "xsi:"))):
                listed = f"it takes {', '.join(known)}" if known else "it takes none"
                self._fail(f"<{name}> has no attribute {attribute!r}; {listed}")
        outer = self._open[-1] if self._open else _Open("", NEUTRAL, None, None)
        try:
            inner = read(self, outer, attributes)
        except InputError as error:
            self._fail(f"<{name}>: {error}")
        self._open.append(inner)

    def _end(self, name: str) -> None:
        element = self._open.pop()
        if name == "phoneme":
            self._say("".join(self._phones_text).strip() or " ".join(element.phones or ()), element)
            self._phones_text.clear()

    def _text(self, text: str) -> None:
        element = self._open[-1]
        if element.name in ("break", "mark") and text.strip():
            self._fail(f"<{element.name}> holds no text; write <{element.name} .../>")
        if element.name == "phoneme":
            self._phones_text.append(text)
        elif element.name not in ("break", "mark"):
            self._say(text, element)

    def _say(self, text: str, element: _Open) -> None:
        self.parts.append(Span(text, element.prosody, element.phones, element.voice, self._place()))

    # -------------------------------------------------------------- elements

    def _speak(self, outer: _Open, attributes: Mapping[str, str]) -> _Open:
        language = attributes.get("xml:lang", "en")
        if language.lower().split("-")[0] != "en":
            raise InputError(f"the language {language!r} is not spoken here; there is en")
        return _Open("speak", outer.prosody, None, None)

    def _break(self, outer: _Open, attributes: Mapping[str, str]) -> _Open:
        if "time" in attributes:
            seconds = _value("time", attributes["time"], {"ms": 1000, "s": 1})
        else:
            seconds = _word("strength", attributes.get("strength", "medium"))
        if not 0 <= seconds <= MAX_BREAK_SECONDS:
            raise InputError(f"time must be from 0 to {MAX_BREAK_SECONDS:g} s, not {attributes['time']}")
        self.parts.append(Break(seconds))
        return _Open("break", outer.prosody, outer.voice, None)

    def _prosody(self, outer: _Open, attributes: Mapping[str, str]) -> _Open:
        if not attributes:
            raise InputError("say what to change: pitch, range, rate or volume")
        return _Open("prosody", outer.prosody.then(_read_prosody(attributes)), outer.voice, None)

    def _emphasis(self, outer: _Open, attributes: Mapping[str, str]) -> _Open:
        level = attributes.get("level", "moderate")
        if level not in _EMPHASIS:
            raise InputError(f"level must be one of {', '.join(_EMPHASIS)}, not {_shown(level)}")
        return _Open("emphasis", outer.prosody.then(_EMPHASIS[level]), outer.voice, None)

    def _phoneme(self, outer: _Open, attributes: Mapping[str, str]) -> _Open:
        alphabet = attributes.get("alphabet", "ipa")
        if alphabet not in ALPHABETS:
            raise InputError(f"alphabet must be one of {', '.join(ALPHABETS)}, not {_shown(alphabet)}")
        phones = ALPHABETS[alphabet](_needed(attributes, "ph"))
        return _Open("phoneme", outer.prosody, outer.voice, phones)

    def _voice(self, outer: _Open, attributes: Mapping[str, str]) -> _Open:
        return _Open("voice", outer.prosody, _needed(attributes, "name"), None)

    def _mark(self, outer: _Open, attributes: Mapping[str, str]) -> _Open:
        self.parts.append(Mark(_needed(attributes, "name"), self._place()))
        return _Open("mark", outer.prosody, outer.voice, None)


# By name: the attributes, and what reads them.
_ELEMENTS: dict[str, tuple[tuple[str, ...], Callable[[_Reader, _Open, Mapping[str, str]], _Open]]] = {
    "speak": (("version", "xml:lang"), _Reader._speak),
    "break": (("time", "strength"), _Reader._break),
    "prosody": (("pitch", "range", "rate", "volume"), _Reader._prosody),
    "emphasis": (("level",), _Reader._emphasis),
    "phoneme": (("alphabet", "ph"), _Reader._phoneme),
    "voice": (("name",), _Reader._voice),
    "mark": (("name",), _Reader._mark),
}


def _read_prosody(attributes: Mapping[str, str]) -> Prosody:
    values = {}
    for name, text in attributes.items():
        if text in _WORDS[name]:
            values[name] = _WORDS[name][text]
        elif name == "volume":
            values[name] = _value(name, text, {"dB": 1})
        elif name == "pitch" and text.endswith("st"):
            values[name] = _value(name, text, {"st": 1})
        else:
            values[name] = _factor(name, text)
    return Prosody(**values)


def _factor(name: str, text: str) -> float:
    """130% or 1.3 is a factor, +30% a change; of the pitch, in semitones."""
    found = _WITH_UNIT.fullmatch(text)
    if not found or found["unit"] not in ("%", "") or (name == "pitch" and not found["unit"]):
        _bad_value(name, text)
    if found["sign"] and not found["unit"]:
        _bad_value(name, text)
    number = float(found["number"]) / (100 if found["unit"] else 1)
    factor = {"+": 1 + number, "-": 1 - number}.get(found["sign"], number)
    if name != "pitch":
        return factor
    if factor <= 0:
        _bad_value(name, text)
    return 12 * math.log2(factor)


def _value(name: str, text: str, units: Mapping[str, int]) -> float:
    """units: how many of each make one."""
    found = _WITH_UNIT.fullmatch(text)
    if not found or found["unit"] not in units:
        _bad_value(name, text)
    return float(found["sign"] + found["number"]) / units[found["unit"]]


def _word(name: str, text: str) -> float:
    if text not in _WORDS[name]:
        raise InputError(f"{name} must be one of {', '.join(_WORDS[name])}, not {_shown(text)}")
    return _WORDS[name][text]


def _needed(attributes: Mapping[str, str], name: str) -> str:
    value = attributes.get(name, "").strip()
    if not value:
        raise InputError(f"{name}=... is missing")
    return value


def _bad_value(name: str, text: str) -> NoReturn:
    raise InputError(f"{name}={_shown(text)} is not understood; write such as {_EXAMPLES[name]}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:27]}...")
