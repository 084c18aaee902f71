"""The pictures of a sentence's clips, as PNG bytes; no display is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.measure import Measured
from params import Audio
from synthesis.pictures import Mel, as_png, draw, field_rows, mel_rows

_MEL_INCHES = 1.3


def draw_clips(clips: Sequence[tuple[str, Measured]], audio_params: Audio, mask: np.ndarray | None = None) -> bytes:
    """Clips of one sentence by title, over one time axis: mel, F0, the contour to follow (white, dashed), words.

    mask: (n_mels, T) in [0, 1], a's share, drawn below all of them.
    """
    frame_seconds = audio_params.hop_length / audio_params.sample_rate
    rows = []
    for title, measured in clips:
        speech = measured.speech
        target = measured.target_f0 if measured.clip.variant != "a" else None  # it would follow itself
        mel = Mel(title, speech.mel, speech.f0, measured.clip.words, target_f0=target)
        rows += mel_rows(mel, audio_params, _MEL_INCHES)
    if mask is not None:
        rows += field_rows(mask, "a's share of the pitch", audio_params)
    seconds = max(measured.speech.frames for _, measured in clips) * frame_seconds
    return as_png(draw(rows, seconds))
