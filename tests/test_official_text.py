"""The official front end against the official code."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.filelist import TextLine
from params import Params, Text
from synthesis.notes import notes
from text import official_front_end as official
from text.front_end import front_end, official_front_end
from text.symbols import OFFICIAL_SYMBOLS

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / ".peer"
POSITION = {symbol: i for i, symbol in enumerate(OFFICIAL_SYMBOLS)}

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


def test_the_dictionary_is_the_official_one():
    entries = sorted(f"{word} {' '.join(phones)}" for word, phones in official.dictionary().items())
    assert len(entries) == 125_061
    assert (
        hashlib.sha256("\n".join(entries).encode()).hexdigest()
        == "556d84dc5b25c457cea91ec1bed6b12c71e981d5a167627191f9bde391f25323"
    )  # of the official code's first valid variant of every word


def test_an_entry_with_an_invalid_phone_is_spelled():
    assert official.read("Hawaii")[0] == [*"hawaii"]
    assert official.read("Hawaiian")[0] == ["@HH", "@AH0", "@W", "@AH1", "@AH0", "@N"]


@pytest.fixture(scope="module")
def peer() -> Path:
    if not (PEER / "unidecode").is_dir():
        message = f"the official front end is not installed: run `PYTHON={sys.executable} tests/peer/install.sh`"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return PEER


def read_by_the_official_code(texts: list[str]) -> list[list[int] | str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/peer/read_official_text.py")],
        input=json.dumps(texts),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=PEER,  # not the repository root, whose packages are not the peer's
        env=os.environ | {"PYTHONPATH": str(PEER)},
    )
    return json.loads(done.stdout)


@pytest.fixture
def with_unidecode(peer, monkeypatch):
    monkeypatch.syspath_prepend(str(peer))
    load = official._unidecode
    load.cache_clear()
    yield
    load.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "unidecode"]:
        del sys.modules[name]


@pytest.fixture
def without_unidecode(monkeypatch):
    monkeypatch.setattr(official, "_unidecode", lambda: None)


def ids(text: str) -> list[int]:
    return [POSITION[symbol] for symbol in official.read(text)[0]]


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 10], ids=["all", "a tenth"])
def test_every_word_of_the_dictionary_is_read_as_there(peer, step):
    words = [*sorted(official.dictionary())[::step], "hawaii"]
    expected = read_by_the_official_code(words)
    assert [word for word, theirs in zip(words, expected, strict=True) if ids(word) != theirs] == []


SCRIPTS = [
    "Привет мир", "καλημέρα", "你好 world", "こんにちは", "한국어 text", "שלום", "مرحبا", "नमस्ते", "½ ℃ ☃ 😀", "№ 5 ™",
    "naïve façade — “quoted” … ‘it’s’", "Straße, Œuvre, Þór, Łódź, Tiếng Việt", "x²+y³",
]  # fmt: skip


def test_other_scripts_are_read_as_there_with_unidecode(with_unidecode):
    shuffled = random.Random(3).sample([chr(c) for c in range(0x80, 0x20000) if not 0xD800 <= c < 0xE000], 3000)
    texts = [*SCRIPTS, *("x " + "".join(shuffled[i : i + 4]) + " y" for i in range(0, len(shuffled), 4))]
    for text, theirs in zip(texts, read_by_the_official_code(texts), strict=True):
        assert official.not_transliterated(text) == ""
        assert ids(text) == theirs, text


def test_without_unidecode_what_is_not_read_as_there_is_known(with_unidecode, monkeypatch):
    transliterate = official._unidecode()
    monkeypatch.setattr(official, "_unidecode", lambda: None)
    characters = [chr(c) for c in range(1, 0x20000) if not 0xD800 <= c < 0xE000]
    lost = "".join(c for c in characters if official._ascii(c) != transliterate(c))
    assert "П" in lost and official.not_transliterated(lost) == lost
    assert official.not_transliterated("naïve façade — “quoted” … ‘it’s’ Straße, Œuvre, Þór, Łódź €5 №") == ""


def test_a_text_of_another_script_alone_says_what_is_missing(without_unidecode):
    with pytest.raises(InputError, match="pip install Unidecode"):
        official_front_end().encode("Привет")
    with pytest.raises(InputError, match="at least one English word"):
        official_front_end().encode("?!")


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
        assert "nothing to speak" in str(error) or "needs Unidecode" in str(error)
        return
    assert encoded.ids[::2] == [148] * (len(encoded.ids) // 2 + 1)
    assert all(0 < i < 148 for i in encoded.ids[1::2])


def test_numbers_that_the_official_code_cannot_name_are_read_by_digits():
    assert official_front_end().encode("1" * 200).words == ["one"] * 200
    assert official_front_end().encode("$" + "1" * 200).words == [*["one"] * 200, "dollars"]


def test_speaking_says_which_characters_need_unidecode(without_unidecode):
    line = TextLine(2, 3, "Hello мир", file="texts.txt")
    (note,) = notes([line], (), Params(text=Text(front_end="official")))
    left_out = "3 characters that the official code reads by Unidecode are left out: 'мир'"
    assert note == f"texts.txt:3: {left_out}; pip install Unidecode"
