"""F0 by Praat's autocorrelation method, one value per mel frame.

Source: Boersma, "Accurate short-term analysis of the fundamental frequency...", 1993; through praat-parselmouth.
"""

from __future__ import annotations

import math

import numpy as np
import parselmouth

from params import Audio

PERIODS_PER_WINDOW = 3  # of the pitch floor, in Praat's autocorrelation method


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
