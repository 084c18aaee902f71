"""What is wrong with a recording of a person, as far as its samples tell.

The thresholds were set on recordings of two readers and of eight generated voices: as they are, spoilt by known
amounts, and one after the other in one recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from scipy.fft import dct

from data.mel import frame_energy, mel_spectrogram
from data.pitch import extract_f0
from params import Audio

FRAME_SECONDS = 0.02
ACTIVE_DB = 35.0  # frames this far below the loudest are no speech

LEAST_SPEECH = 2.0  # seconds; less tells little of a voice
MOST_CLIPPED = 1e-4  # share of the samples; clean recordings have a third of it at most
LEAST_SNR = 13.0  # dB; where no pause lets the noise be heard, clean speech may seem to have 14
LEAST_BANDWIDTH = 6000.0  # Hz; sibilants reach beyond it, telephone lines and low bit rates do not

CEPSTRA = 12  # coefficients, without the level
LEAST_SIDE = 86  # voiced frames on either side of a change of speaker: a second
WINDOW = 350  # voiced frames in which one is looked for, besides the whole
STEP = 20  # frames between the places that are tried
CHANGE = 2.2  # how far the criterion must lie on the side of two people; one reader reaches 2.1


@dataclass(frozen=True)
class RecordingQuality:
    """speech: seconds that are no pause; clipped: share of samples cut off at the extremes; snr: dB by which speech
    stands above the noise between the words; bandwidth: Hz up to which there is sound; two_people: whether it sounds
    like two.
    """

    speech: float
    clipped: float
    snr: float
    bandwidth: float
    two_people: bool

    def warnings(self) -> list[str]:
        """What should be known of the recording, a clause each; none of a good one."""
        found = []
        if self.speech < LEAST_SPEECH:
            found.append(f"short: {self.speech:.1f} s of speech tell little; give 4 s or more")
        if self.clipped > MOST_CLIPPED:
            found.append(f"clipped: {100 * self.clipped:.2g}% of the samples are cut off; record at a lower level")
        if self.snr < LEAST_SNR:
            found.append(f"noisy: speech is {self.snr:.0f} dB above the noise; the nearer the microphone, the better")
        if self.bandwidth < LEAST_BANDWIDTH:
            found.append(f"band-limited: nothing above {self.bandwidth:.0f} Hz, as through a telephone")
        if self.two_people:
            found.append("two people seem to speak; cut it to one")
        return found


def measure_quality(audio: np.ndarray, sample_rate: int) -> RecordingQuality:
    """Of mono samples (N,), finite, at the rate at which they were recorded: resampling hides what was cut off."""
    audio = np.asarray(audio, dtype=np.float64)
    levels = frame_levels(audio, sample_rate)
    active = levels > levels.max(initial=-np.inf) - ACTIVE_DB
    return RecordingQuality(
        speech=float(active.sum() * FRAME_SECONDS),
        clipped=clipped_share(audio),
        snr=signal_to_noise(levels),
        bandwidth=bandwidth(audio, sample_rate),
        two_people=speaker_change(audio, sample_rate) > CHANGE,
    )


def frame_levels(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Power of frames of `FRAME_SECONDS`, (T,) in dB; frames that no microphone gives, below -100, are left out."""
    size = max(1, round(FRAME_SECONDS * sample_rate))
    frames = audio[: len(audio) // size * size].reshape(-1, size)
    levels = 10 * np.log10(np.maximum(np.square(frames).mean(1), 1e-20))
    return levels[levels > -100]


def clipped_share(audio: np.ndarray) -> float:
    """Share of the samples in the pile that clipping leaves at the extremes; 0 without such a pile.

    Samples grow rarer towards the peak: even a pure tone has half as many in the last 0.5% as in the 4.5% before.
    """
    size = np.abs(audio)
    peak = size.max(initial=0.0)
    if peak == 0:
        return 0.0
    top = float((size >= 0.995 * peak).mean())
    below = float(((size >= 0.95 * peak) & (size < 0.995 * peak)).mean())
    return top if top > 1.2 * below else 0.0


def signal_to_noise(levels: np.ndarray) -> float:
    """dB by the levels (T,) of frames: what their mean power has above the quietest twentieth's; inf without frames."""
    if not len(levels):
        return float("inf")
    noise = 10 ** (np.percentile(levels, 5) / 10)
    speech = np.mean(10 ** (levels / 10)) - noise
    return float(10 * np.log10(max(speech, 1e-20) / noise))


def bandwidth(audio: np.ndarray, sample_rate: int) -> float:
    """The highest frequency, in Hz, at which the strong frames are within 60 dB of the strongest frequency."""
    size = 1 << (round(0.03 * sample_rate) - 1).bit_length()
    if len(audio) < size or not audio.any():
        return sample_rate / 2
    frames = np.lib.stride_tricks.sliding_window_view(audio, size)[:: size // 2] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames)) ** 2  # (T, bins)
    strong = np.percentile(power, 95, axis=0)  # (bins,)
    hz = np.fft.rfftfreq(size, 1 / sample_rate)
    return float(hz[strong > 1e-6 * strong.max()].max(initial=0.0))


def speaker_change(audio: np.ndarray, sample_rate: int) -> float:
    """How much rather two people than one speak, by the Bayesian information criterion: the gain in log-likelihood of a
    change of speaker over the price of its parameters. 0 where too little is voiced.

    One Gaussian of the cepstra of voiced frames is set against two, one on either side of a change; the greatest value
    over all changes, in the whole and in windows, counts. Above `CHANGE` were no recordings of one reader; most with
    four seconds of two people, and half of those with two seconds of each.
    Source: Chen and Gopalakrishnan, "Speaker, environment and channel change detection...", 1998.
    """
    params = Audio()
    mono = audio if sample_rate == params.sample_rate else soxr.resample(audio, sample_rate, params.sample_rate)
    if len(mono) < params.win_length:
        return 0.0
    mel = mel_spectrogram(mono, params)  # (n_mels, T)
    energy = frame_energy(mel)
    voiced = (extract_f0(mono, params) > 0) & (energy > energy.max() - 4)  # 35 dB, in units of the mel
    cepstra = dct(mel, axis=0, norm="ortho")[1 : CEPSTRA + 1].T[voiced]  # (V, CEPSTRA)
    starts = range(0, len(cepstra) - WINDOW // 2, WINDOW // 2) if len(cepstra) > WINDOW else ()
    return max(_change(cepstra), *(_change(cepstra[start : start + WINDOW]) for start in starts), 0.0)


def _change(x: np.ndarray) -> float:
    """The greatest value over the places of one change in frames (V, D); 0 for too few frames."""
    count, width = x.shape
    price = 0.5 * (width + width * (width + 1) / 2) * np.log(max(count, 2))
    gains = [
        0.5 * (count * _log_det(x) - place * _log_det(x[:place]) - (count - place) * _log_det(x[place:]))
        for place in range(LEAST_SIDE, count - LEAST_SIDE + 1, STEP)
    ]
    return float(max(gains, default=0.0) / price)


def _log_det(x: np.ndarray) -> float:
    return float(np.linalg.slogdet(np.cov(x.T) + 1e-3 * np.eye(x.shape[1]))[1])
