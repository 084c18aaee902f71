"""The sentences that the generated corpus speaks: own ones, a small grammar over a list of common words, and frames
that hold the less common words of a frequency list (`wordfreq`), each of them about three times.

Diphones are pairs of neighbouring ARPAbet phones without stress, within a word and across a word boundary; a comma or
another stop is a pause and breaks the pair. A word is pronounced by its first entry in CMUdict.
"The diphones English has in practice" (`diphone_inventory`) are

* every pair inside a word of the word list, and
* every pair of a phone that ends and a phone that begins at least `FREQUENT` of the list's words.

Both are taken from the list alone, never from the sentences that are then measured by it.
"""

from __future__ import annotations

import functools
import heapq
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path

from common.errors import InputError
from text import lexicon

TEXTS = Path(__file__).parents[2] / "resources/texts"
WORDS = TEXTS / "words.txt"
OWN_SENTENCES = TEXTS / "own_sentences.txt"
HELD_OUT = TEXTS / "held_out.txt"

MIN_WORDS, MAX_WORDS = 3, 20
FREQUENT = 1 / 400
# The sentences among which the greedy pass chooses: fixed, so that a longer list begins with the shorter one.
POOL = 20_000

Diphone = tuple[str, str]
Vocabulary = dict[str, list[tuple[str, ...]]]

# Forms of an entry in the word list, by position.
FORMS = {"one": 0, "many": 1, "base": 0, "third": 1, "past": 2, "ing": 3}

# A context-free grammar: `{symbol}` is expanded by one of its productions, `{section.form}` drawn from the word list.
# Each noun phrase is singular or plural by its name, so that verbs agree by construction; "a" becomes "an" at the end.
GRAMMAR: dict[str, list[str]] = {
    "person": [
        "the {noun_person.one}",
        "the {adjective_person} {noun_person.one}",
        "a {adjective_person} {noun_person.one}",
        "{possessive} {noun_person.one}",
        "the {ordinal} {noun_person.one}",
        "{name}",
        "{name}",
        "{name} from {country}",
        "the {adjective_person} {noun_animal.one}",
        "the {noun_animal.one}",
    ],
    "people": [
        "the {noun_person.many}",
        "the {adjective_person} {noun_person.many}",
        "{number} {adjective_person} {noun_person.many}",
        "{name} and {name}",
        "{possessive} {noun_person.many}",
        "most {noun_person.many}",
        "the {noun_animal.many}",
        "{number} {noun_animal.many}",
    ],
    "thing": [
        "the {noun_thing.one}",
        "the {adjective_thing} {noun_thing.one}",
        "a {adjective_thing} {noun_thing.one}",
        "{possessive} {adjective_thing} {noun_thing.one}",
        "the {color} {noun_thing.one}",
        "{number} {noun_thing.many}",
        "the {noun_thing.many}",
        "some {adjective_thing} {noun_thing.many}",
        "the {noun_mass}",
        "some {adjective_thing} {noun_mass}",
    ],
    "idea": ["the {noun_idea}", "{possessive} {noun_idea}", "this {noun_idea}", "that {noun_idea}"],
    "a_person": ["a {noun_person.one}", "a {adjective_person} {noun_animal.one}"],
    "place": [
        "the {noun_place.one}",
        "the {adjective_thing} {noun_place.one}",
        "the {ordinal} {noun_place.one}",
        "{possessive} {noun_place.one}",
    ],
    "where": ["{preposition_place} {place}", "{preposition_place} {place}", "in {country}"],
    "whither": ["{preposition_motion} {place}"],
    "once": [
        "on {day}",
        "in {month}",
        "last {day}",
        "{number} {time_unit.many} ago",
        "before {day}",
        "after {number} {time_unit.many}",
        "yesterday",
    ],
    "often": ["every {time_unit.one}", "in {month}", "on {day}", "{number} times a {time_unit.one}", "until {month}"],
    "pronoun": ["he", "she", "somebody", "everyone"],
    "pronouns": ["I", "you", "we", "they"],
    "reported": [
        "{person} {verb_intransitive.past} {where}",
        "{people} {verb_thing.past} {thing}",
        "there was {noun_mass} {where}",
        "{idea} would not last",
    ],
}

