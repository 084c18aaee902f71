"""What is asked of the other two interpolations: a crossing in the right place, and a sweep that goes one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.analyser import Analyser
from evaluation.pitch import median_and_range, semitones
from evaluation.sound import Sound
from evaluation.speaker import cosine
from synthesis.result import Result

HALF_SECONDS = 2.0  # halves shorter than this say little about a voice
EDGE_SECONDS = 0.3  # on either side of the crossing, for its level
APART = 3.0  # semitones between the two ends of a sweep that is judged
SWEEP = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Halves:
    """The two halves of a result about its crossing."""

    before: Sound
    after: Sound
    jump: float  # dB, of the level across the crossing, without its sign

    @property
    def long_enough(self) -> bool:
        return min(self.before.seconds, self.after.seconds) >= HALF_SECONDS


def halves(result: Result, cross: float) -> Halves:
    """Cut where the token is whose middle is the first after `cross`, a share of the tokens."""
    count = len(result.durations)
    first = int(np.flatnonzero((np.arange(count) + 0.5) / count >= cross)[0])
    hop = len(result.audio) // int(result.durations.sum())
    at = int(result.durations[:first].sum()) * hop
    edge = round(EDGE_SECONDS * result.sample_rate)
    levels = [_level(result.audio[max(at - edge, 0) : at]), _level(result.audio[at : at + edge])]
    before, after = (Sound(part, result.sample_rate) for part in (result.audio[:at], result.audio[at:]))
    return Halves(before, after, abs(levels[1] - levels[0]))


def rightly_heard(
    cut: Halves,
    speakers: tuple[str, str],
    others: tuple[str, str],
    centroids: Mapping[str, np.ndarray],
    analyser: Analyser,
) -> list[float]:
    """For either half 1 where the voice of `speakers` is nearer than that of `others`, else 0; (before, after)."""
    found = []
    for sound, right, wrong in zip((cut.before, cut.after), speakers, others, strict=True):
        embedding = analyser.embedding(sound)
        found.append(float(cosine(embedding, centroids[right]) > cosine(embedding, centroids[wrong])))
    return found


@dataclass(frozen=True)
class SweepMatch:
    """Whether a sweep from b (share 0) to a (share 1) goes one way; apart: semitones between its ends."""

    apart: float
    f0_monotone: bool
    voice_monotone: bool


def judge_sweep(results: Sequence[Result], a: np.ndarray, b: np.ndarray, analyser: Analyser) -> SweepMatch:
    """results: in the order of `SWEEP`; a, b: centroids of the two voices."""
    sounds = [Sound(result.audio, result.sample_rate) for result in results]
    heights = [float(semitones(median_and_range(analyser.speech(sound).f0)[0])) for sound in sounds]
    nearness = [cosine(e, a) - cosine(e, b) for e in map(analyser.embedding, sounds)]
    way = np.sign(heights[-1] - heights[0])
    return SweepMatch(
        apart=abs(heights[-1] - heights[0]),
        f0_monotone=bool((np.diff(heights) * way >= 0).all()),
        voice_monotone=bool((np.diff(nearness) >= 0).all()),
    )


def _level(audio: np.ndarray) -> float:
    """dB of the mean power."""
    power = float(np.square(audio, dtype=np.float64).mean()) if len(audio) else 0.0
    return 10 * np.log10(power + 1e-10)
