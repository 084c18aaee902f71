"""The official front end against the official code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.front_end import front_end, official_front_end
from text.official_symbols import OFFICIAL_SYMBOLS

# Texts and what the official code made of them: `intersperse(text_to_sequence(text, dictionary=CMUDict()), 148)` of
# the package grad-tts==0.0.4, with inflect 7.6.0, Unidecode 1.4.0 and the cmu_dictionary inside that package.
EXPECTED = json.loads((Path(__file__).parent / "data" / "official_text.json").read_text(encoding="utf-8"))


def test_symbols_are_the_official_ones():
    digest = hashlib.sha256("\n".join(OFFICIAL_SYMBOLS[:-1]).encode()).hexdigest()
    assert (
        digest == "ec5c1790dbfe42e1ef0cea372ab3eb614cc4df326133b0e3f4ccd11103f0545b"
    )  # of the official list, joined by line breaks
    assert len(OFFICIAL_SYMBOLS) == 149
    assert OFFICIAL_SYMBOLS.index("_") == 0
    assert OFFICIAL_SYMBOLS.index("<blank>") == 148


@pytest.mark.parametrize("item", EXPECTED, ids=lambda item: repr(item["text"])[:40])
def test_ids_equal_the_official_code(item):
    assert official_front_end().encode(item["text"]).ids == item["ids"]


def test_words_are_split_at_spaces_only():
    encoded = official_front_end(add_blank=False).encode("Hello, hello {HH AY1}")
    # Text in front of braces is spelled, so are words with a comma.
    assert encoded.symbols == [*"hello,", " ", *"hello", " ", "@HH", "@AY1"]
    assert encoded.words == ["hello,", "hello", "HH AY1"]
    assert encoded.word_of == [0] * 6 + [-1] + [1] * 5 + [-1] + [2] * 2


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), st.text(alphabet="{}$,.0123456789 Aa\n")))
def test_any_text_is_read_or_refused(text):
    try:
        encoded = front_end("official").encode(text)
    except ValueError as error:
        assert "nothing to speak" in str(error)
        return
    assert encoded.ids[::2] == [148] * (len(encoded.ids) // 2 + 1)
    assert all(0 < i < 148 for i in encoded.ids[1::2])


def test_numbers_that_the_official_code_cannot_name_are_read_by_digits():
    assert official_front_end().encode("1" * 5000).words == ["one"] * 5000
    assert official_front_end().encode("$" + "1" * 5000).words == [*["one"] * 5000, "dollars"]
