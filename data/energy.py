"""Frame energy, taken from the mel itself, so it is aligned with it and can be measured on generated mels too."""

from __future__ import annotations

import math

import numpy as np

DB_PER_UNIT = 20 / math.log(10)  # 8.686: energy is the natural logarithm of an amplitude


def frame_energy(mel: np.ndarray) -> np.ndarray:
    """Log-mel (n_mels, T) -> (T,) float32: natural log of the L2 norm over the mel rows of the mel amplitude.

    Times `DB_PER_UNIT` it is in dB (of an arbitrary reference); silence is log(1e-5 * sqrt(80)) = -9.32.
    """
    top = mel.max(axis=0)  # (T,) taken out before exp, so that nothing overflows
    return (top + 0.5 * np.log(np.exp(2.0 * (mel - top)).sum(axis=0))).astype(np.float32)
