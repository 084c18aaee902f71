"""The datasets and loaders of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from common.errors import BadLines, InputError
from data.audio import read_header
from data.batching import Batch, LengthBuckets, collate, share_rows
from data.cache import FeatureCache
from data.dataset import UtteranceDataset
from data.embeddings import read_embeddings
from data.filelist import Utterance, names_of, read_filelist
from params import Params
from text.front_end import FrontEnd
from training.loader_process import WatchedDataset, batches_of, obey_only_the_parent
from training.processes import Processes
from training.saving import RunLog

if TYPE_CHECKING:
    from training.beginning import Beginning

LONGEST_SECONDS = 60  # an utterance of an hour would take all memory
MOST_DEATHS = 5  # of data-loader processes in a run


def read_filelists(params: Params, bad_lines: BadLines | None = None) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances to train on and to validate on, whose audio files have a header and a length that can be used.

    Raises InputError for a list that is missing, wrong or empty.

    bad_lines: here and below, takes the lines that cannot be used; None: the first one raises.
    """
    bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
    return tuple(_read_usable(path, bad_lines) for path in (params.train.train_filelist, params.train.valid_filelist))


def read_training_list(params: Params, bad_lines: BadLines) -> list[Utterance]:
    """The first of `read_filelists`, for what is not validated."""
    return _read_usable(params.train.train_filelist, bad_lines)


def _read_usable(path: str, bad_lines: BadLines) -> list[Utterance]:
    before, utterances = len(bad_lines.messages), []
    for utterance in read_filelist(path, bad_lines):
        with bad_lines.skipping(utterance.place):
            _check_length(utterance)
            utterances.append(utterance)
    if not utterances:
        if len(bad_lines.messages) > before:
            raise bad_lines.none_left(path, before)
        raise InputError(f"{path} lists no utterance; give lines of wav_path|text|speaker|emotion")
    return utterances


def _check_length(utterance: Utterance) -> None:
    seconds = read_header(utterance.wav).seconds
    if seconds > LONGEST_SECONDS:
        raise InputError(f"{utterance.wav} lasts {seconds:.0f} s, more than {LONGEST_SECONDS}; cut it into sentences")


def make_datasets(
    run: Beginning,
    training: Sequence[Utterance],
    validation: Sequence[Utterance],
    processes: Processes,
    log: RunLog,
    bad_lines: BadLines,
) -> tuple[UtteranceDataset, UtteranceDataset]:
    """The two datasets of a run, whose features are extracted where they are not cached.

    Raises InputError if nothing is left of one, and if several processes do not see the same files.
    """
    params, train = run.params, run.params.train
    cache = build_cache(params, [*training, *validation], processes, log.line if processes.leads else None)
    dataset, valid_dataset = (
        make_dataset(filelist, utterances, cache, run.front_end, run.speakers, run.emotions, params, bad_lines)
        for filelist, utterances in ((train.train_filelist, training), (train.valid_filelist, validation))
    )
    if processes.leads:
        for line in (*bad_lines.summary(), *_unlearned(training, validation)):
            log.line(line)
    if not (processes.agree(len(dataset)) and processes.agree(run.step)):
        raise InputError(f"not all processes find the same files; let them share {train.log_dir} and the corpus")
    return dataset, valid_dataset


def _unlearned(training: Sequence[Utterance], validation: Sequence[Utterance]) -> list[str]:
    """A note on names that only validation utterances have: they are in the checkpoint, and mean nothing there."""
    lines = []
    for kind, learned, named in zip(("speaker", "emotion"), names_of(training), names_of(validation), strict=True):
        lacking = sorted(set(named) - set(learned))
        if lacking:
            lines.append(f"note: {len(lacking)} {kind} names have no training utterance, {lacking[0]} for one")
    return lines


def build_cache(
    params: Params,
    utterances: Sequence[Utterance],
    processes: Processes | None = None,
    report: Callable[[str], None] | None = print,
) -> FeatureCache:
    """The feature cache with an entry for every utterance that can be used; several processes share the work.

    report: is told which recordings are converted; None: nobody is.
    """
    cache = FeatureCache(params.train.cache_dir, params.audio, remember=True)
    missing = [utterance.wav for utterance in utterances if not _is_cached(utterance, cache)]
    shard = (0, 1) if processes is None else (processes.rank, processes.world_size)
    if missing:
        for line in _conversions(missing, params.audio.sample_rate) if report is not None else ():
            report(line)
        cache.build(missing, max(params.train.workers, 1), shard=shard)
    if processes is not None:
        processes.wait()
    return cache


