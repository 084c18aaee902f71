"""The datasets and loaders of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from data.batching import Batch, LengthBuckets, collate
from data.cache import FeatureCache
from data.dataset import UtteranceDataset
from data.errors import InputError
from data.filelist import Utterance, read_filelist
from params import Params
from text.front_end import FrontEnd


def read_filelists(params: Params) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances to train on and to validate on."""
    return read_filelist(params.train.train_filelist), read_filelist(params.train.valid_filelist)


def names_of(utterances: Sequence[Utterance]) -> tuple[list[str], list[str]]:
    """Speakers and emotions, sorted; "neutral" comes first where it is."""
    speakers = sorted({utterance.speaker for utterance in utterances})
    emotions = sorted({utterance.emotion for utterance in utterances}, key=lambda name: (name != "neutral", name))
    return speakers, emotions


def build_cache(params: Params, utterances: Sequence[Utterance]) -> FeatureCache:
    """The feature cache with an entry for every utterance. Raises InputError for the first file that has none."""
    cache = FeatureCache(params.train.cache_dir, params.audio)
    missing = [utterance.wav for utterance in utterances if not cache.entry_path(utterance.wav).exists()]
    if missing:
        rejects = cache.build(missing, workers=max(params.train.workers, 1))
        if rejects:
            raise InputError(f"{rejects[0].path}: {rejects[0].reason}; take it off the filelist ({len(rejects)} such)")
    return cache


def make_dataset(
    utterances: Sequence[Utterance],
    cache: FeatureCache,
    front_end: FrontEnd,
    speakers: Sequence[str],
    emotions: Sequence[str],
    seed: int,
) -> UtteranceDataset:
    return UtteranceDataset(utterances, cache, front_end, speakers, emotions, seed)


def endless_batches(
    dataset: UtteranceDataset, params: Params, epoch: int, first_batch: int
) -> Iterator[tuple[int, int, Batch]]:
    """(epoch, batches done in it after this one, batch), from any place on, epoch after epoch."""
    sampler = LengthBuckets(dataset.frames, params.train.batch_size, params.train.seed)
    loader = torch.utils.data.DataLoader(
        dataset, batch_sampler=sampler, collate_fn=collate, num_workers=params.train.workers
    )
    while True:
        sampler.set_epoch(epoch, first_batch)
        for number, batch in enumerate(loader, start=first_batch + 1):
            yield epoch, number, batch
        epoch, first_batch = epoch + 1, 0