# The shapes of whole sentences, each as likely as the others.
SENTENCES: list[str] = [
    "{person} {verb_thing.past} {thing} {where}.",
    "{person} {adverb_manner} {verb_thing.past} {thing}.",
    "{people} {verb_thing.past} {thing} {once}.",
    "{person} {verb_thing.third} {thing} {often}.",
    "{people} {adverb_frequency} {verb_thing.base} {noun_thing.many}.",
    "{pronoun} {adverb_frequency} {verb_person.third} {people}.",
    "{person} {verb_person.past} {person} {where}.",
    "{pronouns} {verb_intransitive.past} {where} {once}.",
    "{person} is {verb_intransitive.ing} {adverb_manner} {where}.",
    "{people} are {verb_thing.ing} {thing}.",
    "{people} were {verb_person.ing} {person} {where}.",
    "{person} {verb_motion.past} {whither} {adverb_manner}.",
    "{people} {verb_motion.base} {whither} {often}.",
    "{adverb_sentence}, {person} {verb_motion.past} {whither}.",
    "{person} will {verb_thing.base} {thing}, but {people} will {verb_intransitive.base}.",
    "{person} {verb_thing.past} {thing}, and {people} {verb_thing.past} {thing}.",
    "when {person} {verb_motion.past} {whither}, {people} {verb_intransitive.past}.",
    "if {pronouns} {verb_thing.base} {thing}, {person} will {verb_intransitive.base}.",
    "because of {idea}, {person} could not {verb_thing.base} {thing}.",
    "although {person} was {adjective_predicate}, {people} {verb_intransitive.past} {once}.",
    "{pronouns} {verb_intransitive.past} while {person} was {verb_thing.ing} {thing}.",
    "{person} said that {reported}.",
    "{pronouns} think that {reported}.",
    "{idea} is {adjective_thing}, {adjective_thing}, and {adjective_thing}.",
    "{pronouns} bought {noun_thing.many}, {noun_thing.many}, {noun_mass}, and {adjective_thing} {noun_thing.many}.",
    "the {noun_thing.one} {where} was {color} and {adjective_thing}.",
    "there were {number} {adjective_thing} {noun_thing.many} {where}.",
    "there is {noun_mass} in {place}; {pronouns} should {verb_thing.base} it.",
    "{noun_idea} and {noun_idea} are {adverb_frequency} {adjective_thing}.",
    "{person} has no {noun_idea} and too much {noun_idea}.",
    "{person} seems {adjective_person} and {adjective_person}.",
    "did {person} {verb_thing.base} {thing}?",
    "why did {people} {verb_thing.base} {thing} {where}?",
    "who {verb_thing.past} {thing} {once}?",
    "where does {person} {verb_thing.base} {thing}?",
    "is {person} {adjective_predicate}, or just {adjective_person}?",
    "how many {noun_thing.many} are there {where}?",
    "can {person} {verb_intransitive.base} as {adverb_manner} as {person}?",
    "would you {verb_thing.base} {thing} or {thing}?",
    "what a {adjective_thing} {noun_idea}!",
    "{interjection}, {person} {verb_thing.past} {thing}!",
    "how {adjective_person} {people} are!",
    "{verb_thing.base} {thing}, please.",
    "please {verb_thing.base} {thing} and {verb_person.base} {people}.",
    "never {verb_person.base} {a_person} {where}!",
    "{name}, {verb_thing.base} {thing} before {day}.",
    "let's {verb_motion.base} {whither} and {verb_thing.base} {thing}.",
    "{interjection}, {name}, {pronouns} {verb_intransitive.past} again.",
]

# Frames for uncommon words: whatever is in the list can stand in them. {w} is any word, the others go by their ending;
# the slots are as frequent as such words are.
FRAMES: list[str] = [
    "{w}, {w}, {w}, {w}, and {w}.",
    "the {w} and the {w} were {ed} by the {w}, the {w}, and the {w}.",
    "he said {w}, not {w}; and then {w}, {w}, {w}.",
    "is {w} the same as {w}, or is it more like {w}, {w}, or {w}?",
    "she wrote {w} {w} on the wall, and below it {w}, {w}, and {ed}.",
    "between {w} and {w} there was only {w}, {w}, and {w}.",
    "they were {ing} the {w} and {ing} the {w}, without {w} or {w}.",
    "the {w} {w} of the {w} {ed} some {w} {w}.",
    "what does {w} mean, and {w}, and {w}, and {w} {w}?",
    "some {w}, a little {w}, no {w} at all, and too much {w} {w}!",
    "we talked {ly} about {w}, {ing}, {w}, and the {w} of {w}.",
    "{w} was {ed}; {w} was {ed}; {w} was neither {w} nor {w}.",
    "there is a {w} in the {w}, a {w} near the {w}, and {w} under the {w}.",
    "please spell {w}, {w}, {w}, {w}, {ing}, and {w}.",
    "after the {w} came {w}, then {w}, then {w}, and last of all {w}.",
    "my {w} {w} never {ed} your {w} {w}, {ly} or {w}.",
]
RARE_WORDS = 12_600
RARE_SHARE = 0.7  # of the sentences
CORPUS_SENTENCES = 11_000
_COMMONEST = 300  # of the list, which the grammar says often enough

