"""What a model has to know of its corpus before training: normalisation, and a reference of every speaker."""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from data.dataset import UtteranceDataset
from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS

_MOST_UTTERANCES = 2000  # more change the statistics no further
_CANDIDATES = 30  # utterances of a speaker, out of which the most typical is the reference


@torch.no_grad()
def set_statistics(model: CondGradTTS, dataset: UtteranceDataset, seed: int, progress: bool = True) -> None:
    """Fill the model's normalisation buffers from (at most 2,000) utterances."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(dataset))[:_MOST_UTTERANCES]
    count, total, squares, energies = 0, 0.0, 0.0, []
    for index in tqdm(chosen, desc="statistics", unit="file", disable=not progress):
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


def _middle(mel: torch.Tensor) -> torch.Tensor:
    start = max(mel.shape[1] - REFERENCE_FRAMES, 0) // 2
    return mel[:, start : start + REFERENCE_FRAMES]
