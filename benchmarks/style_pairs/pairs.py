"""What is compared: pairs of styles and their texts, drawn once by a seed, and a row for every method and mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.speaker import gender_by_name
from held_out.reference import HeldOutReference
from model.interpolation import KINDS, Kind, Linear, SameTime, Staged, Temporal, TwoNoise
from model.interpolation.pitch_transfer import MASKS

TEXTS_PER_PAIR = 3
NO_MASK = "no mask"
MASK_NAMES = {mask: NO_MASK if mask == "none" else mask for mask in MASKS}  # in the names of rows
A, B = "a alone", "b alone"  # the rows without interpolation
SEED = 20  # of the comparison in docs/interpolation.md
# What an ablation changes; see `speaking`.
SHIFTED, BUNDLED = "shifted mask", "bundled style"
# Other ways of `staged`, each tried with every mask.
STAGED_CHANGES = {
    "random steps": {"direction": "random"},
    "one stage": {"tal2": Staged().tal1},
    "original loss": {"loss": "original"},
    "noise alone": {"noise_only": True},
    "noise alone, original loss": {"noise_only": True, "loss": "original"},
    "by attention": {"decided_by": "attention"},
}


@dataclass(frozen=True)
class StylePair:
    """a and b differ in speaker and in style; texts are held-out sentences."""

    speaker_a: str
    style_a: str
    speaker_b: str
    style_b: str
    texts: tuple[str, ...]

    @property
    def same_register(self) -> bool:
        """Both women or both men."""
        return gender_by_name(self.speaker_a) == gender_by_name(self.speaker_b)


def draw_pairs(reference: HeldOutReference, styles: list[str], count: int, seed: int) -> list[StylePair]:
    """`count` pairs out of the voices that have styles, in balance: every voice is a, and is b, about equally often.

    Of n pairs the first k are the same for every n. Texts are dealt out like cards, so they come about equally often.
    """
    rng = np.random.default_rng(seed)
    voices = [name for name, voice in reference.voices.items() if voice.styled]
    sentences = [sentence.text for sentence in reference.sentences]
    deck: list[int] = []
    pairs: list[StylePair] = []
    while len(pairs) < count:
        # A round: each voice once as a, with another as b; shifted against each other so that none meets itself.
        order, shift = rng.permutation(len(voices)), int(rng.integers(1, len(voices)))
        for place, a in enumerate(order):
            b = order[(place + shift) % len(order)]
            style_a, style_b = rng.choice(styles, 2, replace=False)
            while len(deck) < TEXTS_PER_PAIR:
                deck += rng.permutation(len(sentences)).tolist()
            texts = tuple(sentences[deck.pop(0)] for _ in range(TEXTS_PER_PAIR))
            pairs.append(StylePair(voices[a], str(style_a), voices[b], str(style_b), texts))
    return pairs[:count]


@dataclass(frozen=True)
class TableRow:
    name: str
    settings: Kind
    ablation: str | None = None


def comparison_rows(bundled: bool) -> list[TableRow]:
    """bundled: whether a model of bundled style is at hand."""
    rows = [TableRow("linear", Linear()), TableRow("temporal", Temporal())]
    for method in ("staged", "same-time", "two-noise"):
        rows += [TableRow(f"{method}, {MASK_NAMES[mask]}", _frequency(method, mask)) for mask in MASKS]
    rows += [
        TableRow("same-time, harmonics, mask half the text later", _frequency("same-time", "harmonics"), SHIFTED),
        TableRow("two-noise, harmonics, mask half the text later", _frequency("two-noise", "harmonics"), SHIFTED),
        TableRow("two-noise, no mask, raw join", TwoNoise(mask="none", join="raw")),
        TableRow("same-time, no mask, the reader's share", SameTime(mask="none", share="reader")),
        TableRow("staged, not tuned", Staged(mask="none", epoch=0)),
        TableRow("staged, half of each", Staged(mask="none", epoch=0, decided_by="attention")),
    ]
    for change, settings in STAGED_CHANGES.items():
        rows += [TableRow(f"staged, {MASK_NAMES[mask]}, {change}", Staged(mask=mask, **settings)) for mask in MASKS]
    if bundled:
        rows.append(TableRow("same-time, no mask, bundled style", _frequency("same-time", "none"), BUNDLED))
    return rows


def default_row(rows: list[TableRow]) -> TableRow:
    """The row of the frequency defaults."""
    return next(row for row in rows if row.settings == SameTime() and row.ablation is None)


def _frequency(method: str, mask: str) -> Kind:
    return KINDS[method](mask=mask)
