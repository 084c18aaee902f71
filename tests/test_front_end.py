from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from text.front_end import arpabet_front_end, front_end
from text.symbols import BLANK, PAD, PHONES, SPACE, SYMBOLS


def test_inventory():
    assert len(set(SYMBOLS)) == len(SYMBOLS) == 79
    assert SYMBOLS[:3] == (PAD, BLANK, SPACE)
    assert len(PHONES) == 69
    assert {"AA0", "UW2", "ZH"} <= set(PHONES)


def test_symbols_words_and_places():
    encoded = arpabet_front_end(add_blank=False).encode("Hello, you - the end!")
    assert encoded.symbols == [
        *("HH", "AH0", "L", "OW1", ",", " ", "Y", "UW1", "-", " ", "DH", "IY0", " ", "EH1", "N", "D", "!"),
    ]
    assert encoded.words == ["hello", "you", "the", "end"]
    assert encoded.word_of == [0, 0, 0, 0, -1, -1, 1, 1, -1, -1, 2, 2, -1, 3, 3, 3, -1]
    assert [SYMBOLS[i] for i in encoded.ids] == encoded.symbols


def test_blanks_go_with_the_symbol_before_them():
    encoded = arpabet_front_end().encode("Hi, I.")
    assert encoded.symbols == [
        *(BLANK, "HH", BLANK, "AY1", BLANK, ",", BLANK, " ", BLANK, "AY1", BLANK, ".", BLANK),
    ]
    assert encoded.word_of == [0, 0, 0, 0, 0, -1, -1, -1, -1, 1, 1, -1, -1]


def test_punctuation_never_changes_a_word():
    plain = arpabet_front_end().encode("well they said hello there")
    texts = ['"Well," they said: hello there?!', "well; they... said (hello) there", "Well-- they 'said' hello there"]
    for text in texts:
        marked = arpabet_front_end().encode(text)
        assert marked.words == plain.words
        assert [s for s in marked.symbols if s in PHONES] == [s for s in plain.symbols if s in PHONES]


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "\U0001f600", "\x00\x07", "\u4f60\u597d", "'", "- -"])
@pytest.mark.parametrize("kind", ["arpabet", "official"])
def test_texts_without_words_are_refused_in_one_line(text, kind):
    with pytest.raises(InputError, match=r"nothing to speak in the text|needs Unidecode") as caught:
        front_end(kind).encode(text)
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), st.text("aA1.,'-$ \u00bd{}"), st.text(st.characters(max_codepoint=0x24F))))
def test_any_text_is_read_or_refused(text):
    try:
        encoded = arpabet_front_end().encode(text)
    except InputError:
        return
    n = len(encoded.ids)
    assert n == len(encoded.symbols) == len(encoded.word_of)
    assert n % 2 == 1
    assert encoded.symbols[::2] == [BLANK] * (n // 2 + 1)
    assert BLANK not in encoded.symbols[1::2]
    spoken = [index for index in encoded.word_of if index >= 0]
    assert spoken == sorted(spoken)
    assert set(spoken) == set(range(len(encoded.words)))
    for symbol, index in list(zip(encoded.symbols, encoded.word_of, strict=True))[1::2]:
        assert (index >= 0) == (symbol in PHONES)


def test_long_text():
    encoded = arpabet_front_end().encode("It was the best of times, it was the worst of times. " * 500)
    assert len(encoded.words) == 6000


def test_checkpoint_symbols_give_the_ids():
    symbols = tuple(reversed(SYMBOLS))
    encoded = front_end("arpabet", symbols).encode("Good day.")
    assert [symbols[i] for i in encoded.ids] == encoded.symbols == arpabet_front_end().encode("Good day.").symbols


def test_marks_that_a_checkpoint_lacks_are_left_out():
    symbols = tuple(symbol for symbol in SYMBOLS if symbol != ";")
    assert front_end("arpabet", symbols, add_blank=False).encode("No; no.").symbols == [
        *("N", "OW1", " ", "N", "OW1", "."),
    ]


def test_unusable_symbols_are_refused():
    with pytest.raises(InputError, match="lack AA0"):
        front_end("arpabet", tuple(symbol for symbol in SYMBOLS if symbol != "AA0"))
    with pytest.raises(InputError, match="lack <blank>"):
        front_end("arpabet", tuple(symbol for symbol in SYMBOLS if symbol != BLANK))
    with pytest.raises(InputError, match="twice"):
        front_end("arpabet", (*SYMBOLS, "AA0"))
    with pytest.raises(InputError, match="arpabet, official"):
        front_end("phonemes")