def _conversions(wavs: Sequence[str | os.PathLike], sample_rate: int) -> list[str]:
    headers = [read_header(wav) for wav in wavs]
    new = f"of {len(headers)} new recordings"
    mixed = sum(header.channels > 1 for header in headers)
    resampled = sum(header.sample_rate != sample_rate for header in headers)
    lines = [f"{mixed} {new} have several channels, which are mixed down"] if mixed else []
    return lines + ([f"{resampled} {new} are resampled to {sample_rate} Hz"] if resampled else [])


def _is_cached(utterance: Utterance, cache: FeatureCache) -> bool:
    try:
        return cache.entry_path(utterance.wav).exists()
    except InputError:  # it cannot be read: who asks for its features is told so
        return False


def make_dataset(
    filelist: str,
    utterances: Sequence[Utterance],
    cache: FeatureCache,
    front_end: FrontEnd,
    speakers: Sequence[str],
    emotions: Sequence[str],
    params: Params,
    bad_lines: BadLines | None = None,
) -> UtteranceDataset:
    """The utterances of a filelist, with the external embeddings beside it where the parameters give their width.

    Raises InputError if none can be used.
    """
    bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
    style, before = params.style, len(bad_lines.messages)
    usable = []
    for utterance in utterances:
        with bad_lines.skipping(utterance.place):
            if not _is_cached(utterance, cache):
                cache.get(utterance.wav)  # says what is wrong with it
            usable.append(utterance)
    dataset = UtteranceDataset(
        usable,
        cache,
        front_end,
        speakers,
        emotions,
        params.train.seed,
        speaker_embeddings=_embeddings(filelist, "speaker", style.speaker_embedding_dim),
        emotion_embeddings=_embeddings(filelist, "emotion", style.emotion_embedding_dim),
        bad_lines=bad_lines,
    )
    if not len(dataset):
        raise bad_lines.none_left(filelist, before)
    return dataset


@dataclass(frozen=True)
class SharedBatch:
    """One process's share of a batch. number: batches done in the epoch after this one."""

    epoch: int
    number: int
    batch: Batch
    total: int  # items in all processes
    rows: tuple[int, ...]  # those that this process has


def endless_batches(
    dataset: UtteranceDataset,
    params: Params,
    epoch: int,
    first_batch: int,
    rank: int = 0,
    world_size: int = 1,
    report: Callable[[str], None] = print,
) -> Iterator[SharedBatch]:
    """Batches from any place on, epoch after epoch.

    Loader processes that die are replaced, and their batches made again, which gives the same ones; `report` is told
    what they were reading.

    Raises InputError for a file that can no longer be used, and when loader processes died too often.
    """
    sampler = LengthBuckets(dataset.frames, params.train.batch_size, params.train.seed, rank, world_size)
    loader = _loader(dataset, sampler, params.train.workers)
    number, deaths = first_batch, 0
    while True:
        sampler.set_epoch(epoch, number)
        try:
            for whole, batch in zip(sampler.whole_batches(), batches_of(loader), strict=True):
                number += 1
                padded = batch.with_tokens(int(dataset.tokens[whole].max()))
                yield SharedBatch(epoch, number, padded, len(whole), share_rows(len(whole), rank, world_size))
            epoch, number = epoch + 1, 0
        except (RuntimeError, OSError, EOFError) as error:
            # A ConnectionError or the last: it died while its batch was being handed over.
            if isinstance(error, OSError) and not isinstance(error, ConnectionError):
                raise InputError(f"{str(error).splitlines()[-1]}; start again when that is mended") from error
            if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker (pid"):
                raise
            deaths += 1
            files = ", ".join(loader.dataset.read_by_the_dead()) or "nothing yet"
            found = f"a data-loader process was killed (out of memory?) while reading {files}"
            if deaths > MOST_DEATHS:
                raise InputError(
                    f"{found}, and {MOST_DEATHS} before; free memory, lower train.workers, or take such a file off the "
                    "list; then start again to resume from the last saved step"
                ) from error
            report(f"{found}; new ones take its place ({deaths} of at most {MOST_DEATHS} times)")
            loader = _loader(dataset, sampler, params.train.workers)


def _loader(dataset: UtteranceDataset, sampler: LengthBuckets, processes: int) -> torch.utils.data.DataLoader:
    return torch.utils.data.DataLoader(
        WatchedDataset(dataset, processes),
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=processes,
        worker_init_fn=obey_only_the_parent,
        persistent_workers=processes > 0,
    )


def _embeddings(filelist: str, kind: str, width: int) -> dict[str, np.ndarray] | None:
    """The table that prepare_data.py writes beside a filelist, stem -> (width,)."""
    if not width:
        return None
    path = Path(filelist).parent / f"{kind}_embeddings.npz"
    table = read_embeddings(path)
    found = {vector.shape for vector in table.values()}
    if found != {(width,)}:
        raise InputError(f"{path} holds vectors of shape {found}, but style.{kind}_embedding_dim is {width}")
    return table
