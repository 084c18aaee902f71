"""The mel spectrogram that HiFi-GAN was trained on, and the energy of its frames.

Source: Kong et al., "HiFi-GAN", 2020, and its published feature extraction.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from common.errors import InputError
from model.mel_filters import mel_filters
from model.units import AMPLITUDE_FLOOR, DECIBEL
from params import Audio

MAGNITUDE_FLOOR = 1e-9  # added to the power, under the root
DB_PER_UNIT = 1 / DECIBEL  # 8.686: energy is the natural logarithm of an amplitude


def pad_frames(audio: np.ndarray, audio_params: Audio) -> np.ndarray:
    """Reflect (n_fft - hop) / 2 samples at both ends: frame i is then centred on sample (i + 0.5) * hop of `audio`, or
    half a sample later where the difference is odd.
    """
    total = audio_params.n_fft - audio_params.hop_length
    return np.pad(audio, (total // 2, total - total // 2), mode="reflect")


class MelSpectrogram:
    """Log-mel of one utterance: natural logarithm of slaney mel bands of the magnitude spectrum.

    Frame i covers samples [i * hop - (n_fft - hop) / 2, i * hop + (n_fft + hop) / 2); its centre is (i + 0.5) * hop.
    """

    def __init__(self, audio_params: Audio) -> None:
        self.audio_params = audio_params
        self.filters = torch.from_numpy(mel_filters(audio_params).copy())  # (n_mels, bins)
        self.window = torch.hann_window(audio_params.win_length)

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """(samples,) at the parameters' rate -> (n_mels, samples // hop) float32.

        Raises:
            ValueError: audio is not one-dimensional.
            InputError: audio is shorter than one hop.
        """
        p = self.audio_params
        audio = np.asarray(audio, dtype=np.float32)
        if audio.ndim != 1:
            raise ValueError(f"audio must have shape (samples,), not {audio.shape}")
        if len(audio) < p.hop_length:
            raise InputError(
                f"the audio has {len(audio)} samples, less than one frame ({p.hop_length}); take it off the list"
            )
        spectrum = torch.stft(
            torch.from_numpy(pad_frames(audio, p)),
            p.n_fft,
            hop_length=p.hop_length,
            win_length=p.win_length,
            window=self.window,
            center=False,
            return_complex=True,
        )  # (bins, T)
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + MAGNITUDE_FLOOR)
        mel = self.filters @ magnitude  # (n_mels, T)
        return torch.log(mel.clamp(min=AMPLITUDE_FLOOR)).numpy()


@functools.lru_cache(maxsize=8)
def _cached(audio_params: Audio) -> MelSpectrogram:
    return MelSpectrogram(audio_params)


def mel_spectrogram(audio: np.ndarray, audio_params: Audio) -> np.ndarray:
    """`MelSpectrogram(audio_params)(audio)`, with filters and window made once per set of parameters."""
    return _cached(audio_params)(audio)


def frame_energy(mel: np.ndarray) -> np.ndarray:
    """Log-mel (n_mels, T) -> (T,) float32: natural log of the L2 norm over the mel rows of the mel amplitude.

    Taken from the mel itself, so it is aligned with it and can be measured on generated mels too.
    Times `DB_PER_UNIT` it is in dB (of an arbitrary reference); silence is log(1e-5 * sqrt(80)) = -9.32.
    """
    top = mel.max(axis=0)  # (T,) taken out before exp, so that nothing overflows
    return (top + 0.5 * np.log(np.exp(2.0 * (mel - top)).sum(axis=0))).astype(np.float32)
