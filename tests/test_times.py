"""When words and phones are spoken."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from synthesis.times import RELEASE_FRAMES, mark_gaps, phone_times, spoken_with, word_times
from text.front_end import arpabet_front_end
from text.symbols import BLANK, PAUSE


def names_and_times(text: str, durations: list[int]):
    encoded = arpabet_front_end().encode(text)
    phones = phone_times(encoded.symbols, durations, encoded.word_of, 0.5)
    return [(one.name, one.start, one.end, one.word) for one in phones], word_times(encoded.words, phones)


def test_phones_meet_in_the_middle_of_their_blank_and_words_in_the_middle_of_their_boundary():
    # <blank> AY1 <blank> " " <blank> Y <blank> UW1 <blank>
    phones, words = names_and_times("I you", [2, 5, 2, 3, 1, 4, 2, 6, 9])
    middle = (8 + 12.5) / 2 * 0.5  # of the boundary with half of each blank
    assert phones[0] == ("AY1", 1.0, middle, 0)
    assert phones[1] == ("Y", middle, 9.0, 1)
    assert phones[2] == ("UW1", 9.0, 14.0, 1)  # three frames of nine
    assert [(one.name, one.start, one.end) for one in words] == [("i", 1.0, middle), ("you", middle, 14.0)]


def test_a_mark_has_what_is_silent_before_it():
    # <blank> AY1 <blank> , <blank> " " <blank> Y <blank> UW1 <blank> . <blank>
    phones, _ = names_and_times("I, you.", [2, 4, 10, 6, 0, 2, 2, 4, 2, 6, 1, 4, 7])
    assert phones == [
        ("AY1", 1.0, 4.5, 0),
        (",", 4.5, 11.0, -1),
        ("Y", 11.0, 15.5, 1),
        ("UW1", 15.5, 19.5, 1),
        (".", 19.5, 25.0, -1),
    ]


def test_a_mark_that_does_not_last_is_left_out():
    phones, _ = names_and_times("I, you.", [2, 4, 2, 0, 0, 2, 2, 4, 2, 6, 1, 0, 0])
    assert [name for name, *_ in phones] == ["AY1", "Y", "UW1"]


def test_the_blank_after_a_pause_between_pieces_belongs_to_nothing():
    one, two = (arpabet_front_end().encode(text) for text in ("I", "you"))
    # <blank> AY1 <blank> <pause> <blank> Y <blank> UW1 <blank>
    symbols = [*one.symbols, PAUSE, *two.symbols]
    phones = phone_times(symbols, [1, 4, 3, 10, 4, 2, 0, 5, 1], [0, 0, 0, -1, 1, 1, 1, 1, 1], 1.0)
    assert [(one.name, one.start, one.end) for one in phones] == [
        ("AY1", 1.0, 8.0),
        (PAUSE, 8.0, 18.0),
        ("Y", 22.0, 24.0),
        ("UW1", 24.0, 30.0),
    ]


def test_the_blank_of_a_piece_that_follows_at_once_belongs_to_the_mark_before_it():
    one, two = (arpabet_front_end().encode(text) for text in ("I.", "you"))
    # <blank> AY1 <blank> . <blank> <blank> Y <blank> UW1 <blank>
    phones = phone_times(
        [*one.symbols, *two.symbols], [1, 4, 3, 10, 2, 4, 2, 0, 5, 1], [0, 0, -1, -1, -1] + [1] * 5, 1.0
    )
    assert [(one.name, one.start, one.end) for one in phones] == [
        ("AY1", 1.0, 8.0),
        (".", 8.0, 24.0),
        ("Y", 24.0, 26.0),
        ("UW1", 26.0, 32.0),
    ]


def test_a_boundary_goes_with_the_word_after_it_and_a_mark_with_the_gap():
    encoded = arpabet_front_end().encode("I, you I.")
    assert spoken_with(encoded.symbols, encoded.word_of) == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    gaps = mark_gaps(encoded.symbols, encoded.word_of)
    assert [i for i, gap in enumerate(gaps) if gap >= 0] == [3, 4, 15, 16]
    assert (gaps[3], gaps[15]) == (0, 2)


@settings(deadline=None)
@given(st.data())
def test_times_cover_the_text_in_order(data: st.DataObject):
    encoded = arpabet_front_end().encode("Three small birds, and one - cat")
    count = len(encoded.ids)
    durations = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    phones = phone_times(encoded.symbols, durations, encoded.word_of, 1.0)
    assert phones[0].start == durations[0]
    assert phones[-1].end == sum(durations) - max(durations[-1] - RELEASE_FRAMES, 0)
    assert all(a.end == b.start for a, b in pairwise(phones))
    assert all(one.end >= one.start for one in phones)
    assert [one.name for one in phones if one.word >= 0] == [
        symbol for symbol, word in zip(encoded.symbols, encoded.word_of, strict=True) if word >= 0 and symbol != BLANK
    ]
    words = word_times(encoded.words, phones)
    assert [one.name for one in words] == encoded.words
    assert all(a.end <= b.start for a, b in pairwise(words))
