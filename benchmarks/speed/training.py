"""Utterances a second of training, against the official recipe: same data, same batches, same two-second crops.

Ours is what `train_multi_speaker.py` does with the default model, in one process and, with torchrun, in as many as
there are threads to use. The official recipe has one process; it computes each mel when it is asked for, takes
utterances in random order, and trains in float32. It has the official model at its published size, which is about the
default model's, and at a third of it; both are trained in this project's way too.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection

import torch
from torch import nn

from common.errors import InputError
from data.audio import read_audio
from data.batching import collate
from data.dataset import UtteranceDataset
from data.filelist import names_of
from data.mel import mel_spectrogram
from model.cond_grad_tts import CondGradTTS
from model.grad_tts import GradTTSConfig
from params import Params
from speed.outcome import Outcome, Row, Settings, seconds_in_turn
from speed.peer import official_model
from text.front_end import front_end
from training import corpus, statistics
from training.official import OfficialTrainer, new_model
from training.overrides import resolve_params
from training.processes import Processes
from training.saving import RunLog
from training.trainer import Trainer

OURS, OFFICIAL = "configs/kokoro.yaml", "configs/official_small.yaml"
PUBLISHED, SMALL = "published size", "small"  # of the official model
CPU = torch.device("cpu")


def training(settings: Settings) -> Outcome:
    small = _params(settings, OFFICIAL)
    published = replace(small, encoder=GradTTSConfig().encoder, estimator=GradTTSConfig().estimator)
    size = small.train.batch_size
    ours = _params(settings, OURS)
    ours = replace(ours, train=replace(ours.train, batch_size=size, crop_frames=small.train.crop_frames))
    trainer, train_ours = _ours(settings, ours)
    shared = f"default model, {settings.threads} processes"
    sides: dict[str, Callable[[], object]] = {"default model, one process": train_ours}
    millions = {"default model": _millions(trainer.model)}
    for name, params in {PUBLISHED: published, SMALL: small}.items():
        same, train_same, train_officially = _official(settings, params)
        sides |= {f"{name}, our way": train_same, f"{name}, official recipe": train_officially}
        millions[name] = _millions(same.model)
    with _processes(settings, ours) as train_together:
        seconds = seconds_in_turn({shared: train_together} | sides, 2 if settings.quick else 3 * settings.repeats)
    rates = {name: size / value for name, value in seconds.items()}
    outcome = Outcome()
    for name in (PUBLISHED, SMALL):
        ratio = rates[shared] / rates[f"{name}, official recipe"]
        outcome.rows.append(Row(f"training, utterances/s against the official recipe, {name}", ratio, 3, 4))
    outcome.data = {"utterances_per_second": rates, "batch": size, "million_parameters": millions}
    outcome.lines = [f"  {name}: {rate:.2f} utterances/s, batches of {size}" for name, rate in rates.items()]
    outcome.lines += [f"  {name}: {value:.1f} million parameters" for name, value in millions.items()]
    return outcome


@contextmanager
def _processes(settings: Settings, params: Params) -> Iterator[Callable[[], None]]:
    """A function that makes one step of a run in `settings.threads` processes of one thread each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(settings.threads)]
    workers = [
        context.Process(target=_serve, args=(there, rank, port, settings, params), daemon=True)
        for rank, (_, there) in enumerate(pipes)
    ]
    for worker, (_, there) in zip(workers, pipes, strict=True):
        worker.start()
        there.close()  # so that a process that ends is noticed

    def step() -> None:
        try:
            for here, _ in pipes:
                here.send(None)
            for here, _ in pipes:
                here.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError("a process of the training ended; its message is above") from error

    try:
        yield step
    finally:
        for worker, (here, _) in zip(workers, pipes, strict=True):
            here.close()
            worker.join()


