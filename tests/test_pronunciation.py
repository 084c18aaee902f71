"""Pronunciations that a user writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from text.front_end import arpabet_front_end, read_arpabet
from text.marked_text import MarkedText, read_marked
from text.pronunciation import read_ipa, read_lexicon, read_phones
from text.symbols import PHONES, VOWELS

IPA_OF = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "IH": "ɪ",
    "IY": "i", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "u", "B": "b", "CH": "t͡ʃ", "D": "d", "DH": "ð", "F": "f",
    "G": "ɡ", "HH": "h", "JH": "d͡ʒ", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s",
    "SH": "ʃ", "T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip


@given(st.lists(st.sampled_from(PHONES), min_size=1, max_size=12))
def test_arpabet_comes_back(phones: list[str]):
    assert read_phones(" ".join(phones)) == tuple(phones)
    assert read_phones(" ".join(phones).lower()) == tuple(phones)


@pytest.mark.parametrize(
    ("text", "message"), [("", "no phones"), ("AH", "AH0, AH1 or AH2"), ("B4", "'B4'"), ("AH3", "'AH3'"), (" ", "no ")]
)
def test_what_is_no_arpabet(text: str, message: str):
    with pytest.raises(InputError, match=message):
        read_phones(text)


CONSONANTS = [phone for phone in PHONES if phone not in VOWELS]
STRESSED = [vowel for vowel in VOWELS if vowel[-1] != "0"]


@given(st.lists(st.tuples(st.sampled_from(CONSONANTS), st.sampled_from(STRESSED)), min_size=1, max_size=6))
def test_every_phone_has_its_ipa(syllables: list[tuple[str, str]]):
    ipa = "".join(f"{IPA_OF[onset]}{'ˈˌ'[int(vowel[-1]) - 1]}{IPA_OF[vowel[:-1]]}" for onset, vowel in syllables)
    assert read_ipa(ipa) == sum(syllables, ())


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("təˈmeɪtoʊ", "T AH0 M EY1 T OW0"),
        ("/ˌkuːbərˈnɛtiːz/", "K UW2 B ER0 N EH1 T IY0 Z"),
        ("kæt", "K AE1 T"),
        ("həloʊ", "HH AH0 L OW1"),
        ("tʃɜːtʃ", "CH ER1 CH"),
        ("ˈbʌtn̩", "B AH1 T AH0 N"),
        ("ə", "AH0"),
        ("ˈfɪə", "F IH1 R"),
    ],
)
def test_ipa(ipa: str, phones: str):
    assert " ".join(read_ipa(ipa)) == phones


@pytest.mark.parametrize(("ipa", "message"), [("", "no phones"), ("ˈ", "no phones"), ("ʁa", "'ʁ'"), ("мама", "'м'")])
def test_what_is_no_ipa(ipa: str, message: str):
    with pytest.raises(InputError, match=message):
        read_ipa(ipa)


@given(st.text(max_size=12))
def test_any_text_is_phones_or_refused(text: str):
    for read in (read_phones, read_ipa):
        try:
            assert set(read(text)) <= set(PHONES)
        except InputError as error:
            assert str(error).splitlines() == [str(error)]


def lexicon_of(tmp_path: Path, content: str) -> dict[str, tuple[str, ...]]:
    path = tmp_path / "lexicon.txt"
    path.write_text(content, encoding="utf-8")
    return read_lexicon(path)


def test_lexicon(tmp_path: Path):
    found = lexicon_of(
        tmp_path, "# mine\n;;; too\n\nKubectl  K UW1 B # a comment\nsql\tS IY1\nsql(2) EH1 S\nco-op K OW1\n"
    )
    assert found == {"kubectl": ("K", "UW1", "B"), "sql": ("S", "IY1"), "co-op": ("K", "OW1")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a1 AH0\n", r"lexicon.txt:1: 'a1' is no word"),
        ("\nword\n", r":2: no phones"),
        ("word W ER D\n", r":1: the vowel ER has no stress"),
        ("word W\nWord W\n", r":2: 'word' stands twice"),
        ("", "holds no word"),
    ],
)
def test_what_is_no_lexicon(tmp_path: Path, content: str, message: str):
    with pytest.raises(InputError, match=message):
        lexicon_of(tmp_path, content)
    with pytest.raises(InputError, match="check the path"):
        read_lexicon(tmp_path / "none.txt")


def test_the_lexicon_wins_and_changes_nothing_else():
    text = "I READ the SQL of Kubectl's pre-sql read."
    lexicon = {"sql": ("S", "IY1"), "kubectl": ("K", "T"), "read": ("R", "EH1", "D")}
    (symbols, words, word_of), _ = read_marked(MarkedText(text), lexicon)
    said = {i: [s for s, own in zip(symbols, word_of, strict=True) if own == i] for i in range(len(words))}
    assert words == ["i", "read", "the", "sql", "of", "kubectl's", "pre-sql", "read"]
    assert said[1] == said[7] == ["R", "EH1", "D"]  # no homograph any more
    assert said[3] == ["S", "IY1"]
    assert said[5] == ["K", "T", "S"]
    assert said[6][-2:] == ["S", "IY1"]
    plain = read_arpabet("I the team of")
    assert [said[i] for i in (0, 2, 4)] == [
        [s for s, own in zip(plain[0], plain[2], strict=True) if own == i] for i in (0, 1, 3)
    ]


def test_an_empty_lexicon_changes_nothing():
    text = "The US SQL team, at 5 p.m., read it."
    assert read_marked(MarkedText(text), {})[0] == read_arpabet(text) == read_marked(MarkedText(text))[0]
    assert arpabet_front_end().encode(text).words == read_arpabet(text)[1]
