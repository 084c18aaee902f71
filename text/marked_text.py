"""Text whose stretches know what is asked of them: markup, phones or a plain text on their way to a reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from common.errors import InputError
from text.abbreviations import is_shouted
from text.front_end import Reading, spell, spoken_words
from text.markup import Break, Mark, Part, Span
from text.pronunciation import Lexicon, Phones, read_phones
from text.prosody import NEUTRAL, Prosody

WORD_BOUNDARY = "/"  # between the words of a text of phones

# Stands for a word that is given by its phones while the rest is normalised around it.
_PLACEHOLDER = "zqphonezq"
_HERE = "zqplacezq"
_PUNCTUATION = frozenset(",.!?;:-")
_WRITTEN_WORD = re.compile(r"[A-Za-z']+(?:-[A-Za-z']+)*")


@dataclass(frozen=True)
class Stretch:
    """Characters [start, end) of a text. phones: the stretch is one word, said so, and shown as label."""

    start: int
    end: int
    prosody: Prosody = NEUTRAL
    phones: Phones | None = None
    label: str = ""


@dataclass(frozen=True)
class MarkedText:
    """A text in one voice (None: the one that the caller chose).

    stretches: in order; what lies between them is neutral. breaks: offset and seconds; marks: offset and name.
    """

    text: str
    stretches: tuple[Stretch, ...] = ()
    breaks: tuple[tuple[int, float], ...] = ()
    marks: tuple[tuple[int, str], ...] = ()
    voice: str | None = None

    @property
    def shown(self) -> str:
        """The text as a person reads it."""
        shown, at = "", 0
        for stretch in self.stretches:
            if stretch.phones is not None:
                shown += self.text[at : stretch.start] + stretch.label
                at = stretch.end
        return shown + self.text[at:]

    def cut(self, pieces: Sequence[str]) -> list[MarkedText]:
        """The same in pieces, whose joining by single blanks is the text; what stands between two is the first's."""
        ends = list(accumulate(len(piece) + 1 for piece in pieces))
        found = []
        for piece, end in zip(pieces, ends, strict=True):
            start, end = end - len(piece) - 1, end - 1

            def mine(offset: int, start: int = start, end: int = end) -> bool:
                return (start < offset or start == 0) and offset <= end

            found.append(
                MarkedText(
                    text=piece,
                    stretches=tuple(
                        replace(one, start=max(one.start, start) - start, end=min(one.end, end) - start)
                        for one in self.stretches
                        if one.start < end and start < one.end
                    ),
                    breaks=tuple((offset - start, seconds) for offset, seconds in self.breaks if mine(offset)),
                    marks=tuple((offset - start, name) for offset, name in self.marks if mine(offset)),
                    voice=self.voice,
                )
            )
        return found


@dataclass(frozen=True)
class WordEdits:
    """What is asked of the words of a text.

    prosody: of each word, or empty. pauses: seconds of the pause after word i; -1: before the first word. marks: name
    and the word after which it stands, -1 likewise.
    """

    prosody: tuple[Prosody, ...] = ()
    pauses: dict[int, float] = field(default_factory=dict)
    marks: tuple[tuple[str, int], ...] = ()


def marked_texts(parts: Sequence[Part]) -> list[MarkedText]:
    """The parts of a document as one text for each change of voice; none for a document without text.

    Raises:
        InputError: an element begins, ends or stands inside a word.
    """
    builders: list[_Builder] = []
    waiting: list[Break | Mark] = []
    for part in parts:
        if isinstance(part, Span):
            if part.text.strip() and (not builders or builders[-1].voice != part.voice):
                builders.append(_Builder(part.voice))
                for one in waiting:
                    builders[-1].add_point(one)
                waiting.clear()
            if builders:
                builders[-1].add_span(part)
        elif builders:
            builders[-1].add_point(part)
        else:
            waiting.append(part)
    return [builder.build() for builder in builders]


def phones_text(text: str) -> MarkedText:
    """ "HH AH0 L OW1 , / W ER1 L D ." -> a text of phones; `WORD_BOUNDARY` or a mark ends a word.

    Raises:
        InputError: what is no phone, or no phone at all.
    """
    parts: list[Part] = []
    word: list[str] = []
    for sign in [*text.split(), WORD_BOUNDARY]:
        if sign != WORD_BOUNDARY and sign not in _PUNCTUATION:
            word.append(sign)
            continue
        if word:
            phones = read_phones(" ".join(word))
            parts += [Span(" "), Span(" ".join(phones), phones=phones)]
            word.clear()
        if sign in _PUNCTUATION and parts:
            parts.append(Span(sign if sign != "-" else " -"))
    if not parts:
        raise InputError(f"no phones; write ARPAbet such as: HH AH0 L OW1 , {WORD_BOUNDARY} W ER1 L D .")
    (built,) = marked_texts(parts)
    return built


