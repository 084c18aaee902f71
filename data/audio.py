"""Audio files in and out: any format, rate and channel count that libsndfile reads; 16-bit WAV out."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from common.errors import InputError
from common.files import replacing

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"})  # of files in a folder
# Far above every recording of speech; a header may claim anything.
MOST_SAMPLES = 2**27  # of all channels together, before and after resampling: an hour and a half of 22.05 kHz
RATES = (1000, 1_000_000)  # Hz
# Sizes in WAV files by programs that cannot go back to fill them in: none, or the most that they write.
_UNKNOWN_FROM = 0x7FFFF000
_OGG_PAGE = 65307  # bytes, the longest one


@dataclass(frozen=True)
class AudioHeader:
    """What a file says of itself; sample_rate in Hz."""

    seconds: float
    sample_rate: int
    channels: int


def read_header(path: str | os.PathLike) -> AudioHeader:
    """Raises InputError for a file that is missing, a folder, empty, truncated or not audio."""
    path = _existing(path)
    try:
        info = soundfile.info(os.fsencode(path))  # it would encode only names that are UTF-8
        cut = _is_cut_short(path)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read as audio ({_one_line(error)}); replace it") from error
    if cut:
        raise InputError(f"{path} is truncated: it ends before its samples do; copy it again")
    _check_size(path, info.samplerate, info.frames)
    return AudioHeader(info.frames / info.samplerate, info.samplerate, info.channels)


def audio_seconds(path: str | os.PathLike) -> float:
    """Duration as the file's header tells; errors as for `read_header`."""
    return read_header(path).seconds


def read_audio(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """Read an audio file as mono at `sample_rate` Hz.

    Channels are averaged; another rate is resampled once (soxr, HQ).

    Returns:
        (samples,) float32; full scale is [-1, 1].
    Raises:
        InputError: the file is missing, a folder, empty, truncated, not audio, without samples, too long, not finite.
    """
    path = _existing(path)
    try:
        # (samples, channels)
        with soundfile.SoundFile(os.fsencode(path)) as file:
            rate, promised = file.samplerate, file.frames
            _check_size(path, rate, promised)
            if promised * max(file.channels, sample_rate / rate) > MOST_SAMPLES:
                raise InputError(f"{path} lasts {promised / rate:.0f} s in {file.channels} channels: too long; cut it")
            channels = file.read(dtype="float32", always_2d=True)
        cut = len(channels) < promised or _is_cut_short(path)
    except InputError:
        raise
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read as audio ({_one_line(error)}); convert it to WAV or FLAC") from error
    if cut:
        raise InputError(f"{path} is truncated: it ends before its samples do; copy it again or take it off the list")
    audio = channels.mean(axis=1)  # (samples,)
    if audio.size == 0:
        raise InputError(f"{path} holds no samples (truncated?); replace it or take it off the list")
    if not np.isfinite(audio).all():
        raise InputError(f"{path} holds samples that are not finite (NaN or infinity); replace it")
    if rate != sample_rate:
        audio = soxr.resample(audio, rate, sample_rate, quality="HQ")
        if audio.size == 0:
            raise InputError(f"{path} is too short to resample from {rate} to {sample_rate} Hz; take it off the list")
    return np.ascontiguousarray(audio, dtype=np.float32)


def pcm16(audio: np.ndarray) -> np.ndarray:
    """(samples,) in [-1, 1] as int16: rounded at a scale of 32767, clipped outside.

    Raises:
        ValueError: audio is not one-dimensional or not finite.
    """
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise ValueError(f"audio must have shape (samples,), not {audio.shape}")
    if not np.isfinite(audio).all():
        raise ValueError("audio holds samples that are not finite")
    return np.rint(np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16)


def write_wav(path: str | os.PathLike, audio: np.ndarray, sample_rate: int) -> None:
    """Write (samples,) audio in [-1, 1] as 16-bit PCM (`pcm16`).

    The file appears whole or not at all. Missing folders are made.

    Raises:
        ValueError: audio is not one-dimensional or not finite.
        InputError: the place cannot be written to.
    """
    content = io.BytesIO()  # libsndfile does not say why it cannot write
    soundfile.write(content, pcm16(audio), sample_rate, subtype="PCM_16", format="WAV")
    with replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _check_size(path: Path, rate: int, frames: int) -> None:
    low, high = RATES
    if not low <= rate <= high:
        raise InputError(f"{path} has {rate} samples a second; {low} to {high} can be read: convert it")
    if frames >= 2**62:  # as libsndfile says of a FLAC without a length
        raise InputError(f"{path} does not say how long it is (written to a pipe?): convert it again, into a file")


def _existing(path: str | os.PathLike) -> Path:
    path = Path(path)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; give an audio file")
    if not os.path.exists(path):  # unlike Path.exists, False for names that no file can have
        raise InputError(f"{path}: no such audio file; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is an empty file; replace it or take it off the list")
    return path


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _is_cut_short(path: str | os.PathLike) -> bool:
    """Whether a RIFF/WAVE, AIFF or Ogg file ends before its samples do; False for every other file.

    libsndfile reads a truncated one as a shorter one.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        kind, _, form = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if kind == b"OggS":
            file.seek(max(0, size - _OGG_PAGE))
            return _ends_inside_a_page(file.read())
        if (kind, form) == (b"RIFF", b"WAVE"):
            samples, chunk = b"data", "<4sI"
        elif kind == b"FORM" and form in (b"AIFF", b"AIFC"):
            samples, chunk = b"SSND", ">4sI"
        else:
            return False
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack(chunk, header)
            if name == samples:
                return length < _UNKNOWN_FROM and file.tell() + length > size
            file.seek(length + length % 2, os.SEEK_CUR)  # chunks begin at even places
    return False


def _ends_inside_a_page(end: bytes) -> bool:
    """Whether the last Ogg page (RFC 3533, section 6) in the end of a file is not all there.

    27 bytes, of which the last says how many segments there are, their sizes, and the segments.
    """
    page = end[end.rfind(b"OggS") :]
    sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return len(page) < 27 or len(sizes) < page[26] or len(page) < 27 + len(sizes) + sum(sizes)
