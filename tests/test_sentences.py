from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.sentences import split_sentences


def test_sentences():
    text = 'Dr. Smith paid $2.5 to J. Doe, i.e. him. "Really?" she asked. Yes!\n\nNew paragraph without an end\n\nLast.'
    assert split_sentences(text) == [
        "Dr. Smith paid $2.5 to J. Doe, i.e. him.",
        '"Really?" she asked.',
        "Yes!",
        "New paragraph without an end",
        "Last.",
    ]


def test_long_sentences_are_cut_at_clauses_then_at_words():
    assert split_sentences("one two, three four five six", max_chars=20) == ["one two,", "three four five six"]
    assert split_sentences("one two three four", max_chars=9) == ["one two", "three", "four"]
    assert split_sentences("incomprehensibility is long", max_chars=5) == ["incomprehensibility", "is", "long"]


def test_long_text_in_small_letters_is_cut_at_its_full_stops():
    text = "it rained all night. we slept, e.g. at home. then it was day."
    assert split_sentences(text, max_chars=50) == ["it rained all night. we slept, e.g. at home.", "then it was day."]
    assert split_sentences(text) == [text]


def test_pieces_without_words_join_the_one_before():
    assert split_sentences("Yes. ... No.") == ["Yes. ...", "No."]


@pytest.mark.parametrize("text", ["", " \n\n \t"])
def test_nothing(text):
    assert split_sentences(text) == []


def test_max_chars_is_checked():
    with pytest.raises(ValueError, match="max_chars"):
        split_sentences("a", max_chars=0)


MARKED = ["Dr.", "end.", "Start,", "-", "\n\n", '"What?"', "3.5", "e.g."]
WORDS = st.one_of(st.text(max_size=12), st.sampled_from(MARKED))


@settings(deadline=None, max_examples=300)
@given(st.lists(WORDS, max_size=30).map(" ".join), st.integers(1, 60))
def test_no_word_is_lost_or_cut(text, max_chars):
    pieces = split_sentences(text, max_chars)
    assert " ".join(pieces).split() == text.split()
    assert all(pieces)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.from_regex(r"\A[a-z]{1,10}[,.]?\Z"), max_size=60).map(" ".join))
def test_pieces_fit(text):
    assert all(len(piece) <= 30 for piece in split_sentences(text, 30))
