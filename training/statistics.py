"""What a model has to know of its corpus before training: normalisation, and a reference of every speaker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from data.batching import Batch, collate
from data.dataset import UtteranceDataset
from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS
from model.hearing import Hearing
from model.manner import MANNER, Manner
from model.voice import mean_voice

_MOST_UTTERANCES = 2000  # more change the statistics no further
_HEARD = 400  # utterances of a speaker, for its voice and its manners
_RIDGE = 1e-3
_LEAST_DEVIATION = {"level": 0.5}  # natural log: levels are moved in training (`training.style_batch`)
_CANDIDATES = 30  # utterances of a speaker, out of which the most typical is the reference


@torch.no_grad()
def set_statistics(model: CondGradTTS, dataset: UtteranceDataset, seed: int) -> None:
    """Fill the model's normalisation buffers from (at most 2,000) utterances."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(dataset))[:_MOST_UTTERANCES]
    count, total, squares, energies = 0, 0.0, 0.0, []
    for index in tqdm(chosen, desc="statistics", unit="file"):
        item = dataset[int(index)]
        mel = item.mel.double()
        count += mel.shape[1]
        total = total + mel.sum(1)
        squares = squares + mel.square().sum(1)
        energies.append(item.energy)
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=1e-4).sqrt()
    model.mel_mean.copy_(mean[:, None])
    model.mel_std.copy_(std[:, None])
    energy = torch.cat(energies)
    model.energy_statistics.copy_(torch.stack([energy.mean(), energy.std().clamp(min=1e-2)]))


@torch.no_grad()
def set_default_references(model: CondGradTTS, dataset: UtteranceDataset, seed: int) -> None:
    """Give every speaker of the corpus a typical stretch, for the timbre type where no reference is given.

    Typical: its mean spectrum is nearest to the mean of the speaker's candidates.
    """
    rng = np.random.default_rng(seed)
    for speaker in np.unique(dataset.speaker_ids):
        own = np.flatnonzero(dataset.speaker_ids == speaker)
        mels = [dataset[int(i)].mel for i in rng.permutation(own)[:_CANDIDATES]]
        stretches = [_middle(mel) for mel in mels]
        spectra = torch.stack([stretch.mean(1) for stretch in stretches])  # (candidates, n_mels)
        typical = stretches[int((spectra - spectra.mean(0)).square().sum(1).argmin())]
        frames = typical.shape[1]
        model.default_reference[speaker, :, :frames] = model.normalise(typical[None])[0]
        model.default_reference_lengths[speaker] = frames


@torch.no_grad()
def set_voices(model: CondGradTTS, dataset: UtteranceDataset, seed: int, anew: bool) -> None:
    """Give every speaker of the corpus a voice, and manners for all emotions, as a model that hears finds them.

    An emotion that a speaker was not heard in lies from the usual one as far as the speaker's others do from theirs.
    anew: what is usual is found too: the F0 that a voice leads to expect, by ridge regression over the speakers, and
    the mean and the deviation of each number of a manner. Else all that the model knows stays, and only speakers and
    emotions that are new to it are found: those whose numbers are zero.
    """
    hearing = model.hearing
    if anew:
        for known in (hearing.voices, hearing.manners, hearing.usual_manners):
            known.zero_()
    rng = np.random.default_rng(seed)
    found = {}  # speaker -> emotions, and what is measured of each utterance
    for speaker in tqdm(np.unique(dataset.speaker_ids), desc="voices", unit="speaker"):
        own = np.flatnonzero(dataset.speaker_ids == speaker)
        batches = [collate([dataset[int(i)]]) for i in rng.permutation(own)[:_HEARD]]
        if not hearing.voices[speaker].any():
            vectors = [hearing.voice(batch.mel, batch.mel_lengths)[0] for batch in batches]
            hearing.voices[speaker] = mean_voice(vectors)
        found[int(speaker)] = [(int(batch.emotion[0]), _measured(hearing, batch)) for batch in batches]
    if anew:
        _set_usual(hearing, found)
    cells: dict[tuple[int, int], list[torch.Tensor]] = {}
    for speaker, utterances in found.items():
        for emotion, measured in utterances:
            manner = hearing.manner(measured, hearing.voices[speaker][None])[0]
            cells.setdefault((speaker, emotion), []).append(manner)
    own = {cell: torch.stack(manners) for cell, manners in cells.items()}  # (utterances, 6) each
    for emotion in {emotion for _, emotion in own}:
        if not hearing.usual_manners[emotion].any():
            means = [manners.mean(0) for (_, other), manners in own.items() if other == emotion]
            hearing.usual_manners[emotion] = torch.stack(means).mean(0)
    for cell, manner in _steadied(own, hearing.usual_manners).items():
        if not hearing.manners[cell].any():
            hearing.manners[cell] = manner
    _complete_manners(hearing)


