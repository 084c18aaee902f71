"""From a text, markup or phones to the pieces in which it is spoken."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from common.errors import InputError
from synthesis.contour_file import Contour
from synthesis.pieces import MAX_CHARS, PAUSE_SECONDS, split_text
from synthesis.prosody_edits import NO_EDITS, ProsodyEdits
from synthesis.text_pieces import LEAD_SECONDS, text_pieces
from tests.test_markup import documents
from text.front_end import arpabet_front_end, official_front_end
from text.prosody import NEUTRAL, Prosody

FRONT_END = arpabet_front_end()
LONG = "Here is a sentence, and it goes on. " * 12


@pytest.mark.parametrize("text", ["Hello there.", "a < b", LONG, "One. Two!\n\nThree"])
@pytest.mark.parametrize("by_sentence", [False, True])
def test_a_plain_text_is_read_as_it_always_was(text: str, by_sentence: bool):
    pieces = text_pieces(text, FRONT_END, by_sentence=by_sentence)
    assert [piece.text for piece in pieces] == split_text(text, by_sentence)
    assert [piece.encoded for piece in pieces] == [FRONT_END.encode(piece.text) for piece in pieces]
    assert all(piece.edits == NO_EDITS and piece.voice is None for piece in pieces)
    assert [piece.silence for piece in pieces] == [0.0] + [PAUSE_SECONDS] * (len(pieces) - 1)


@pytest.mark.parametrize("text", ["Hello there.", LONG.strip()])
def test_markup_that_asks_nothing_is_the_plain_text(text: str):
    assert [(one.text, one.encoded) for one in text_pieces(f"<speak>{text}</speak>", FRONT_END)] == [
        (one.text, one.encoded) for one in text_pieces(text, FRONT_END)
    ]


def test_long_markup_is_cut_at_sentences_and_keeps_what_it_asks():
    body = LONG.replace("sentence", "<emphasis>sentence</emphasis>") + "<voice name='bert'>Yes.</voice>"
    pieces = text_pieces(f"<speak>{body}</speak>", FRONT_END)
    assert all(len(piece.text) <= MAX_CHARS for piece in pieces)
    assert [piece.voice for piece in pieces] == [None] * (len(pieces) - 1) + ["bert"]
    for piece in pieces[:-1]:
        changed = [word for word, one in zip(piece.encoded.words, piece.edits.words, strict=True) if one != NEUTRAL]
        assert set(changed) == {"sentence"} and len(changed) == piece.encoded.words.count("sentence")


def test_a_break_between_two_pieces_is_all_of_the_pause():
    text = "<speak><break time='2s'/>One.<break time='900ms'/> Two. <voice name='b'>Three.</voice></speak>"
    pieces = text_pieces(text, FRONT_END, by_sentence=True)
    assert [piece.silence for piece in pieces] == [2.0, 0.0, PAUSE_SECONDS]
    assert [piece.lead for piece in pieces] == [math.inf, LEAD_SECONDS, math.inf]
    assert pieces[0].edits.pauses == {-1: 2.0, 0: 0.9 - LEAD_SECONDS}


def test_edits_from_outside_are_cut_and_those_of_the_text_come_on_top():
    text = "<speak>One two. <prosody pitch='+2st'>Three</prosody><break time='1s'/> four.</speak>"
    contour = Contour((0.0,), (100.0,))
    words = tuple(Prosody(pitch=i) for i in range(4))
    outside = ProsodyEdits(Prosody(rate=0.9), words, {0: 0.5, 2: 0.3}, contour)
    first, second = text_pieces(text, FRONT_END, by_sentence=True, edits=outside)
    assert first.edits == ProsodyEdits(Prosody(rate=0.9), words[:2], {0: 0.5}, contour)
    assert [one.pitch for one in second.edits.words] == [4.0, 3.0]
    assert second.edits.pauses == {0: 1.0}
    with pytest.raises(InputError, match="4 words are changed in a text of 1"):
        text_pieces("One", FRONT_END, edits=outside)


def test_phones_are_read_as_such_and_markup_stays_markup():
    (piece,) = text_pieces("HH AH0 L OW1 / DH EH1 R .", FRONT_END, phones=True)
    assert piece.text == "HH AH0 L OW1 DH EH1 R."
    spoken = [symbol for symbol in piece.encoded.symbols if symbol not in ("<blank>", " ")]
    assert spoken == ["HH", "AH0", "L", "OW1", "DH", "EH1", "R", "."]
    assert text_pieces("<speak>Hello</speak>", FRONT_END, phones=True)[0].text == "Hello"


def test_official_checkpoints_read_plain_texts():
    official = official_front_end()
    assert text_pieces("Hello there.", official)[0].encoded == official.encode("Hello there.")
    for options in ({"phones": True}, {"lexicon": {"a": ("AH0",)}}):
        with pytest.raises(InputError, match="plain texts"):
            text_pieces("Hello", official, **options)
    with pytest.raises(InputError, match="plain texts"):
        text_pieces("<speak>Hello</speak>", official)


@pytest.mark.parametrize("text", ["", "  ", "<speak/>", "<speak> <break/> </speak>", "<speak>...</speak>"])
def test_there_must_be_something_to_speak(text: str):
    with pytest.raises(InputError, match="nothing to speak"):
        text_pieces(text, FRONT_END)


def test_a_sentence_without_a_word_is_left_out_of_a_longer_text():
    text = "\u041f\u0440\u0438\u0432\u0435\u0442! Hello there. And then?"
    pieces = text_pieces(text, FRONT_END, by_sentence=True)
    assert [piece.text for piece in pieces] == ["Hello there.", "And then?"]


@settings(max_examples=300, deadline=None)
@given(documents())
def test_every_document_becomes_pieces_or_one_line(document: str):
    try:
        pieces = text_pieces(document, FRONT_END, by_sentence=True)
    except InputError as error:
        assert str(error).splitlines() == [str(error)]
    else:
        for piece in pieces:
            piece.edits.of_tokens(piece.encoded, 256 / 22050)
