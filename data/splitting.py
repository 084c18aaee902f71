"""Held-out utterances: no sentence of theirs is in training."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from common.errors import InputError
from common.files import read_lines
from data.filelist import Utterance


@dataclass
class Split:
    train: list[Utterance] = field(default_factory=list)
    valid: list[Utterance] = field(default_factory=list)
    test: list[Utterance] = field(default_factory=list)  # only where the corpus publishes one
    left_out: list[Utterance] = field(default_factory=list)  # of a held-out sentence, but not needed


def sentence_key(text: str) -> str:
    """The same for texts that differ in case, punctuation or blanks only."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold().replace("'", "")).split())


def read_sentences(path: str | os.PathLike) -> list[str]:
    """The sentences of a file with lines 'name|sentence'.

    Raises:
        InputError: the file cannot be read, or a line has another form.
    """
    sentences = []
    for number, line in enumerate(read_lines(path), start=1):
        name, separator, sentence = line.partition("|")
        if line.strip() and not (separator and name and sentence.strip()):
            raise InputError(f"{path}:{number} is not of the form name|sentence; correct the line")
        if line.strip():
            sentences.append(sentence)
    return sentences


def hold_out(utterances: Sequence[Utterance], sentences: Iterable[str]) -> list[Utterance]:
    """The utterances, with those of the given sentences in the split "test"."""
    keys = {sentence_key(sentence) for sentence in sentences}
    return [replace(u, split="test") if sentence_key(u.text) in keys else u for u in utterances]


def split_published(utterances: Sequence[Utterance]) -> Split:
    """The corpus's own split; training utterances whose sentence is held out are left out.

    Raises:
        InputError: the corpus publishes no validation split.
    """
    parts = {name: [u for u in utterances if u.split == name] for name in ("train", "valid", "test")}
    if not parts["train"] or not parts["valid"]:
        raise InputError("the corpus has no published split here; give a number to --valid")
    return _without_held_out(parts["train"], parts["valid"], parts["test"])


MOST_HELD_OUT = 100  # utterances, where nobody says how many; a tenth of a corpus of fewer than ten times as many


def split_by_sentence(utterances: Sequence[Utterance], valid: int | None, seed: int) -> Split:
    """Hold out random sentences, all utterances of each, until there are `valid` utterances.

    valid: None for `MOST_HELD_OUT`, or a tenth of a small corpus.

    Sentences with too many utterances are passed over. If all have too many (a corpus of a few statements), the rarest
    is held out and its surplus left out. A published test split stays apart.

    Raises:
        InputError: nothing would be left to train on.
    """
    test = [u for u in utterances if u.split == "test"]
    rest = [u for u in utterances if u.split != "test"]
    if valid is None:
        valid = min(MOST_HELD_OUT, max(1, round(len(rest) / 10)))
    if valid == 0:
        return _with_training(_without_held_out(rest, [], test))
    groups: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in rest:
        groups[sentence_key(utterance.text)].append(utterance)
    order = sorted(groups)
    generator = random.Random(seed)
    generator.shuffle(order)
    held: list[Utterance] = []
    for key in order:
        if len(held) + len(groups[key]) <= valid:
            held += groups.pop(key)
    if not held and groups:
        rarest = min(order, key=lambda key: len(groups[key]))
        held = groups.pop(rarest)
    if not groups:
        raise InputError(
            f"{len(rest)} utterances of {len(order)} sentences are too few to hold out {valid}; "
            "give a smaller --valid, or 0 for no valid.txt"
        )
    surplus = held if len(held) <= valid else generator.sample(held, len(held))
    kept = set(surplus[:valid])
    training = [u for u in rest if sentence_key(u.text) in groups]
    split = _with_training(_without_held_out(training, [u for u in rest if u in kept], test))
    split.left_out += [u for u in held if u not in kept]
    return split


def _with_training(split: Split) -> Split:
    if not split.train:
        raise InputError("every sentence is held out, so nothing is left to train on; hold out fewer")
    return split


def _without_held_out(train: list[Utterance], valid: list[Utterance], test: list[Utterance]) -> Split:
    held = {sentence_key(u.text) for u in (*valid, *test)}
    split = Split(valid=valid, test=test)
    for utterance in train:
        (split.left_out if sentence_key(utterance.text) in held else split.train).append(utterance)
    return split
