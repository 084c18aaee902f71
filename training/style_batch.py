"""A training batch's own labels as a style source."""

from __future__ import annotations

from dataclasses import replace

import torch

from data.batching import Batch
from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS
from model.lengths import sequence_mask
from model.randomness import drawn, uniform
from model.style import StyleSource
from model.units import DECIBEL, SILENCE
from training.microphone import through_microphones

LEVEL_DB, LEVEL_SHARE = 12.0, 0.5  # how far either way the levels of how many items are moved


def style_of_batch(
    model: CondGradTTS,
    batch: Batch,
    known: dict[str, torch.Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> StyleSource:
    """Contours from the target's labels, timbre from another utterance of its speaker; known: types kept by item.

    A model that hears gets the voice of that other utterance, and the target's manner. generator: the other utterance
    is heard through a random microphone; None: as it is.
    """
    voiced = batch.f0 > 0
    speaker, emotion = labels_of(batch)
    log_f0 = torch.where(voiced, batch.f0, 100.0).log()
    reference, lengths = batch.reference_mel, batch.reference_lengths
    if model.hearing is not None:
        hearing, audio = model.hearing, model.params.audio
        inside = sequence_mask(lengths, reference.shape[2]) > 0  # (B, 1, R)
        reference = reference.masked_fill(~inside, SILENCE)
        if generator is not None:
            seeds = drawn(lambda size: torch.randint(2**62, size, generator=generator), lengths.shape)
            reference = through_microphones(reference, seeds, audio.hop_length / audio.sample_rate)
        with torch.no_grad():
            speaker = hearing.voice(reference, lengths)
        measured = hearing.measured(batch.mel, log_f0, batch.voicing, batch.energy, batch.mel_lengths, batch.phones)
        emotion = hearing.manner(measured, speaker)
        reference = reference.masked_fill(~inside, 0.0)
    return StyleSource(
        speaker=speaker,
        emotion=emotion,
        log_f0=log_f0,
        voicing=batch.voicing,
        energy=model.normalise_energy(batch.energy),
        contour_lengths=batch.mel_lengths,
        reference_mel=model.normalise(reference[:, :, :REFERENCE_FRAMES]),
        reference_lengths=lengths.clamp(max=REFERENCE_FRAMES),
        known=known,
    )


def at_other_levels(batch: Batch, generator: torch.Generator) -> Batch:
    """The batch, some items louder or softer by up to `LEVEL_DB`: how a model that hears learns what level is."""
    moved = uniform((len(batch.ids),), batch.mel, generator) < LEVEL_SHARE
    decibels = LEVEL_DB * (2 * uniform((len(batch.ids),), batch.mel, generator) - 1) * moved
    inside = sequence_mask(batch.mel_lengths, batch.mel.shape[2]) > 0  # (B, 1, T)
    mel = (batch.mel + DECIBEL * decibels[:, None, None]).clamp(min=SILENCE)
    energy = batch.energy + DECIBEL * decibels[:, None]
    return replace(batch, mel=mel * inside, energy=energy * inside[:, 0])


def labels_of(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Speaker and emotion: embeddings (B, width) where the batch has them, else ids (B,)."""
    return (
        batch.speaker if batch.speaker_embedding is None else batch.speaker_embedding,
        batch.emotion if batch.emotion_embedding is None else batch.emotion_embedding,
    )
