"""The frame-by-frame features that metrics compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.energy import DB_PER_UNIT, frame_energy
from data.mel import mel_spectrogram
from evaluation.cache import AnalysisCache
from evaluation.phones import Phones
from evaluation.sound import Sound
from params import Audio

ACTIVE_DB = 40.0  # frames this far below the loudest are silence
F0_VERSION = 1  # raise it when extract_f0 gives something else for the same sound


@dataclass(frozen=True, eq=False)
class Speech:
    """Frame i belongs to sample (i + 0.5) * hop."""

    mel: np.ndarray  # (n_mels, T) float32, natural log
    f0: np.ndarray  # (T,) Hz, 0 where unvoiced
    phones: Phones | None = None

    @property
    def frames(self) -> int:
        return len(self.f0)

    @property
    def energy_db(self) -> np.ndarray:
        """(T,) dB of an arbitrary reference."""
        return frame_energy(self.mel) * DB_PER_UNIT

    @property
    def active(self) -> np.ndarray:
        """(T,) whether a frame is loud enough to be speech."""
        energy = self.energy_db
        return energy > energy.max() - ACTIVE_DB

    @property
    def span(self) -> tuple[int, int]:
        """Frames [start, end) from the first to the last active one."""
        active = np.flatnonzero(self.active)
        return int(active[0]), int(active[-1]) + 1


def analyse(
    sound: Sound, audio_params: Audio, phones: Phones | None = None, cache: AnalysisCache | None = None
) -> Speech:
    """Measure mel and F0 of a sound at the parameters' rate. F0 is always measured, also where labels know it better:
    both sides of a comparison have to be seen through the same eyes."""
    from data.pitch import extract_f0

    def make() -> np.ndarray:
        return extract_f0(sound.audio, audio_params)

    f0 = make() if cache is None else cache.get(sound.digest, f"f0 {F0_VERSION} {audio_params}", make)
    return Speech(mel_spectrogram(sound.audio, audio_params), f0, phones)