def _serve(connection: Connection, rank: int, port: int, settings: Settings, params: Params) -> None:
    """A process of a run; makes a step whenever it is asked to."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(settings.threads)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    processes = Processes(CPU)
    _, step = _ours(settings, params, processes)
    try:
        while True:
            connection.recv()
            step()
            connection.send(None)
    except EOFError:
        processes.close()


def _params(settings: Settings, config: str) -> Params:
    params = resolve_params(config, [])
    size = 4 if settings.quick else 16
    files = {"train_filelist": settings.filelist, "valid_filelist": settings.filelist}
    return replace(params, train=replace(params.train, **files, batch_size=size, encoder_steps=0))


def _dataset(settings: Settings, params: Params) -> tuple[UtteranceDataset, dict[str, list[str]]]:
    utterances = corpus.read_filelists(params)[0][: 20 * params.train.batch_size]
    if len(utterances) < params.train.batch_size:
        raise InputError(f"{settings.filelist} has fewer utterances than a batch, {params.train.batch_size}; give more")
    speakers, emotions = names_of(utterances)
    reader = front_end(params.text.front_end, None, params.text.add_blank)
    cache = corpus.build_cache(params, utterances)
    dataset = corpus.make_dataset(settings.filelist, utterances, cache, reader, speakers, emotions, params)
    return dataset, {"speakers": speakers, "emotions": emotions, "symbols": list(reader.symbols)}


def _ours(
    settings: Settings, params: Params, processes: Processes | None = None
) -> tuple[Trainer, Callable[[], object]]:
    dataset, names = _dataset(settings, params)
    model = CondGradTTS(params, *(len(names[kind]) for kind in ("symbols", "speakers", "emotions")))
    statistics.set_statistics(model, dataset, params.train.seed)
    processes = Processes(CPU) if processes is None else processes
    trainer = Trainer(model, params, dataset, dataset, names, None, RunLog(None), CPU, processes=processes)
    batches = corpus.endless_batches(dataset, params, 0, 0, processes.rank, processes.world_size)
    return trainer, lambda: trainer.train_on(next(batches))


def _official(settings: Settings, params: Params) -> tuple[OfficialTrainer, Callable[[], object], Callable[[], object]]:
    dataset, names = _dataset(settings, params)
    speakers = len(names["speakers"])
    trainer = OfficialTrainer(new_model(params, speakers), params, (), RunLog(None), CPU)
    batches = corpus.endless_batches(dataset, params, 0, 0)
    official = _official_steps(params, dataset, speakers, trainer)
    return trainer, lambda: trainer.train_on(next(batches).batch), lambda: next(official)


def _millions(model: nn.Module) -> float:
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def _official_steps(
    params: Params, dataset: UtteranceDataset, speakers: int, trainer: OfficialTrainer
) -> Iterator[None]:
    state = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    model = official_model(trainer.model.config, state).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    size = params.train.batch_size
    while True:
        order = torch.randperm(len(dataset), generator=generator).tolist()
        for start in range(0, len(order) - size + 1, size):
            items = [dataset[i] for i in order[start : start + size]]
            for item in items:
                audio = read_audio(dataset.utterances[item.index].wav, params.audio.sample_rate)
                item.mel = torch.from_numpy(mel_spectrogram(audio, params.audio))
            batch = collate(items)
            optimizer.zero_grad()
            losses = model.compute_loss(
                batch.ids,
                batch.id_lengths,
                _padded(batch.mel),
                batch.mel_lengths,
                spk=batch.speaker if speakers > 1 else None,
                out_size=params.train.crop_frames,
            )
            sum(losses).backward()
            torch.nn.utils.clip_grad_norm_(model.encoder.parameters(), max_norm=1)
            torch.nn.utils.clip_grad_norm_(model.decoder.parameters(), max_norm=1)
            optimizer.step()
            yield


def _padded(mel: torch.Tensor) -> torch.Tensor:
    """To a multiple of 4 frames, as the official U-Net needs."""
    return torch.nn.functional.pad(mel, (0, -mel.shape[2] % 4))
