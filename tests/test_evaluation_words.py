"""Word errors, and the writing that is not one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.words import character_errors, edit_distance, transcript_words, word_errors

SAME = [
    ("How strict 16 frightened strangers are.", "How strict sixteen frightened strangers are!"),
    ("It's $40 & an apology", "Its forty dollars and an apology."),
    ("In 1984 my father bought it", "in nineteen eighty-four, my father bought it"),
    ("Mr. Smith lives on the 3rd floor", "mister smith lives on the third floor"),
    ("105 men", "one hundred and five men"),
    ("1,250 miles", "one thousand two hundred and fifty miles"),
    ("The neighbour's grey e-mail", "the neighbors gray e mail"),
    ("50% of them, OK?", "Fifty percent of them: okay"),
    ("He has a Ph.D., of the U.S.A. and T.V.", "he has a PhD of the USA and TV"),
    ("Um, he said — uh — nothing", "he said nothing"),
]


@pytest.mark.parametrize(("heard", "said"), SAME)
def test_writing_is_no_error(heard, said):
    assert transcript_words(heard) == transcript_words(said)
    assert word_errors(heard, said).errors == 0 and character_errors(heard, said).errors == 0


def test_and_between_other_words_stays():
    assert transcript_words("a hundred and cats and five") == ["a", "hundred", "and", "cats", "and", "five"]


def test_rates_are_errors_over_the_length_of_the_text():
    rate = word_errors("the cat sat down", "The cat sat on the mat.")
    assert (rate.errors, rate.length) == (3, 6) and rate.rate == 0.5
    assert character_errors("cot", "cat").rate == pytest.approx(1 / 3)
    assert word_errors("", "two words").rate == 1
    assert np.isnan(word_errors("noise", "...").rate)


def test_shuffled_words_raise_the_rate():
    text = "The mouse escaped through a hole in the wall."
    words = transcript_words(text)
    shuffled = " ".join(np.random.default_rng(0).permutation(words))
    assert word_errors(text, text).rate == 0
    assert word_errors(shuffled, text).rate > 0.4


@given(a=st.text("abc", max_size=8), b=st.text("abc", max_size=8), c=st.text("abc", max_size=8))
@settings(deadline=None, max_examples=150)
def test_edit_distance_is_a_distance(a, b, c):
    assert edit_distance(a, b) == edit_distance(b, a) and (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))


def test_edit_distance_by_hand():
    assert edit_distance("kitten", "sitting") == 3 and edit_distance("flaw", "lawn") == 2
