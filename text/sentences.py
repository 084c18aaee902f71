"""Long texts in pieces that a model speaks one by one."""

from __future__ import annotations

import re

_ABBREVIATIONS = (
    "mr|mrs|ms|dr|drs|prof|gen|maj|col|capt|cmdr|lt|sgt|rev|fr|hon|gov|sen|rep|pres|st|mt|ft|vs|no|nos|vol|fig|pp|ch|"
    "sec|approx|ca|cf|viz|jan|feb|mar|apr|jun|jul|aug|sept|oct|nov|dec"
)
_CLOSERS = "\"')\\]\u2019\u201d"
_SENTENCE_END = re.compile(rf"[.!?\u2026][{_CLOSERS}]*$")
_NO_END = re.compile(rf"(?:^|[^\w.])(?:(?:{_ABBREVIATIONS})|[A-Z]|(?:\w\.)+\w)\.[{_CLOSERS}]*$", re.IGNORECASE)
_CLAUSE_END = re.compile(rf"(?:[;:,][{_CLOSERS}]*|[\u2013\u2014-])$")


def _starts_lower(word: str) -> bool:
    return word.lstrip("\"'([\u2018\u201c")[:1].islower()


def _ends_sentence(word: str, following: str) -> bool:
    return _is_stop(word) and not _starts_lower(following)


def _is_stop(word: str) -> bool:
    return bool(_SENTENCE_END.search(word)) and not _NO_END.search(word)


def _pack(words: list[str], max_chars: int) -> list[list[str]]:
    """Pieces of at most `max_chars`, cut after the last clause that fits, else after the last word that fits."""
    pieces = []
    while words:
        fits, length = 0, -1
        while fits < len(words) and length + 1 + len(words[fits]) <= max_chars:
            length += 1 + len(words[fits])
            fits += 1
        if fits < len(words):
            clauses = [i + 1 for i in range(fits) if _CLAUSE_END.search(words[i]) or _is_stop(words[i])]
            fits = clauses[-1] if clauses else max(fits, 1)  # a word longer than max_chars stays whole
        pieces.append(words[:fits])
        words = words[fits:]
    return pieces


def split_sentences(text: str, max_chars: int = 250) -> list[str]:
    """Sentences, and clauses of those with more than `max_chars` characters; blank lines end a sentence too.

    Joining the pieces by spaces gives the text with its white space collapsed: no word is lost, none is cut. Pieces
    without a letter or digit are joined to the one before. Raises ValueError for max_chars < 1.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars is {max_chars}: give at least 1")
    sentences: list[list[str]] = []
    for paragraph in re.split(r"\n\s*\n", text):
        words = paragraph.split()
        start = 0
        for i, word in enumerate(words):
            if i + 1 == len(words) or _ends_sentence(word, words[i + 1]):
                sentences.append(words[start : i + 1])
                start = i + 1
    pieces: list[str] = []
    for sentence in sentences:
        for words in _pack(sentence, max_chars):
            piece = " ".join(words)
            if pieces and not any(character.isalnum() for character in piece):
                pieces[-1] = f"{pieces[-1]} {piece}"
            else:
                pieces.append(piece)
    return pieces
