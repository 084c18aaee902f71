"""What is known of one utterance, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.mel import frame_energy, mel_spectrogram
from data.pitch import extract_f0
from params import Audio


@dataclass
class Features:
    """Frame-aligned features: value i of each belongs to sample (i + 0.5) * hop.

    Generated corpora also know each symbol's exact duration; elsewhere the last three are None.
    """

    mel: np.ndarray  # (n_mels, T) float32, natural log
    f0: np.ndarray  # (T,) float32, Hz, 0 where unvoiced
    voicing: np.ndarray  # (T,) float32, 1 where voiced, else 0
    energy: np.ndarray  # (T,) float32, data.mel
    symbols: tuple[str, ...] | None = None  # S symbols of the text front end, without blanks
    symbol_seconds: np.ndarray | None = None  # (S,) float32
    boundaries: np.ndarray | None = None  # (S + 1,) float32, of the symbols, in mel frames from 0

    @property
    def frames(self) -> int:
        return self.mel.shape[1]


def extract(audio: np.ndarray, audio_params: Audio) -> Features:
    """(samples,) at the parameters' rate -> features of samples // hop frames.

    Raises:
        InputError: audio is shorter than one hop.
    """
    mel = mel_spectrogram(audio, audio_params)
    f0 = extract_f0(audio, audio_params)
    return Features(mel=mel, f0=f0, voicing=(f0 > 0).astype(np.float32), energy=frame_energy(mel))
