"""A training batch's own labels as a style source."""

from __future__ import annotations

import torch

from data.batching import Batch
from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS
from model.style import StyleSource


def style_of_batch(model: CondGradTTS, batch: Batch, known: dict[str, torch.Tensor] | None = None) -> StyleSource:
    """Contours from the target's labels, timbre from another utterance of its speaker; known: types kept by item."""
    voiced = batch.f0 > 0
    speaker, emotion = labels_of(batch)
    return StyleSource(
        speaker=speaker,
        emotion=emotion,
        log_f0=torch.where(voiced, batch.f0, 100.0).log(),
        voicing=batch.voicing,
        energy=model.normalise_energy(batch.energy),
        contour_lengths=batch.mel_lengths,
        reference_mel=model.normalise(batch.reference_mel[:, :, :REFERENCE_FRAMES]),
        reference_lengths=batch.reference_lengths.clamp(max=REFERENCE_FRAMES),
        known=known,
    )


def labels_of(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Speaker and emotion: embeddings (B, width) where the batch has them, else ids (B,)."""
    return (
        batch.speaker if batch.speaker_embedding is None else batch.speaker_embedding,
        batch.emotion if batch.emotion_embedding is None else batch.emotion_embedding,
    )
