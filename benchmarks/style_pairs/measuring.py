"""What is measured of an interpolation: where it stands between a alone and b alone, in its halves, along a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.analyser import Analyser
from evaluation.carry import carry_f0, carry_values, positions_by_phones
from evaluation.contours import match_energy, match_pitch, median_and_range, movement, semitones
from evaluation.sound import Sound
from evaluation.speaker import cosine, nearest
from evaluation.speech import Speech, phones_of_tokens
from evaluation.words import word_errors
from style_pairs.pairs import StylePair
from synthesis.result import Result

HALF_SECONDS = 2.0  # halves shorter than this say little about a voice
EDGE_SECONDS = 0.3  # on either side of the crossing, for its level
APART = 3.0  # semitones between the two ends of a sweep that is judged
SWEEP = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, eq=False)
class Heard:
    """A result and what is known of its sound."""

    text: str
    speech: Speech  # with phones
    embedding: np.ndarray | None
    transcript: str | None


def hear(result: Result, analyser: Analyser) -> Heard:
    sound = Sound(result.audio, result.sample_rate)
    phones = phones_of_tokens(result.tokens, result.durations)
    return Heard(result.text, analyser.speech(sound, phones), analyser.embedding(sound), analyser.transcript(sound))


def measure(heard: Heard, a: Heard, b: Heard, pair: StylePair, centroids: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Numbers of one clip; a, b: the same text in either style alone. What cannot be measured is not there.

    movement: share of the way from b's contour to a's. f0_a, f0_b: correlation of log F0 with theirs. rmse_a: semitones
    to a's contour. nearest_b, cosine_b: to the centroids of voices. energy_b: correlation with b's energy. wer, words.
    """
    f0_a, f0_b = (carry_f0(other.speech.f0, _places(other, heard)) for other in (a, b))
    to_a, to_b = (match_pitch(heard.speech.f0, f0) for f0 in (f0_a, f0_b))
    energy_b = carry_values(b.speech.energy_db, _places(b, heard))
    values = {
        "movement": movement(heard.speech.f0, f0_b, f0_a),
        "f0_a": to_a.correlation,
        "f0_b": to_b.correlation,
        "rmse_a": to_a.rmse,
        "energy_b": match_energy(heard.speech.energy_db, energy_b).correlation,
    }
    if heard.embedding is not None:
        values["nearest_b"] = float(nearest(heard.embedding, centroids) == pair.speaker_b)
        values["cosine_b"] = cosine(heard.embedding, centroids[pair.speaker_b])
    if heard.transcript is not None:
        errors = word_errors(heard.transcript, heard.text)
        values |= {"wer": errors.rate, "words": float(errors.length)}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _places(source: Heard, target: Heard) -> np.ndarray:
    """Where the target's frames lie in the source, (T,): all say the same phones."""
    return positions_by_phones(source.speech.phones, target.speech.phones, target.speech.frames)


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