_SLOT = re.compile(r"\{(\w+)(?:\.(\w+))?\}")
_WORD = re.compile(r"[A-Za-z']+")
_STOP = re.compile(r"[,.;:!?-]")


def words_of(sentence: str) -> list[str]:
    """The sentence's words in lower case, without punctuation."""
    return _WORD.findall(sentence.lower())


@functools.cache
def _phones(word: str) -> tuple[str, ...] | None:
    phones = lexicon.first(word)
    return None if phones is None else tuple(phone.rstrip("012") for phone in phones)


def diphones(sentence: str) -> set[Diphone]:
    """The diphones of a sentence; a stop breaks the chain, and so does a word that the dictionary lacks."""
    found: set[Diphone] = set()
    for phrase in _STOP.split(sentence):
        last = None
        for word in words_of(phrase):
            phones = _phones(word) or ()
            if last and phones:
                found.add((last, phones[0]))
            found.update(pairwise(phones))
            last = phones[-1] if phones else None
    return found


def read_words(words_path: Path = WORDS) -> Vocabulary:
    """The word list, by section: lines `[section]`, then entries, one a line, their forms separated by blanks.

    Raises:
        InputError: an entry before the first section, or a form that the pronouncing dictionary lacks.
    """
    vocabulary: Vocabulary = {}
    section = None
    for number, line in enumerate(words_path.read_text(encoding="ascii").splitlines(), start=1):
        if line.startswith("["):
            section = vocabulary.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            if section is None:
                raise InputError(f"{words_path}:{number}: entry before any [section]; put a section line above it")
            forms = tuple(line.split())
            for form in forms:
                if not lexicon.contains(form.lower()):
                    raise InputError(f"{words_path}:{number}: '{form}' is not in CMUdict; take the entry out")
            section.append(forms)
    return vocabulary


def diphone_inventory(words_path: Path = WORDS) -> frozenset[Diphone]:
    """The diphones that English has in practice; the definition is the module's docstring."""
    vocabulary = read_words(words_path)
    words = {form.lower() for section in vocabulary.values() for forms in section for form in forms}
    pronounced = [phones for word in words if (phones := _phones(word))]
    inside = {pair for phones in pronounced for pair in pairwise(phones)}
    first = _frequent(phones[0] for phones in pronounced)
    last = _frequent(phones[-1] for phones in pronounced)
    return frozenset(inside | {(before, after) for before in last for after in first})


def _frequent(phones: Iterable[str]) -> list[str]:
    counts = Counter(phones)
    return [phone for phone, count in counts.items() if count >= FREQUENT * counts.total()]


class _Grammar:
    """Draws sentences. Words come from shuffled decks, so that every word of a section is said before one repeats."""

    def __init__(self, vocabulary: Vocabulary, rng: random.Random):
        self.vocabulary = vocabulary
        self.rng = rng
        self.decks: dict[str, list[tuple[str, ...]]] = {}

    def draw(self, section: str) -> tuple[str, ...]:
        if not self.decks.get(section):
            self.decks[section] = list(self.vocabulary[section])
            self.rng.shuffle(self.decks[section])
        return self.decks[section].pop()

    def expand(self, production: str) -> str:
        return _SLOT.sub(self._fill, production)

    def _fill(self, slot: re.Match[str]) -> str:
        symbol, form = slot.groups()
        if symbol in GRAMMAR:
            return self.expand(self.rng.choice(GRAMMAR[symbol]))
        return self.draw(symbol)[FORMS[form] if form else 0]

    def sentence(self) -> str:
        return _finished(self.expand(self.rng.choice(SENTENCES)))


def _finished(drawn: str) -> str:
    """With the right articles and a capital at the beginning."""
    drawn = re.sub(r"\ba (?=([\w']+))", lambda match: _article(match.group(1)) + " ", drawn)
    return drawn[0].upper() + drawn[1:]


def _article(word: str) -> str:
    """The article: an before a vowel sound (an hour), a otherwise (a unit)."""
    phones = lexicon.first(word.lower())
    return "an" if phones and phones[0][-1].isdigit() else "a"


