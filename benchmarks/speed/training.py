"""Utterances a second of training, against the official recipe: same sizes, same data, same two-second crops.

The official recipe computes each mel when it is asked for, takes utterances in random order, and trains in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from data.audio import read_audio
from data.batching import collate
from data.dataset import UtteranceDataset
from data.mel import mel_spectrogram
from params import Params
from speed.in_turn import seconds_in_turn
from speed.outcome import Outcome, Row, Settings
from speed.peer import official_model
from text.front_end import front_end
from training import corpus
from training.official import OfficialTrainer
from training.overrides import resolve_params

CONFIG = "configs/official_small.yaml"


def run(settings: Settings) -> Outcome:
    params = resolve_params(CONFIG, [])
    size = 4 if settings.quick else params.train.batch_size
    files = {"train_filelist": settings.filelist, "valid_filelist": settings.filelist}
    params = replace(params, train=replace(params.train, **files, batch_size=size, encoder_steps=0))
    utterances, _ = corpus.read_filelists(params)
    utterances = utterances[: 20 * size]
    speakers, emotions = corpus.names_of(utterances)
    cache = corpus.build_cache(params, utterances)
    reader = front_end("official", None, params.text.add_blank)
    dataset = corpus.make_dataset(settings.filelist, utterances, cache, reader, speakers, emotions, params)

    trainer = OfficialTrainer(params, len(speakers), torch.device("cpu"))
    batches = corpus.endless_batches(dataset, params, 0, 0)
    official = _official_steps(params, dataset, len(speakers), trainer)
    sides = {"ours": lambda: trainer.train_on(next(batches).batch), "official": lambda: next(official)}
    seconds = seconds_in_turn(sides, 2 if settings.quick else 3 * settings.repeats)
    rates = {name: size / value for name, value in seconds.items()}
    ratio = rates["ours"] / rates["official"]
    outcome = Outcome([Row("training, utterances/s against the official recipe", ratio, 2, 4)])
    outcome.data = {"utterances_per_second": rates, "batch": size}
    outcome.lines = [f"  {name}: {rate:.2f} utterances/s, batches of {size}" for name, rate in rates.items()]
    return outcome


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