def _steadied(cells: dict[tuple[int, int], torch.Tensor], usual: torch.Tensor) -> dict[tuple[int, int], torch.Tensor]:
    """The manner (6,) of each speaker and emotion, from those of its utterances (utterances, 6); usual (emotions, 6).

    Their mean, drawn towards the usual manner of the emotion moved as the speaker's are on the whole, in each number by
    as much as chance explains: a difference between emotions that is smaller than that between the sentences that were
    spoken in them is otherwise lost (empirical Bayes, by moments; Efron and Morris, 1973).
    """
    row = {speaker: i for i, speaker in enumerate(sorted({speaker for speaker, _ in cells}))}
    count = torch.zeros(len(row), len(usual), 1)  # (speakers, emotions, 1)
    mean, squares = torch.zeros(2, len(row), *usual.shape)  # (speakers, emotions, 6) each
    for (speaker, emotion), manners in cells.items():
        at = row[speaker], emotion
        count[at], mean[at] = len(manners), manners.mean(0)
        squares[at] = (manners - mean[at]).square().sum(0)
    heard = (count > 0).to(mean)
    variance = squares.sum(0) / (count - heard).sum(0).clamp(min=1)  # (emotions, 6), of utterances
    chance = heard * variance / count.clamp(min=1)  # of means
    share = 1 / heard.sum(1, keepdim=True)  # (speakers, 1, 1)
    expected = usual + share * (heard * (mean - usual)).sum(1, keepdim=True)
    beyond = heard * (mean - expected)
    # Chance is in what is expected too. Speakers of one emotion say nothing here: all of it is 0.
    by_chance = heard * ((1 - 2 * share) * chance + share**2 * chance.sum(1, keepdim=True))
    apart = (beyond.square() - by_chance).sum(0) / (heard * (1 - share)).sum(0).clamp(min=1e-6)
    apart = apart.clamp(min=0)  # (emotions, 6), the variance of speakers about what is expected
    steadied = expected + apart / (apart + chance).clamp(min=1e-12) * beyond
    return {(speaker, emotion): steadied[row[speaker], emotion] for speaker, emotion in cells}


def _complete_manners(hearing: Hearing) -> None:
    heard, usual = hearing.manners.any(2), hearing.usual_manners  # (speakers, emotions), (emotions, 6)
    for speaker in hearing.voices.any(1).nonzero()[:, 0]:
        own = heard[speaker]
        beyond = (hearing.manners[speaker] - usual)[own].mean(0) if own.any() else 0.0
        hearing.manners[speaker, ~own] = usual[~own] + beyond


def _measured(hearing: Hearing, batch: Batch) -> Manner:
    log_f0 = torch.where(batch.f0 > 0, batch.f0, 100.0).log()
    return hearing.measured(batch.mel, log_f0, batch.voicing, batch.energy, batch.mel_lengths, batch.phones)


def _set_usual(hearing: Hearing, found: dict[int, list[tuple[int, Manner]]]) -> None:
    voices = torch.stack([hearing.voices[speaker] for speaker in found]).double()  # (speakers, channels)
    levels = torch.stack(
        [torch.cat([measured.f0_level for _, measured in utterances]).mean() for utterances in found.values()]
    ).double()
    centred, mean = voices - voices.mean(0), levels.mean()
    ridge = _RIDGE * len(voices) * torch.eye(voices.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ (levels - mean))
    hearing.f0_of_voice.copy_(torch.cat([weights, (mean - voices.mean(0) @ weights)[None]]))
    hearing.manner_mean.zero_()
    hearing.manner_std.fill_(1.0)
    vectors = []
    for speaker, utterances in found.items():
        expected = hearing.expected_log_f0(hearing.voices[speaker][None])
        vectors += [replace(m, f0_level=m.f0_level - expected).vector()[0] for _, m in utterances]
    manners = torch.stack(vectors)  # (utterances, 6)
    hearing.manner_mean.copy_(manners.mean(0))
    least = torch.tensor([_LEAST_DEVIATION.get(name, 1e-2) for name in MANNER])
    hearing.manner_std.copy_(manners.std(0, correction=0).maximum(least))


def _middle(mel: torch.Tensor) -> torch.Tensor:
    start = max(mel.shape[1] - REFERENCE_FRAMES, 0) // 2
    return mel[:, start : start + REFERENCE_FRAMES]
