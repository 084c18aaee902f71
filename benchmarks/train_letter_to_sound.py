"""Train the letter-to-sound network on the CMU dictionary: `python benchmarks/train_letter_to_sound.py`.

Takes about a quarter of an hour on one core and writes `text/letter_to_sound.npz`. The words of `held_out()` are
never trained on, though relatives of theirs are; their phone error rate (stress ignored) is printed at the end and
asserted by the tests.
"""

from __future__ import annotations

import itertools
import re
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from common.arguments import Parser, real, whole
from common.errors import reports_input_errors
from common.files import replacing
from evaluation.words import edit_distance
from text import letter_to_sound, lexicon
from text.letter_to_sound import CLASSES, KERNEL, LETTERS, SLOTS

PLAIN_WORD = re.compile(r"[a-z']*[aeiouy][a-z']*")  # a word without a vowel letter is mostly read by letter names


def words() -> dict[str, tuple[str, ...]]:
    """Dictionary words that follow their spelling closely enough for SLOTS phones a letter."""
    found = {}
    for word in lexicon.entries():
        phones = lexicon.first(word)
        if not 3 <= len(word) <= 24 or not PLAIN_WORD.fullmatch(word):
            continue
        repeats = sum(a == b for a, b in itertools.pairwise(phones))
        if len(phones) + repeats <= SLOTS * len(word):
            found[word] = phones
    return found


def held_out() -> list[str]:
    """1,000 words, the same at every call: those with the lowest checksums."""
    return sorted(words(), key=lambda word: (zlib.crc32(word.encode()), word))[:1000]


def phone_error_rate(guesses: dict[str, tuple[str, ...]], truth: dict[str, tuple[str, ...]]) -> float:
    """Edits per true phone, stress digits ignored."""

    def plain(phones: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(phone.rstrip("012") for phone in phones)

    edits = sum(edit_distance(plain(guesses[word]), plain(phones)) for word, phones in truth.items())
    return edits / sum(len(phones) for phones in truth.values())


class Network(nn.Module):
    """The torch twin of `letter_to_sound.log_odds`, with the same parameter names."""

    def __init__(self, channels: int, layers: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 1, channels)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.convs = nn.ModuleList(nn.Conv1d(channels, channels, KERNEL, padding=KERNEL // 2) for _ in range(layers))
        self.last_norm = nn.LayerNorm(channels)
        self.output = nn.Linear(channels, SLOTS * len(CLASSES))
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(B, n) letter ids, 0 for padding -> (B, n * SLOTS, classes) log-probabilities."""
        mask = (ids > 0).unsqueeze(-1)  # (B, n, 1)
        x = self.embedding(ids)  # (B, n, channels)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv((norm(x) * mask).transpose(1, 2)).transpose(1, 2)  # (B, n, channels)
            x = x + self.dropout(nn.functional.relu(y))
        y = self.output(self.last_norm(x))  # (B, n, SLOTS * classes)
        return y.reshape(len(ids), -1, len(CLASSES)).log_softmax(-1)


def batches(items: list[tuple[list[int], list[int]]], size: int, generator: np.random.Generator):
    """Batches of words of nearly one length, in random order."""
    order = sorted(range(len(items)), key=lambda i: (len(items[i][0]), generator.random()))
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    for g in generator.permutation(len(groups)):
        letters = [torch.tensor(items[i][0]) for i in groups[g]]
        phones = [torch.tensor(items[i][1]) for i in groups[g]]
        yield nn.utils.rnn.pad_sequence(letters, batch_first=True), letters, torch.cat(phones), phones


def train(network: Network, items: list, epochs: int, batch_size: int, learning_rate: float) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=0.01)
    total = epochs * -(-len(items) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total, pct_start=0.1)
    generator = np.random.default_rng(0)
    network.train()
    for epoch in range(epochs):
        losses = []
        for ids, letters, targets, phones in batches(items, batch_size, generator):
            log_probs = network(ids).transpose(0, 1)  # (n * SLOTS, B, classes), as ctc_loss wants
            lengths = torch.tensor([SLOTS * len(x) for x in letters])
            target_lengths = torch.tensor([len(y) for y in phones])
            loss = nn.functional.ctc_loss(log_probs, targets, lengths, target_lengths, zero_infinity=True)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}", flush=True)


def save(network: Network, path: Path) -> None:
    """Matrices as int8 with a scale a row, vectors as float16."""
    arrays = {}
    for name, value in network.state_dict().items():
        if value.ndim > 1:
            arrays[name], arrays[f"{name}.scale"] = letter_to_sound.quantise(value.numpy())
        else:
            arrays[name] = value.numpy().astype(np.float16)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


@reports_input_errors
def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--epochs", type=whole(1, 10_000), default=13)
    parser.add_argument("--channels", type=whole(1, 8192), default=160)
    parser.add_argument("--layers", type=whole(1, 100), default=6)
    parser.add_argument("--dropout", type=real(0, 0.99), default=0.1)
    parser.add_argument("--batch-size", type=whole(1, 2**16), default=128)
    parser.add_argument("--learning-rate", type=real(1e-12, 1), default=3e-3)
    parser.add_argument("--out", type=Path, default=letter_to_sound.WEIGHTS)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    truth, kept_back = words(), held_out()
    trained = {word: phones for word, phones in truth.items() if word not in set(kept_back)}
    items = [([LETTERS.index(c) + 1 for c in w], [CLASSES.index(p) for p in ps]) for w, ps in trained.items()]
    network = Network(arguments.channels, arguments.layers, arguments.dropout)
    train(network, items, arguments.epochs, arguments.batch_size, arguments.learning_rate)
    save(network, arguments.out)

    letter_to_sound.weights.cache_clear()
    guesses = {word: letter_to_sound.guess(word, arguments.out) for word in kept_back}
    rate = phone_error_rate(guesses, {word: truth[word] for word in kept_back})
    print(f"phone error rate of {len(kept_back)} held-out words: {rate:.2%}; {arguments.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
