"""Pairs of audio and a predicted mel, and an endless, seeded stream of crops of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from common.errors import BadLines, InputError
from data.array_file import read_array
from data.audio import read_audio
from data.filelist import read_filelist
from model.units import SILENCE
from params import Audio

MIN_FRAMES = 4  # the mel of anything shorter cannot be taken: its ends are reflected


def read_pairs(
    filelist: str | os.PathLike, mels: str | os.PathLike, audio: Audio, bad_lines: BadLines | None = None
) -> list[tuple[Path, Path]]:
    """The audio of a filelist (`data.filelist`) with `MELS/NAME.npy` for each `NAME.wav`.

    Every pair is read once, so that no training comes to one that cannot be used.

    bad_lines: takes the lines of such; None: the first one raises.

    Raises:
        InputError: from `read_filelist`; it is empty or has no line that can be used, or two files share a name.
    """
    bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
    before, pairs = len(bad_lines.messages), {}
    for utterance in tqdm(read_filelist(filelist, bad_lines), desc="check", unit="file", disable=None):
        name = utterance.stem
        if name in pairs:
            raise InputError(f"{utterance.place}: two audio files are named {name}; rename one, and its mel")
        pair = Path(utterance.wav), Path(mels) / f"{name}.npy"
        with bad_lines.skipping(utterance.place):
            if not os.path.isfile(pair[1]):
                raise InputError(f"{pair[1]} is missing; predict mels for the whole filelist first")
            load_pair(*pair, audio)
            pairs[name] = pair
    if not pairs and len(bad_lines.messages) > before:
        raise bad_lines.none_left(str(filelist), before)
    if not pairs:
        raise InputError(f"{filelist} names no audio")
    return list(pairs.values())


def load_pair(wav: Path, mel: Path, audio: Audio) -> tuple[np.ndarray, np.ndarray]:
    """The mel (n_mels, T) and the T * hop samples that belong to it, float32.

    Raises:
        InputError: a file cannot be read, or the mel is more than a frame longer or shorter than the audio.
    """
    samples = read_audio(wav, audio.sample_rate)
    try:
        frames = read_array(mel)
    except ValueError as error:
        raise InputError(f"{mel} cannot be read as a NumPy array ({error}); predict it again") from error
    if frames.ndim == 3 and frames.shape[0] == 1:
        frames = frames[0]  # (n_mels, T)
    if frames.ndim != 2 or frames.shape[0] != audio.n_mels or frames.dtype.kind != "f":
        raise InputError(f"{mel} holds {frames.dtype} {frames.shape}; a mel is a float array ({audio.n_mels}, frames)")
    if not np.isfinite(frames).all():
        raise InputError(f"{mel} holds values that are not finite; predict it again")
    length = len(samples) // audio.hop_length
    if abs(frames.shape[1] - length) > 1:
        raise InputError(
            f"{mel} has {frames.shape[1]} frames and {wav} {length}; predict mels with the recording's own alignment"
        )
    length = min(length, frames.shape[1])
    if length < MIN_FRAMES:
        raise InputError(f"{wav} is shorter than {MIN_FRAMES} frames; take it off the list")
    return frames[:, :length].astype(np.float32), samples[: length * audio.hop_length]


class Segments(Dataset):
    """Item n of an endless stream of crops, the same at every reading, so that a run resumes exactly where it stopped.

    Each epoch has every pair once, in an order of its own. An item is (mel (n_mels, frames), audio (frames * hop,));
    what is shorter is filled with silence.
    """

    def __init__(self, pairs: list[tuple[Path, Path]], audio: Audio, frames: int, seed: int) -> None:
        self.pairs = pairs
        self.audio = audio
        self.frames = frames
        self.seed = seed

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(position, len(self.pairs))
        # The third number keeps the two kinds of draws apart.
        pair = np.random.default_rng((self.seed, epoch, 0)).permutation(len(self.pairs))[place]
        mel, samples = load_pair(*self.pairs[pair], self.audio)
        missing = self.frames - mel.shape[1]
        if missing > 0:
            mel = np.pad(mel, ((0, 0), (0, missing)), constant_values=SILENCE)
            samples = np.pad(samples, (0, missing * self.audio.hop_length))
        start = np.random.default_rng((self.seed, position, 1)).integers(mel.shape[1] - self.frames + 1)
        hop = self.audio.hop_length
        return (
            torch.from_numpy(mel[:, start : start + self.frames].copy()),
            torch.from_numpy(samples[start * hop : (start + self.frames) * hop].copy()),
        )