def _acceptable(sentence: str) -> bool:
    words = words_of(sentence)
    content = [word for word in words if len(word) > 4]
    return MIN_WORDS <= len(words) <= MAX_WORDS and len(set(content)) == len(content)


def _stream(vocabulary: Vocabulary, seed: int, taken: set[str]) -> Iterator[str]:
    """Grammar sentences without end, none twice and none of `taken` (which grows)."""
    grammar = _Grammar(vocabulary, random.Random(seed))
    while True:
        sentence = grammar.sentence()
        key = " ".join(words_of(sentence))
        if key not in taken and _acceptable(sentence):
            taken.add(key)
            yield sentence


def _greedy_cover(pool: list[str], missing: set[Diphone]) -> list[int]:
    """Indices into the pool: each time the sentence with most missing diphones, until none adds one.

    Gains only fall as others are chosen, so a stale entry of the heap is an upper bound and is re-examined when it
    comes to the top (Minoux, "Accelerated greedy algorithms", 1978).
    """
    missing = set(missing)
    offered = [diphones(sentence) & missing for sentence in pool]
    heap = [(-len(pairs), index) for index, pairs in enumerate(offered) if pairs]
    heapq.heapify(heap)
    chosen = []
    while heap and missing:
        gain, index = heapq.heappop(heap)
        fresh = len(offered[index] & missing)
        if fresh == -gain:
            chosen.append(index)
            missing -= offered[index]
        elif fresh:
            heapq.heappush(heap, (-fresh, index))
    return chosen


def held_out_sentences() -> dict[str, str]:
    """Name -> text of the sentences kept for evaluation; the file's lines are `name|text`."""
    lines = HELD_OUT.read_text(encoding="ascii").splitlines()
    return dict(line.split("|", 1) for line in lines)


def training_sentences(count: int, seed: int) -> list[str]:
    """`count` different sentences of 3 to 20 words: the own ones, those that complete the diphones, then more.

    The same seed gives the same sentences, and a shorter list is the beginning of a longer one. No held-out text
    is among them.

    Raises:
        InputError: from `read_words`.
    """
    own = OWN_SENTENCES.read_text(encoding="ascii").splitlines()
    taken = {" ".join(words_of(sentence)) for sentence in (*own, *held_out_sentences().values())}
    stream = _stream(read_words(), seed, taken)
    pool = list(islice(stream, POOL))
    missing = diphone_inventory().difference(*(diphones(sentence) for sentence in own))
    cover = _greedy_cover(pool, missing)
    chosen = set(cover)
    rest = [sentence for index, sentence in enumerate(pool) if index not in chosen]
    sentences = [*own, *(pool[index] for index in cover), *rest]
    return [*sentences, *islice(stream, max(0, count - len(sentences)))][:count]


def rare_words() -> list[str]:
    """The most frequent English words after the commonest ones that the pronouncing dictionary has.

    Raises:
        InputError: the package wordfreq is missing.
    """
    try:
        from wordfreq import top_n_list
    except ImportError as error:
        raise InputError("the corpus's words need the package wordfreq; pip install -e '.[corpus]'") from error
    listed = top_n_list("en", 10 * RARE_WORDS)
    known = (word for word in listed if re.fullmatch("[a-z]{3,14}", word) and lexicon.contains(word))
    return list(islice(known, _COMMONEST, _COMMONEST + RARE_WORDS))


def rare_sentences(words: Iterable[str], seed: int) -> Iterator[str]:
    """Sentences without end around the given words; words of one ending are all said before one is said again."""
    by_ending: Vocabulary = {"w": [], "ly": [], "ing": [], "ed": []}
    for word in words:
        ending = next((e for e in ("ly", "ing", "ed") if word.endswith(e) and len(word) > len(e) + 2), "w")
        by_ending[ending].append((word,))
    grammar = _Grammar(by_ending, random.Random(seed))
    while True:
        yield _finished(grammar.expand(grammar.rng.choice(FRAMES)))


def corpus_sentences(seed: int, count: int = CORPUS_SENTENCES) -> list[str]:
    """The sentences of the corpus: `RARE_SHARE` of them hold uncommon words, the others are `training_sentences`.

    No held-out text is among them, and they were chosen without a look at those.

    Raises:
        InputError: from `read_words` and `rare_words`.
    """
    rng = random.Random(seed)
    is_rare = [rng.random() < RARE_SHARE for _ in range(count)]
    common = iter(training_sentences(is_rare.count(False), seed))
    rare = rare_sentences(rare_words(), seed)
    return [next(rare) if rare_one else next(common) for rare_one in is_rare]
