"""A text that was given, plain, as phones or as markup, as the pieces in which it is spoken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from common.errors import InputError
from synthesis.pieces import PAUSE_SECONDS, split_text
from synthesis.prosody_edits import NO_EDITS, ProsodyEdits
from text.front_end import EncodedText, FrontEnd, NothingToSpeakError, check_words, read_arpabet
from text.marked_text import MarkedText, marked_texts, phones_text, read_marked
from text.markup import is_markup, parse_markup
from text.pronunciation import Lexicon

_Cut = TypeVar("_Cut", str, MarkedText)
LEAD_SECONDS = 0.023  # of silence, that every voice begins with by itself: two frames of the usual 256 samples


@dataclass(frozen=True)
class TextPiece:
    """What is spoken at once.

    text: as a person reads it. edits: what is asked of it. marks: names, and the word after which each stands, -1 for
    the beginning. voice: the speaker's name, or None for the one that was chosen. silence: seconds before the piece.
    lead: seconds of silence that it may begin with by itself.
    """

    text: str
    encoded: EncodedText
    edits: ProsodyEdits = NO_EDITS
    marks: tuple[tuple[str, int], ...] = ()
    voice: str | None = None
    silence: float = 0.0
    lead: float = math.inf


def text_pieces(
    text: str,
    front_end: FrontEnd,
    *,
    by_sentence: bool = False,
    phones: bool = False,
    lexicon: Lexicon | None = None,
    edits: ProsodyEdits = NO_EDITS,
) -> tuple[TextPiece, ...]:
    """Pieces of one text; markup is markup, however the others are to be read. A sentence without a word is left out.

    by_sentence: cut a short text too. phones: the text is ARPAbet (`text.marked_text.phones_text`). lexicon:
    pronunciations that win over the dictionary. edits: what is asked of the text from outside.

    Raises:
        InputError: it is no usable markup or phones, there is nothing to speak, or the edits do not fit its words.
    """
    if front_end.read is not read_arpabet:
        if phones or lexicon or is_markup(text):
            raise InputError("official checkpoints read plain texts; leave out markup, phones and the lexicon")
        pieces = _spoken(lambda piece: TextPiece(piece, front_end.encode(piece)), split_text(text, by_sentence))
    else:
        pieces = _spoken(lambda piece: _encode(piece, front_end, lexicon), _cut(text, by_sentence, phones))
    if not edits.neutral:
        outer = edits.cut([len(piece.encoded.words) for piece in pieces])
        pieces = [replace(one, edits=asked.merge(one.edits)) for one, asked in zip(pieces, outer, strict=True)]
    return tuple(_with_pauses(pieces))


def _spoken(encode: Callable[[_Cut], TextPiece], cut: Sequence[_Cut]) -> list[TextPiece]:
    """The pieces in which there is a word, one at least."""
    pieces, refused = [], InputError("nothing to speak in an empty text")
    for piece in cut:
        try:
            pieces.append(encode(piece))
        except NothingToSpeakError as error:
            refused = error
    if not pieces:
        raise refused
    return pieces


def _cut(text: str, by_sentence: bool, phones: bool) -> list[MarkedText]:
    if is_markup(text):
        whole = marked_texts(parse_markup(text))
    elif phones:
        whole = [phones_text(text)]
    else:
        return [MarkedText(piece) for piece in split_text(text, by_sentence)]
    return [piece for one in whole for piece in one.cut(split_text(one.text, by_sentence))]


def _encode(marked: MarkedText, front_end: FrontEnd, lexicon: Lexicon | None) -> TextPiece:
    check_words(marked.text)
    reading, asked = read_marked(marked, lexicon)
    encoded = front_end.encode_reading(reading, marked.shown)
    edits = ProsodyEdits(words=asked.prosody, pauses=asked.pauses)
    return TextPiece(marked.shown, encoded, edits, asked.marks, marked.voice)


def _with_pauses(pieces: Sequence[TextPiece]) -> Iterator[TextPiece]:
    """The pieces with the silence before each. A break between two is all of the pause there: what the second begins
    with is taken off it.
    """
    silence, lead = pieces[0].edits.pauses.get(-1, 0.0), math.inf
    for number, piece in enumerate(pieces, 1):
        piece = replace(piece, silence=silence, lead=lead)
        silence, lead = PAUSE_SECONDS, math.inf
        last = len(piece.encoded.words) - 1
        if last in piece.edits.pauses and number < len(pieces):
            seconds = piece.edits.pauses[last]
            silence, lead = 0.0, min(seconds, LEAD_SECONDS)
            pauses = {**piece.edits.pauses, last: seconds - lead}
            piece = replace(piece, edits=replace(piece.edits, pauses=pauses))
        yield piece
