"""Text to the ids that a model reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from common.errors import InputError
from text import official_front_end as official
from text.normalise import normalise
from text.pronounce import pronounce_words
from text.pronunciation import Lexicon, Phones
from text.symbols import BLANK, OFFICIAL_SYMBOLS, PHONES, SPACE, SYMBOLS

__all__ = ["EncodedText", "FrontEnd", "arpabet_front_end", "front_end", "official_front_end"]

# Symbols, words, and for each symbol the index of its word or -1.
Reading = tuple[list[str], list[str], list[int]]

_MARK = re.compile(r"[,.!?;:]|-(?!\S)")
LONGEST_WORD = 250  # characters between blanks; a text can be cut into pieces at blanks alone


class NothingToSpeakError(InputError):
    """A text without a word."""


@dataclass(frozen=True)
class EncodedText:
    """`ids`, `symbols` and `word_of` have one length: 2n + 1 with blanks between n symbols, else n."""

    ids: list[int]
    symbols: list[str]  # the names of ids
    words: list[str]
    word_of: list[int]  # index into words, -1 for a symbol between words; a blank goes with the symbol before it


def check_words(text: str) -> None:
    """Raises InputError for a text with a word or number longer than any is."""
    longest = max(map(len, text.split()), default=0)
    if longest > LONGEST_WORD:
        raise InputError(
            f"{longest} characters without a blank, more than {LONGEST_WORD}: no word or number; put blanks in"
        )


@dataclass(frozen=True)
class FrontEnd:
    symbols: tuple[str, ...]  # a symbol's id is its position
    add_blank: bool
    read: Callable[[str], Reading]

    def encode(self, text: str) -> EncodedText:
        """Raises `NothingToSpeakError` for a text without a word, `InputError` for a word or number longer than any is.

        Marks that `symbols` lacks are left out, so that a model with fewer marks reads every text.
        """
        check_words(text)
        return self.encode_reading(self.read(text), text)

    def encode_reading(self, reading: Reading, text: str) -> EncodedText:
        """`encode` of a text that was read already."""
        symbols, words, word_of = reading
        if not words:
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise NothingToSpeakError(
                f"nothing to speak in the text {shown!r}: give it at least one English word or number"
            )
        position = {symbol: i for i, symbol in enumerate(self.symbols)}
        kept = [i for i, symbol in enumerate(symbols) if symbol in position]
        symbols, word_of = [symbols[i] for i in kept], [word_of[i] for i in kept]
        if self.add_blank:
            symbols = [BLANK, *(name for symbol in symbols for name in (symbol, BLANK))]  # [b, x, b, y, b]
            word_of = [word_of[0], *(index for index in word_of for _ in range(2))]
        return EncodedText([position[symbol] for symbol in symbols], symbols, words, word_of)


@dataclass(frozen=True)
class SpokenWord:
    """A word as it is looked up, and the mark after it, if any; phones: given instead of looked up."""

    text: str
    mark: str = ""
    phones: Phones | None = None


def spoken_words(text: str) -> list[SpokenWord]:
    """ "Well, this - is" -> well with its comma, this with its dash, is."""
    words: list[SpokenWord] = []
    for token in normalise(text).split(" "):
        mark = token[-1] if _MARK.fullmatch(token[-1:]) else ""
        word = token.removesuffix(mark)
        if word:
            words.append(SpokenWord(word, mark))
        elif words:
            words[-1] = replace(words[-1], mark=mark)
    return words


def spell(words: Sequence[SpokenWord], lexicon: Lexicon | None = None) -> Reading:
    """Phones, a boundary between words, and the marks of `text.symbols`. lexicon: pronunciations that win."""
    names = [word.text for word in words]
    given, marks = [word.phones for word in words], [word.mark for word in words]
    phones_of = pronounce_words(names, lexicon, given, marks)
    symbols: list[str] = []
    word_of: list[int] = []
    for i, (word, phones) in enumerate(zip(words, phones_of, strict=True)):
        between = [word.mark] if word.mark else []
        if i + 1 < len(words):
            between.append(SPACE)
        symbols += [*phones, *between]
        word_of += [i] * len(phones) + [-1] * len(between)
    return symbols, names, word_of


def read_arpabet(text: str) -> Reading:
    """The reading of new models."""
    return spell(spoken_words(text))


def arpabet_front_end(symbols: tuple[str, ...] = SYMBOLS, add_blank: bool = True) -> FrontEnd:
    return FrontEnd(symbols, add_blank, read_arpabet)


def official_front_end(symbols: tuple[str, ...] = OFFICIAL_SYMBOLS, add_blank: bool = True) -> FrontEnd:
    return FrontEnd(symbols, add_blank, official.read)


def front_end(kind: str, symbols: tuple[str, ...] | None = None, add_blank: bool = True) -> FrontEnd:
    """`kind` is "arpabet" or "official"; `symbols` those of a checkpoint, whose ids are positions.

    Raises `InputError` for another kind, for repeated symbols, and for a table that cannot spell every word.
    """
    kinds = {
        "arpabet": (arpabet_front_end, SYMBOLS, PHONES),
        "official": (official_front_end, OFFICIAL_SYMBOLS, OFFICIAL_SYMBOLS[1:-1]),
    }
    if kind not in kinds:
        raise InputError(f"unknown text front end {kind!r}: use one of {', '.join(kinds)}")
    make, default, needed = kinds[kind]
    symbols = default if symbols is None else tuple(symbols)
    missing = [symbol for symbol in (*needed, *([BLANK] if add_blank else [])) if symbol not in set(symbols)]
    if missing:
        raise InputError(f"the symbols lack {', '.join(missing)}, which the {kind} front end needs")
    if len(set(symbols)) < len(symbols):
        raise InputError("the symbols have a name twice: each may stand once")
    return make(symbols, add_blank)
