"""Formants F1-F4 and their bandwidths by Burg's method, one value per mel frame; through praat-parselmouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import parselmouth

from params import Audio

FORMANTS = 4
MAX_FORMANT = 5500.0  # Hz; Praat's value for higher voices, and the usual compromise over mixed ones
WINDOW = 0.025  # seconds, effective; Praat's Gaussian window is twice as long


@dataclass
class Formants:
    """Hz; 0 where a formant is unknown, never NaN."""

    frequency: np.ndarray  # (4, T) float32
    bandwidth: np.ndarray  # (4, T) float32


def extract_formants(audio: np.ndarray, audio_params: Audio) -> Formants:
    """(samples,) -> formants at the centres of the samples // hop mel frames."""
    p = audio_params
    frames = len(audio) // p.hop_length
    margin = 2 * WINDOW  # seconds of silence, so that Praat has a frame on both sides of the first and last centre
    padded = np.pad(np.asarray(audio, dtype=np.float64), round(margin * p.sample_rate))
    formant = parselmouth.Sound(padded, sampling_frequency=p.sample_rate).to_formant_burg(
        time_step=p.hop_length / p.sample_rate,
        max_number_of_formants=5,
        maximum_formant=MAX_FORMANT,
        window_length=WINDOW,
    )
    times = (round(margin * p.sample_rate) + (np.arange(frames) + 0.5) * p.hop_length) / p.sample_rate
    numbers = range(1, FORMANTS + 1)
    frequency = np.array([[formant.get_value_at_time(n, t) for t in times] for n in numbers], dtype=np.float32)
    bandwidth = np.array([[formant.get_bandwidth_at_time(n, t) for t in times] for n in numbers], dtype=np.float32)
    known = np.isfinite(frequency) & np.isfinite(bandwidth) & (frequency > 0)
    return Formants(np.where(known, frequency, 0).astype(np.float32), np.where(known, bandwidth, 0).astype(np.float32))
