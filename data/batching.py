"""Batches of utterances of similar length, and their padded tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from data.dataset import Item

BATCHES_PER_POOL = 50  # utterances are sorted by length within random pools of so many batches


class LengthBuckets(torch.utils.data.Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index) keys for `UtteranceDataset`: of similar length, reshuffled in every epoch.

    Every utterance comes once an epoch. With several ranks each takes its share of every batch, so that the batches are
    the same whatever the number of ranks. A rank for which nothing is left of a short batch gets the batch's first
    utterance, which then comes twice: `share_rows` and `has_share` tell.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if batch_size < 1 or not 0 <= rank < world_size:
            raise ValueError(f"batch_size {batch_size}, rank {rank}, world_size {world_size} cannot be")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.set_epoch(0)

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Choose the epoch; with `first_batch`, resume in its middle: the batches before it are skipped."""
        self.epoch = epoch
        self.first_batch = first_batch

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __len__(self) -> int:
        """Batches that are left in the epoch."""
        return max(self.batches_per_epoch - self.first_batch, 0)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for batch in self.whole_batches():
            yield [(self.epoch, int(batch[row])) for row in share_rows(len(batch), self.rank, self.world_size)]

    def whole_batches(self) -> list[np.ndarray]:
        """Indices of the batches that are left in the epoch, of all ranks together."""
        return self._batches()[self.first_batch :]

    def _batches(self) -> list[np.ndarray]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = generator.permutation(len(self.lengths))
        pool = self.batch_size * BATCHES_PER_POOL
        batches = []
        for start in range(0, len(order), pool):
            chosen = order[start : start + pool]
            chosen = chosen[np.argsort(self.lengths[chosen], kind="stable")]
            batches += [chosen[i : i + self.batch_size] for i in range(0, len(chosen), self.batch_size)]
        return [batches[i] for i in generator.permutation(len(batches))]


def share_rows(total: int, rank: int, world_size: int) -> tuple[int, ...]:
    """The rows of a batch of `total` that a rank has, or the first if none is left for it."""
    return tuple(range(rank, total, world_size)) if has_share(total, rank) else (0,)


def has_share(total: int, rank: int) -> bool:
    return rank < total


@dataclass
class Batch:
    """B utterances, padded with zeros; S tokens, T frames, R reference frames of the longest."""

    ids: torch.Tensor  # (B, S) int64
    id_lengths: torch.Tensor  # (B,)
    phones: torch.Tensor  # (B,) how many of the tokens are phones
    mel: torch.Tensor  # (B, n_mels, T)
    mel_lengths: torch.Tensor  # (B,)
    f0: torch.Tensor  # (B, T) Hz, 0 where unvoiced
    voicing: torch.Tensor  # (B, T)
    energy: torch.Tensor  # (B, T)
    speaker: torch.Tensor  # (B,) int64
    emotion: torch.Tensor  # (B,) int64
    reference_mel: torch.Tensor  # (B, n_mels, R)
    reference_lengths: torch.Tensor  # (B,)
    token_spans: torch.Tensor | None  # (B, S, 2) int64 frames [start, end); None if no item has any
    speaker_embedding: torch.Tensor | None  # (B, width)
    emotion_embedding: torch.Tensor | None  # (B, width)

    def to(self, device: torch.device | str) -> Batch:
        """The batch with every tensor on `device`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{name: None if value is None else value.to(device) for name, value in values.items()})

    def with_tokens(self, count: int) -> Batch:
        """The batch with its texts padded to `count` tokens, S or more."""
        pad = (0, count - self.ids.shape[1])
        spans = None if self.token_spans is None else F.pad(self.token_spans, (0, 0, *pad))
        return replace(self, ids=F.pad(self.ids, pad), token_spans=spans)


def collate(items: Sequence[Item]) -> Batch:
    """Pad and stack. An item without token spans gets ones that allow everything, if another item has some."""
    some_spans = any(item.token_spans is not None for item in items)
    return Batch(
        ids=_pad([item.ids for item in items]),
        id_lengths=torch.tensor([len(item.ids) for item in items]),
        phones=torch.tensor([item.phones for item in items]),
        mel=_pad_frames([item.mel for item in items]),
        mel_lengths=torch.tensor([item.mel.shape[1] for item in items]),
        f0=_pad([item.f0 for item in items]),
        voicing=_pad([item.voicing for item in items]),
        energy=_pad([item.energy for item in items]),
        speaker=torch.tensor([item.speaker for item in items]),
        emotion=torch.tensor([item.emotion for item in items]),
        reference_mel=_pad_frames([item.reference_mel for item in items]),
        reference_lengths=torch.tensor([item.reference_mel.shape[1] for item in items]),
        token_spans=_pad([_spans(item) for item in items]) if some_spans else None,
        speaker_embedding=_stack([item.speaker_embedding for item in items]),
        emotion_embedding=_stack([item.emotion_embedding for item in items]),
    )


def _pad(tensors: list[torch.Tensor]) -> torch.Tensor:
    return pad_sequence(tensors, batch_first=True)  # (L, ...) each -> (B, max L, ...)


def _pad_frames(mels: list[torch.Tensor]) -> torch.Tensor:
    return _pad([mel.T for mel in mels]).transpose(1, 2).contiguous()  # (n_mels, T) each -> (B, n_mels, max T)


def _spans(item: Item) -> torch.Tensor:
    if item.token_spans is not None:
        return item.token_spans
    return torch.tensor([[0, item.mel.shape[1]]]).repeat(len(item.ids), 1)  # (S, 2)


def _stack(vectors: list[torch.Tensor | None]) -> torch.Tensor | None:
    return None if vectors[0] is None else torch.stack(vectors)
