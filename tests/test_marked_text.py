"""From the parts of a document to words that know what is asked of them."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.errors import InputError
from text.front_end import read_arpabet
from text.marked_text import MarkedText, marked_texts, phones_text, read_marked
from text.markup import parse_markup
from text.prosody import NEUTRAL, Prosody
from text.sentences import split_sentences


def texts(body: str) -> list[MarkedText]:
    return marked_texts(parse_markup(f"<speak>{body}</speak>"))


def read(body: str):
    (text,) = texts(body)
    (symbols, words, _), edits = read_marked(text)
    return " ".join(words), symbols, edits


WORDS = st.sampled_from(
    ["I", "read", "the", "red", "book,", "Dr.", "Smith;", "BBC", "NEWS", "at", "5:30", "p.m.", "-", "$3.50", "for",
     "Henry", "VIII?", "Yes!", "don't", "well-known", "U.S.", "SQL", "1984", "(see)", "no.", "7", "'tis", "record."]
)  # fmt: skip
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.data())
def test_elements_around_words_do_not_change_how_they_are_read(text: str, data: st.DataObject):
    """Numbers, abbreviations and homographs are read as in the plain text, whatever stands around the words."""
    words = text.split()
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    parts = [escape(word) for word in words]
    parts[first] = f'<prosody pitch="+2st">{parts[first]}'
    parts[last] = f"{parts[last]}</prosody>"
    (marked,) = texts(" ".join(parts))
    assert marked.text == marked.shown == text
    reading, edits = read_marked(marked)
    assert reading == read_arpabet(text)
    assume(reading[1])
    assert not edits.prosody or set(edits.prosody) <= {NEUTRAL, Prosody(pitch=2)}
    changed = [i for i, one in enumerate(edits.prosody) if one != NEUTRAL]
    assert changed == list(range(changed[0], changed[-1] + 1)) if changed else True  # one stretch


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "cat", "sat", "quietly"]), min_size=1, max_size=9), st.data())
def test_a_stretch_has_its_words_and_no_other(words: list[str], data: st.DataObject):
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    parts = [*words[:first], '<prosody rate="90%">', *words[first : last + 1], "</prosody>", *words[last + 1 :]]
    (marked,) = texts(" ".join(parts))
    _, edits = read_marked(marked)
    assert [one.rate for one in edits.prosody] == [0.9 if first <= i <= last else 1.0 for i in range(len(words))]


def test_a_number_and_an_abbreviation_in_an_element():
    said, _, edits = read(
        "Henry <emphasis>VIII</emphasis> paid <prosody volume='-3dB'>$5</prosody>, Dr. <mark name='x'/>Smith."
    )
    assert said == "henry the eighth paid five dollars doctor smith"
    assert [one != NEUTRAL for one in edits.prosody] == [False, True, True, False, True, True, False, False]
    assert edits.marks == (("x", 6),)


def test_breaks_add_up_and_make_a_mark_where_there_is_none():
    said, symbols, edits = read("One <break time='100ms'/><break time='200ms'/> two, <break time='0s'/> three<break/>")
    assert said == "one two three"
    assert edits.pauses == pytest.approx({0: 0.3, 1: 0.0, 2: 0.4})
    assert symbols == read_arpabet("One, two, three.")[0]


def test_a_break_of_nothing_makes_no_mark():
    assert read("One <break time='0s'/> two")[1] == read_arpabet("One two")[0]


def test_breaks_at_the_beginning():
    _, symbols, edits = read("<break time='1s'/> One two")
    assert edits.pauses == {-1: 1.0} and symbols == read_arpabet("One two")[0]
    assert texts("<break/>") == texts("  ") == []


def test_phones_stand_for_their_word():
    said, symbols, edits = read('The <phoneme ph="ˈæpəl">Apfel</phoneme>, the <phoneme ph="kæt"/>.')
    assert said == "the Apfel the K AE1 T"
    expected = ["DH", "IY0", " ", "AE1", "P", "AH0", "L", ",", " ", "DH", "AH0", " ", "K", "AE1", "T", "."]
    assert symbols == expected
    (text,) = texts('The <phoneme ph="ˈæpəl">Apfel</phoneme>.')
    assert text.shown == "The Apfel."
    assert edits.prosody == ()


def test_a_word_with_phones_or_of_the_lexicon_leaves_a_shouted_text_shouted():
    assert read('TELL US <phoneme ph="kæt">CAT</phoneme> THINGS')[0] == "tell us CAT things"
    assert read('The <phoneme ph="kæt">CAT</phoneme> told the US.')[0] == "the CAT told the u s"
    (text,) = texts("KUBECTL TOLD US")
    assert read_marked(text, {"kubectl": [("K", "AE1", "T")]})[0][1] == ["kubectl", "told", "us"]


def test_a_mark_in_a_text_of_capitals_stands_after_its_word():
    assert read("US <mark name='here'/>5")[2].marks == (("here", 1),)  # u, s, five
    assert read("TELL US <mark name='here'/>5")[2].marks == (("here", 1),)


def test_voices_part_texts_and_nothing_is_lost():
    found = texts(
        "A b. <voice name='x'>C</voice> <voice name='x'> d.</voice><break time='1s'/><voice name='y'>E</voice> f"
    )
    assert [(text.voice, text.text) for text in found] == [(None, "A b."), ("x", "C d."), ("y", "E"), (None, "f")]
    assert found[1].breaks == ((4, 1.0),)


@pytest.mark.parametrize(
    "body",
    [
        "un<emphasis>believ</emphasis>able",
        "<emphasis>un</emphasis>believable",
        "un<emphasis>believable</emphasis>",
        "1,<emphasis>000</emphasis>",
        "do<mark name='x'/>n't",
        "a<phoneme ph='æ'>b</phoneme>",
    ],
)
def test_an_element_inside_a_word_is_refused(body: str):
    with pytest.raises(InputError, match=r"column \d+: .*inside a word"):
        texts(body)


def test_marks_beside_words_are_no_part_of_them():
    assert (
        texts("<emphasis>Yes</emphasis>, (<emphasis>no</emphasis>).<emphasis>Oh</emphasis>!")[0].text
        == "Yes, (no). Oh!"
    )
    assert read("a<break/>b")[0] == "a b"


@settings(deadline=None)
@given(st.lists(st.sampled_from(["One two.", "Three!", "four, five", "Six."]), min_size=1, max_size=6), st.data())
def test_pieces_keep_what_was_asked(sentences: list[str], data: st.DataObject):
    """Cut at sentences, the words and what is asked of them are those of the whole."""
    words = " ".join(sentences).split()
    at = data.draw(st.integers(0, len(words) - 1))
    after = data.draw(st.integers(0, len(words)))
    parts = list(words)
    parts[at] = f'<prosody pitch="+3st">{parts[at]}</prosody>'
    parts.insert(after, '<break time="700ms"/><mark name="m"/>')
    (whole,) = texts(" ".join(parts))
    pieces = whole.cut(split_sentences(whole.text))
    assert [piece.text for piece in pieces] == split_sentences(whole.text)
    pitches, pauses, marks, before = [], {}, [], 0
    for piece in pieces:
        (_, said, _), edits = read_marked(piece)
        pitches += [one.pitch for one in edits.prosody or [NEUTRAL] * len(said)]
        pauses |= {word + before: seconds for word, seconds in edits.pauses.items()}
        marks += [(name, word + before) for name, word in edits.marks]
        before += len(said)
    assert pitches == [3.0 if i == at else 0.0 for i in range(len(words))]
    assert pauses == {after - 1: 0.7}
    assert marks == [("m", after - 1)]


def test_a_text_of_phones():
    text = phones_text("hh ah0 l ow1 , / W ER1 L D - DH AH0 / AE1 P .")
    (symbols, words, word_of), _ = read_marked(text)
    assert words == ["HH AH0 L OW1", "W ER1 L D", "DH AH0", "AE1 P"]
    spoken = "HH AH0 L OW1 , _ W ER1 L D - _ DH AH0 _ AE1 P .".replace("_", " ").split(" ")
    assert [symbol for symbol in symbols if symbol != " "] == [symbol for symbol in spoken if symbol]
    assert symbols.count(" ") == 3 and max(word_of) == 3


@pytest.mark.parametrize("text", ["", ". , /", "HH QQ", "hello"])
def test_what_is_no_text_of_phones(text: str):
    with pytest.raises(InputError):
        phones_text(text)
