"""Texts of a wanted length."""

from __future__ import annotations

SENTENCES = (
    "Yes.",
    "The evening light lies softly on the quiet water.",
    "Would you like to walk with me along the river before it gets dark?",
    "My father bought a small blue boat that year, and learned to sail it on the bay behind our house.",
    "Nobody had told him that the wind would turn, and so he came home late, wet and very happy.",
)
_CHARS_PER_SECOND = 15  # of speech, about


def long_text(seconds: float) -> str:
    """Sentences of about so many seconds in all; what is left at the end is cut to whole words."""
    wanted, text, number = seconds * _CHARS_PER_SECOND, "", 1
    while len(text) < wanted:
        text = f"{text} {SENTENCES[number % len(SENTENCES)]}".strip()
        number += 1
    cut = text[: round(wanted)].rsplit(" ", 1)[0].rstrip(",.")
    return f"{cut}."
