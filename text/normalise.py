"""English text as it is written to text as it is spoken, for new models."""

from __future__ import annotations

import re

from text import abbreviations, lexicon, number_formats
from text.fold import fold
from text.numbers import expand_roman

_DOMAINS = "com|org|net|edu|gov|io|co|uk|de|fr|eu|us|ai|info|dev|app"
_DOT_RE = re.compile(rf"(?<=[A-Za-z0-9])\.(?=(?:{_DOMAINS})\b)|(?<=\bwww)\.(?=\w)")
_MAIL_DOT_RE = re.compile(r"(?<=\w)\.(?=\w[\w.-]{0,64}@)")
_INNER_DOT_RE = re.compile(r"(?<=[a-z0-9])\.(?=[a-z])")  # readme.txt
_SYMBOLS = (
    (re.compile(r"https?://"), " "),
    (re.compile(r"\bwww\b"), " w w w "),
    (re.compile(r"&"), " and "),
    (re.compile(r"@"), " at "),
    (re.compile(r"#(?=\w)"), " hashtag "),
    (re.compile(r"\+"), " plus "),
    (re.compile(r"="), " equals "),
    (re.compile(r"%"), " percent "),
    (re.compile(r"\$"), " dollar "),
    (re.compile("£"), " pound "),
    (re.compile("€"), " euro "),
    (re.compile("¥"), " yen "),
    (re.compile("₹"), " rupee "),
    (re.compile("¢"), " cent "),
    (re.compile("°"), " degrees "),
    (re.compile(r"[()\[\]{}|]"), ", "),
)
_LEADING_APOSTROPHE = frozenset(["'em", "'til", "'tis", "'twas", "'cause", "'bout", "'round", "'cept"])
_TOKEN_RE = re.compile(r"[a-z']+(?:-[a-z']+)*|(?:(?<!\w)-|-(?!\w))|[,.!?;:]")
_STRENGTH = ",-:;.!?"  # of a run of marks the strongest stays


def _bare(part: str) -> str:
    """A word without quotes: apostrophes stay inside it, and outside where the dictionary knows it so."""
    word = part.strip("'")
    if f"'{word}" in _LEADING_APOSTROPHE and part.startswith("'"):
        return f"'{word}"
    if part.endswith("in'") and lexicon.contains(f"{word}'"):
        return f"{word}'"
    return re.sub("'+", "'", word)


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for token in _TOKEN_RE.findall(text):
        if token in _STRENGTH:
            if tokens and tokens[-1] in _STRENGTH:
                tokens[-1] = max(tokens[-1], token, key=_STRENGTH.index)
            elif tokens:
                tokens.append(token)
        else:
            word = "-".join(filter(None, map(_bare, token.split("-"))))
            if word:
                tokens.append(word)
    return tokens


def normalise(text: str) -> str:
    """Lower-case words, joined by spaces, and the marks , . ! ? ; : - each after its word; a dash stands alone.

    Words consist of a-z, apostrophes and inner hyphens. The result is empty when nothing in the text can be spoken.
    """
    shouted = abbreviations.is_shouted(text)
    text = re.sub(r"\s+", " ", fold(text)).strip()
    text = _MAIL_DOT_RE.sub(" dot ", text)
    text = _DOT_RE.sub(" dot ", text)
    text = expand_roman(text)
    text = abbreviations.expand(text)
    text = number_formats.expand(text)
    text = abbreviations.expand_initialisms(text, shouted)
    text = _INNER_DOT_RE.sub(" dot ", text)
    for pattern, words in _SYMBOLS:
        text = pattern.sub(words, text)
    spoken = ""
    for token in _tokens(text.lower()):
        spoken += token if not spoken or token in ",.!?;:" else f" {token}"
    return spoken
