"""Recordings as a style: who speaks in them, how, and their melody carried to another text."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from common.errors import InputError
from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS
from model.contour import carry_by_position, fill_unvoiced
from model.hearing import Hearing
from model.style import StyleSource
from model.text_to_mel import Frames
from model.voice import mean_voice
from params import Audio
from synthesis.parts import MANNER, MELODY, VOICE

MIN_SECONDS = 0.2
MAX_SECONDS = 60.0
BESIDE_SECONDS = 0.25  # before the first voiced frame and after the last, that still belong to the speech

Recording = str | os.PathLike | tuple[np.ndarray, int]


@dataclass(frozen=True)
class Reference:
    """A recording, analysed. mel (n_mels, R), natural log: its stretch with the most voiced frames.

    Of the whole recording, but for silence around its speech: log_f0 (T,), interpolated where it is unvoiced; voicing
    (T,); whole (n_mels, T), its mel.
    """

    name: str
    mel: Tensor
    log_f0: Tensor
    voicing: Tensor
    whole: Tensor


def read_reference(recording: Recording, audio_params: Audio) -> Reference:
    """Analyse a reference: an audio file, or (samples (N,) or (N, channels), Hz).

    Samples are floats of at most 1, int16 or int32. The mel is its stretch with the most voiced frames, as long as the
    references that models are trained with.

    Raises:
        InputError: it is none, cannot be read, is too short or too long, or has no voiced frame.
    """
    # Analysis takes a while to import, and most runs have no reference.
    from data.audio import read_audio, read_header
    from data.mel import mel_spectrogram
    from data.pitch import extract_f0

    if not _is_recording(recording):
        raise InputError("a recording is a file, or samples with their rate in Hz, such as (samples, 22050)")
    if isinstance(recording, tuple):
        name, audio = "the reference", _to_mono(*recording, audio_params.sample_rate)
        _check_length(name, len(audio) / audio_params.sample_rate)
    else:
        name = f"the reference {Path(recording)}"
        _check_length(name, read_header(recording).seconds)  # first: it may be an hour long
        audio = read_audio(recording, audio_params.sample_rate)
    f0 = torch.from_numpy(extract_f0(audio, audio_params))  # (T,)
    voicing = (f0 > 0).float()
    if not voicing.any():
        raise InputError(f"{name} has no voiced frame, so it has no melody to take; give a recording of speech")
    mel = torch.from_numpy(mel_spectrogram(audio, audio_params))  # (n_mels, T)
    spoken = where_spoken(voicing > 0, audio_params)
    f0, voicing, mel = f0[spoken], voicing[spoken], mel[:, spoken]
    stretch = min(REFERENCE_FRAMES, mel.shape[1])
    start = int(voicing.unfold(0, stretch, 1).sum(1).argmax())
    shown = "recording" if isinstance(recording, tuple) else Path(recording).stem
    return Reference(
        name=shown,
        mel=mel[:, start : start + stretch],
        log_f0=fill_unvoiced(f0.clamp(min=1).log(), voicing),
        voicing=voicing,
        whole=mel,
    )


def where_spoken(voiced: Tensor | np.ndarray, audio_params: Audio) -> slice:
    """The frames (T,) without the silence around speech, which is no part of its melody, level or rate."""
    margin = round(BESIDE_SECONDS * audio_params.sample_rate / audio_params.hop_length)
    frames = np.flatnonzero(voiced)
    return slice(max(int(frames[0]) - margin, 0), int(frames[-1]) + 1 + margin)


@torch.no_grad()
def voice_of(references: Sequence[Reference], hearing: Hearing) -> Tensor:
    """(1, channels): who speaks in recordings of one person."""
    device = hearing.voices.device
    vectors = []
    for reference in references:
        mel = reference.whole.to(device)[None]
        vectors.append(hearing.voice(mel, torch.tensor([mel.shape[2]], device=device))[0])
    return mean_voice(vectors)[None]


@torch.no_grad()
def manner_of(references: Sequence[Reference], hearing: Hearing, voice: Tensor) -> Tensor:
    """(1, 6), standardised: how recordings are spoken, by this voice (1, channels)."""
    from data.mel import frame_energy

    device = voice.device
    manners = []
    for reference in references:
        mel = reference.whole.to(device)[None]
        energy = torch.from_numpy(frame_energy(reference.whole.numpy())).to(device)[None]
        lengths = torch.tensor([mel.shape[2]], device=device)
        contours = (reference.log_f0.to(device)[None], reference.voicing.to(device)[None])
        manners.append(hearing.manner(hearing.measured(mel, *contours, energy, lengths, None), voice)[0])
    return torch.stack(manners).mean(0, keepdim=True)


def _check_length(name: str, seconds: float) -> None:
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(
            f"{name} lasts {seconds:.2f} s; give a recording of {MIN_SECONDS:g} to {MAX_SECONDS:g} s, a sentence or two"
        )


def with_reference(
    style: StyleSource, reference: Reference, frames: Frames, model: CondGradTTS, taken: Collection[str]
) -> StyleSource:
    """The style of one text, with the timbre and the melody of a reference, as far as they are taken.

    The F0 contour goes to the text's frames by relative position; which frames are voiced, the text says, since the
    reference has other words. For the same reason energy is left out. Where voice or manner are not the recording's,
    the melody is moved to the register that the style's own have.
    """
    device, length = frames.mu.device, int(frames.lengths[0])
    if VOICE in taken or model.hearing is None:
        mel = reference.mel.to(device)[None]  # (1, n_mels, R)
        style = replace(
            style,
            reference_mel=model.normalise(mel),
            reference_lengths=torch.tensor([mel.shape[2]], device=device),
        )
    if MELODY not in taken:
        return style
    log_f0 = carry_by_position(reference.log_f0.to(device), length)  # (length,)
    if model.hearing is not None and not {VOICE, MANNER} <= set(taken):
        own = reference.log_f0[reference.voicing > 0].median().to(device)
        log_f0 = log_f0 + model.hearing.usual_log_f0(style)[0] - own
    log_f0 = F.pad(log_f0, (0, frames.mask.shape[2] - length))[None]  # (1, T)
    return frames.with_pitch(style, log_f0)


def _is_recording(recording: object) -> bool:
    if isinstance(recording, tuple):
        return len(recording) == 2 and isinstance(recording[1], Real) and not isinstance(recording[1], bool)
    return isinstance(recording, str | os.PathLike)


def _to_mono(audio: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """(N,) or (N, channels) at `rate` Hz -> (M,) float32 at `sample_rate`."""
    import soxr

    audio = np.asarray(audio)
    if audio.dtype in (np.int16, np.int32):
        audio = audio / -float(np.iinfo(audio.dtype).min)
    if audio.dtype.kind != "f":
        raise InputError(f"the reference's samples are {audio.dtype}; give floats of at most 1, int16 or int32")
    audio = audio.astype(np.float32)
    if audio.ndim == 2:
        audio = audio.mean(axis=1)
    if audio.ndim != 1 or audio.size == 0 or not np.isfinite(audio).all() or not rate > 0:
        raise InputError("the reference must be finite samples (N,) or (N, channels), with a rate in Hz")
    return audio if rate == sample_rate else soxr.resample(audio, rate, sample_rate, quality="HQ")