def read_marked(marked: MarkedText, lexicon: Lexicon | None = None) -> tuple[Reading, WordEdits]:
    """Symbols and words as `text.front_end.read_arpabet` reads the text, and what is asked of each word.

    Numbers and abbreviations are read as in the text without its elements; a word belongs to the stretch in which it
    ends. A pause where the text has no mark makes one, as a reader would: a comma, or at the end a full stop.

    Raises:
        InputError: the phones of a word cannot be put in its place.
    """
    # Words of a shouted text are not spelled anyway.
    text = _in_small_letters(marked.text, lexicon) if lexicon and not is_shouted(marked.text) else marked.text
    words = spoken_words(text)
    given = [stretch for stretch in marked.stretches if stretch.phones is not None]
    places = [i for i, word in enumerate(words) if word.text == _PLACEHOLDER]
    if len(places) != len(given):
        raise InputError("phones stand where they are no word; put blanks around the word that they are for")
    for i, stretch in zip(places, given, strict=True):
        words[i] = replace(words[i], text=stretch.label, phones=stretch.phones)

    def words_before(offset: int) -> int:
        if offset in (0, len(text)):
            return len(words) if offset else 0
        # A word of its own shows the place, with the context on both sides kept: "BBC NEWS" is spelled or shouted.
        here = _HERE.upper() if is_shouted(text) else _HERE
        shown = [word.text for word in spoken_words(f"{text[:offset]} {here} {text[offset:]}")]
        return min(shown.index(_HERE), len(words))

    prosody = [NEUTRAL] * len(words)
    for stretch in marked.stretches:
        if stretch.prosody != NEUTRAL:
            first, end = words_before(stretch.start), words_before(stretch.end)
            prosody[first:end] = [stretch.prosody] * (end - first)
    pauses: dict[int, float] = {}
    for offset, seconds in marked.breaks:
        after = words_before(offset) - 1
        pauses[after] = pauses.get(after, 0.0) + seconds
    for after, seconds in pauses.items():
        if after >= 0 and seconds > 0 and not words[after].mark:
            words[after] = replace(words[after], mark="," if after + 1 < len(words) else ".")
    marks = tuple((name, words_before(offset) - 1) for offset, name in marked.marks)
    changed = any(one != NEUTRAL for one in prosody)
    return spell(words, lexicon), WordEdits(tuple(prosody) if changed else (), pauses, marks)


def _in_small_letters(text: str, lexicon: Lexicon) -> str:
    """Words of the lexicon as it has them, so that one in capitals is not spelled letter by letter."""

    def known(part: str) -> str:
        stem = part.lower().removesuffix("'s")
        return part.lower() if stem in lexicon or part.lower() in lexicon else part

    def lowered(word: re.Match) -> str:
        return word[0].lower() if word[0].lower() in lexicon else "-".join(map(known, word[0].split("-")))

    return _WRITTEN_WORD.sub(lowered, text)


class _Builder:
    """Collects the text of one voice with its white space collapsed."""

    def __init__(self, voice: str | None) -> None:
        self.voice = voice
        self._text = ""
        self._gap = False  # whether white space is due before the next character
        self._place = ""  # of what was added last
        self._stretches: list[Stretch] = []
        self._breaks: list[tuple[int, float]] = []
        self._marks: list[tuple[int, str]] = []

    def add_span(self, span: Span) -> None:
        collapsed = " ".join(span.text.split())
        if not collapsed:
            self._gap = self._gap or bool(span.text)
            return
        label = collapsed
        if span.phones is not None:
            # As the label is written: whether a sentence begins, or all of it is shouted, shows in the letters.
            collapsed = _PLACEHOLDER
            if label[:1].isupper():
                collapsed = _PLACEHOLDER.upper() if label.isupper() else _PLACEHOLDER.capitalize()
        self._gap = self._gap or span.text[:1].isspace()
        self._join(collapsed[0])
        start = len(self._text)
        self._text += collapsed
        self._gap = span.text[-1:].isspace()
        self._place = span.place
        self._stretches.append(Stretch(start, len(self._text), span.prosody, span.phones, label))

    def add_point(self, part: Break | Mark) -> None:
        """A break or a mark stands at the end of the text before it."""
        if isinstance(part, Break):
            self._breaks.append((len(self._text), part.seconds))
            self._gap = True  # it parts words
        else:
            self._marks.append((len(self._text), part.name))

    def _join(self, following: str) -> None:
        """White space where it is due before a character, and after a mark that would run into a word."""
        last = self._text[-1:]
        if self._text and not self._gap and (following.isalnum() or following == "'"):
            if last.isalnum() or last == "'" or (last in _PUNCTUATION and self._text[-2:-1].isdigit()):
                place = f"{self._place}: " if self._place else ""
                raise InputError(f"{place}an element begins or ends inside a word; put it around whole words")
            self._gap = last in _PUNCTUATION
        if self._gap and self._text:
            self._text += " "
        self._gap = False

    def build(self) -> MarkedText:
        return MarkedText(self._text, tuple(self._stretches), tuple(self._breaks), tuple(self._marks), self.voice)
