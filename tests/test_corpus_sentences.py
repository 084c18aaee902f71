"""The training sentences, their diphones, and the held-out sentences kept apart from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data.generator import sentences
from text import lexicon

ROOT = Path(__file__).resolve().parents[1]
KATHLEEN = ROOT.parent / "shared/data/kathleen/metadata.csv"
COUNT = 3500


@pytest.fixture(scope="module")
def training() -> list[str]:
    return sentences.training_sentences(COUNT, seed=0)


@pytest.fixture(scope="module")
def own() -> list[str]:
    return sentences.OWN_SENTENCES.read_text(encoding="ascii").splitlines()


@pytest.fixture(scope="module")
def held_out() -> dict[str, str]:
    return sentences.held_out_sentences()


def key(sentence: str) -> str:
    return " ".join(sentences.words_of(sentence))


def diphone_coverage(texts: Iterable[str], words_path: Path = sentences.WORDS) -> tuple[int, int]:
    """How many diphones of the inventory the sentences contain, and how many it has."""
    inventory = sentences.diphone_inventory(words_path)
    covered = set().union(*(sentences.diphones(text) for text in texts))
    return len(covered & inventory), len(inventory)


def test_count_lengths_and_characters(training):
    assert len(training) == COUNT
    assert len({key(sentence) for sentence in training}) == COUNT
    for sentence in training:
        assert 3 <= len(sentences.words_of(sentence)) <= 20, sentence
        assert re.fullmatch(r"[A-Z][A-Za-z ,;:'-]+[.!?]", sentence), sentence
        assert "  " not in sentence


def test_own_sentences_come_first_and_are_many(training, own):
    assert len(own) >= 350
    assert training[: len(own)] == own


def test_every_spoken_word_is_in_the_dictionary(training):
    words = {word for sentence in training for word in sentences.words_of(sentence)}
    assert [word for word in words if not lexicon.contains(word)] == []


def test_the_seed_decides_and_a_shorter_list_begins_the_longer(training):
    assert sentences.training_sentences(COUNT, seed=0) == training
    assert sentences.training_sentences(10, seed=0) == training[:10]
    other = sentences.training_sentences(COUNT, seed=1)
    assert len(set(other) & set(training)) < 600


def test_a_list_longer_than_the_pool_stays_different(monkeypatch):
    monkeypatch.setattr(sentences, "POOL", 200)
    long = sentences.training_sentences(1000, seed=0)
    assert len({key(sentence) for sentence in long}) == 1000


def test_articles_follow_the_sound(training):
    for sentence in training:
        for article, word in re.findall(r"\b(an?) ([a-z']+)", sentence):
            vowel = lexicon.first(word)[0][-1].isdigit()
            assert article == ("an" if vowel else "a"), sentence


def test_every_slot_of_the_grammar_has_words():
    vocabulary = sentences.read_words()
    productions = [*sentences.SENTENCES, *(text for texts in sentences.GRAMMAR.values() for text in texts)]
    assert len(sentences.SENTENCES) >= 25
    for production in productions:
        for symbol, form in re.findall(r"\{(\w+)(?:\.(\w+))?\}", production):
            if symbol in sentences.GRAMMAR:
                assert not form
            else:
                assert all(len(forms) > sentences.FORMS[form or "one"] for forms in vocabulary[symbol]), production


def test_word_list_is_large_and_names_no_entry_twice():
    vocabulary = sentences.read_words()
    assert len({form.lower() for section in vocabulary.values() for forms in section for form in forms}) >= 2500
    for section, entries in vocabulary.items():
        assert len(entries) == len(set(entries)), section


@pytest.mark.parametrize(("content", "complaint"), [("cat cats\n", ":1:.*section"), ("[a]\n\nqzxv\n", ":3:.*qzxv")])
def test_a_bad_word_list_is_refused_with_its_line(tmp_path, content, complaint):
    path = tmp_path / "words.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        sentences.read_words(path)


def test_diphones_cross_words_but_not_pauses():
    assert sentences.diphones("Big dog.") == {("B", "IH"), ("IH", "G"), ("G", "D"), ("D", "AO"), ("AO", "G")}
    assert ("G", "D") not in sentences.diphones("Big, dog.")


def test_coverage_counts_only_the_inventory(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("[noun]\nbig\ndog\n")
    # Inside: B-IH, IH-G, D-AO, AO-G; across: G (the only last phone) with B and D.
    assert diphone_coverage([], words) == (0, 6)
    assert diphone_coverage(["Big dog.", "The cat."], words) == (5, 6)


def test_training_covers_the_diphones_and_the_greedy_pass_does_it_early(training, own):
    covered, total = diphone_coverage(training)
    assert total > 900
    assert covered >= 0.95 * total
    early = diphone_coverage(training[: len(own) + 150])[0]
    assert diphone_coverage(own)[0] < early == covered


def test_held_out_sentences_are_apart_from_training(training, held_out):
    names = list(held_out)
    assert len(names) == 100
    assert sum(name.startswith("arctic_") for name in names) == 60
    assert len({key(text) for text in held_out.values()}) == 100
    assert {key(text) for text in held_out.values()}.isdisjoint(key(text) for text in training)
    vocabulary = {word for sentence in training for word in sentences.words_of(sentence)}
    new = {name for name, text in held_out.items() if not vocabulary.issuperset(sentences.words_of(text))}
    assert len(new) >= 60
    assert all(name in new for name in names if name.startswith("own_"))
    assert all(4 <= len(sentences.words_of(text)) <= 14 for text in held_out.values())


def test_a_held_out_text_is_never_drawn(tmp_path, training, own, monkeypatch):
    drawn = training[len(own)]
    path = tmp_path / "held_out.txt"
    path.write_text(f"own_01|{drawn}\n")
    monkeypatch.setattr(sentences, "HELD_OUT", path)
    assert drawn not in sentences.training_sentences(COUNT, seed=0)


@pytest.mark.skipif(not KATHLEEN.exists(), reason="the ARCTIC prompts (shared/data/kathleen) are not here")
def test_held_out_prompts_are_the_recorded_ones(held_out):
    rows = (line.split("|") for line in KATHLEEN.read_text(encoding="utf-8").splitlines())
    recorded = {name.removesuffix(".flac"): text for name, text, _ in rows}
    prompts = {name: text for name, text in held_out.items() if name.startswith("arctic_")}
    assert prompts == {name: recorded[name] for name in prompts}


def test_the_demo_lines():
    lines = (ROOT / "resources/filelists/synthesis.txt").read_text(encoding="ascii").splitlines()
    assert len(lines) == 6
    assert all("|" not in line and 6 <= len(line.split()) <= 14 for line in lines)
    assert any(re.search(r"\d", line) for line in lines)
    assert any(line.endswith("?") for line in lines)


# ------------------------------------------------------------------ the corpus


def test_uncommon_words_are_said_three_times():
    pytest.importorskip("wordfreq", reason="the package wordfreq is not installed")
    found = sentences.corpus_sentences(0)
    assert found[:500] == sentences.corpus_sentences(0, 500)[:500] and len(found) == sentences.CORPUS_SENTENCES
    counts = Counter(word for sentence in found for word in sentences.words_of(sentence))
    assert sum(count >= 3 for count in counts.values()) >= 12_000
    assert all(lexicon.contains(word) for word in counts)
    keys = {key(sentence) for sentence in found}
    assert not keys & {key(sentence) for sentence in sentences.held_out_sentences().values()}


def test_a_share_of_the_sentences_holds_uncommon_words(monkeypatch):
    uncommon = ["zebra", "quartz", "gently", "humming", "painted"]
    monkeypatch.setattr(sentences, "rare_words", lambda: list(uncommon))
    found = sentences.corpus_sentences(0, 400)
    said = [bool(set(sentences.words_of(sentence)) & set(uncommon)) for sentence in found]
    assert np.mean(said) == pytest.approx(sentences.RARE_SHARE, abs=0.1)
    assert not {key(s) for s in found} & {key(s) for s in sentences.held_out_sentences().values()}
    assert sentences.corpus_sentences(0, 100) != sentences.corpus_sentences(1, 100)


def test_words_of_an_ending_are_all_said_before_one_is_said_again():
    words = [f"{stem}{ending}" for stem in ("walk", "look", "jump", "cool") for ending in ("", "ing", "ed", "ly")]
    stream = sentences.rare_sentences(words, 3)
    said = Counter(word for _ in range(200) for word in sentences.words_of(next(stream)) if word in words)
    for ending in ("ing", "ed", "ly"):
        counts = [said[word] for word in words if word.endswith(ending)]
        assert max(counts) - min(counts) <= 1
