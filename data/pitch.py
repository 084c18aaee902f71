"""What Praat measures of a voice, one value per mel frame: F0 by autocorrelation, formants by Burg's method.

Source: Boersma, "Accurate short-term analysis of the fundamental frequency...", 1993; through praat-parselmouth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import parselmouth

from params import Audio

PERIODS_PER_WINDOW = 3  # of the pitch floor, in Praat's autocorrelation method
FORMANTS = 4
MAX_FORMANT = 5500.0  # Hz; Praat's value for higher voices, and the usual compromise over mixed ones
WINDOW = 0.025  # seconds, effective; Praat's Gaussian window is twice as long


def extract_f0(audio: np.ndarray, audio_params: Audio) -> np.ndarray:
    """(samples,) -> (samples // hop,) float32, Hz, 0 where unvoiced; value i belongs to sample (i + 0.5) * hop.

    Raises:
        ValueError: audio is shorter than one hop.
    """
    p = audio_params
    frames = len(audio) // p.hop_length
    if frames == 0:
        raise ValueError(f"audio of {len(audio)} samples is shorter than one frame")
    # Praat lays its frames symmetrically about the middle of the sound, as many as windows fit. With whole hops and
    # this much silence at both ends exactly `frames` fit (half a hop is left over), so theirs are the mel's.
    window = PERIODS_PER_WINDOW * p.sample_rate / p.f0_min
    margin = max(0, math.ceil((window - p.hop_length / 2) / 2))
    padded = np.pad(np.asarray(audio[: frames * p.hop_length], dtype=np.float64), margin)
    pitch = parselmouth.Sound(padded, sampling_frequency=p.sample_rate).to_pitch_ac(
        time_step=p.hop_length / p.sample_rate, pitch_floor=p.f0_min, pitch_ceiling=p.f0_max
    )
    f0 = pitch.selected_array["frequency"].astype(np.float32)
    assert len(f0) == frames, (len(f0), frames)
    return f0


@dataclass
class Formants:
    """F1 to F4 in Hz; 0 where a formant is unknown, never NaN."""

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
