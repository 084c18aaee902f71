"""When words and phones are spoken."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthesis.times import phone_times, word_times
from text.front_end import arpabet_front_end
from text.symbols import BLANK


def test_a_blank_goes_with_the_phone_before_it_and_the_first_with_none():
    encoded = arpabet_front_end().encode("I, you")  # _ AY1 _ , _ ' ' _ Y _ UW1 _
    durations = np.array([2, 5, 1, 3, 0, 0, 0, 4, 1, 6, 2])
    phones = phone_times(encoded.symbols, durations, encoded.word_of, 0.5)
    assert [(one.name, one.start, one.end, one.word) for one in phones] == [
        ("AY1", 1.0, 4.0, 0),
        (",", 4.0, 5.5, -1),
        ("Y", 5.5, 8.0, 1),
        ("UW1", 8.0, 12.0, 1),
    ]
    words = word_times(encoded.words, phones)
    assert [(one.name, one.start, one.end) for one in words] == [("i", 1.0, 4.0), ("you", 5.5, 12.0)]


@given(st.data())
def test_times_cover_the_text_in_order(data: st.DataObject):
    encoded = arpabet_front_end().encode("Three small birds, and one - cat.")
    count = len(encoded.ids)
    durations = np.array(data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)))
    phones = phone_times(encoded.symbols, durations, encoded.word_of, 1.0)
    assert phones[0].start == durations[0] and phones[-1].end == durations.sum()
    assert all(a.end == b.start for a, b in pairwise(phones))
    assert [one.name for one in phones if one.word >= 0] == [
        symbol for symbol, word in zip(encoded.symbols, encoded.word_of, strict=True) if word >= 0 and symbol != BLANK
    ]
    words = word_times(encoded.words, phones)
    assert [one.name for one in words] == encoded.words
    assert all(a.end <= b.start for a, b in pairwise(words))
