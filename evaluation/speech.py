"""The frame-by-frame features that metrics compare, and where the phones lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.files import read_bounded
from data.array_file import MOST_BYTES
from data.labels import labels_path, parse_labels, symbol_boundaries
from data.mel import DB_PER_UNIT, frame_energy, mel_spectrogram
from evaluation.sound import AnalysisCache, Sound
from params import Audio
from text.symbols import BLANK

ACTIVE_DB = 40.0  # frames this far below the loudest are silence
F0_VERSION = 1  # raise it when extract_f0 gives something else for the same sound


@dataclass(frozen=True, eq=False)
class Phones:
    """S symbols without blanks, and their boundaries (S + 1,) in mel frames, from 0."""

    symbols: tuple[str, ...]
    boundaries: np.ndarray


def phones_of_tokens(tokens: Sequence[str], durations: Sequence[float]) -> Phones:
    """A result's tokens and their whole frames. Blanks between two symbols belong half to each: on generated speech
    with exact labels, phones begin in the middle of them (to 0.2 frames; where the blank ends, 1.8 frames too late).

    Raises:
        ValueError: as many durations as tokens are needed, and a token that is not blank.
    """
    if len(tokens) != len(durations):
        raise ValueError(f"{len(tokens)} tokens but {len(durations)} durations")
    edges = np.concatenate([[0.0], np.cumsum(durations)])  # of tokens
    spoken = np.array([i for i, token in enumerate(tokens) if token != BLANK], dtype=int)
    if not spoken.size:
        raise ValueError("every token is blank")
    between = (edges[spoken[:-1] + 1] + edges[spoken[1:]]) / 2
    return Phones(tuple(tokens[i] for i in spoken), np.concatenate([[0.0], between, edges[-1:]]))


def phones_of_recording(wav: Path, audio_params: Audio) -> Phones | None:
    """From the labels beside a generated recording (data.labels); None where there are none."""
    path = labels_path(wav)
    if not path.is_file():
        return None
    labels = parse_labels(read_bounded(path, MOST_BYTES), path)
    return Phones(labels.symbols, symbol_boundaries(labels.symbol_seconds, audio_params).astype(np.float64))


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
