"""What is measured of an interpolation: where it stands between a alone and b alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.analyser import Analyser
from evaluation.carry import carry_f0, carry_values, positions_by_phones
from evaluation.energy import match_energy
from evaluation.interpolation.pairs import StylePair
from evaluation.phones import phones_of_tokens
from evaluation.pitch import match_pitch, movement
from evaluation.sound import Sound
from evaluation.speaker import cosine, nearest
from evaluation.speech import Speech
from evaluation.word_error import word_errors
from synthesis.result import Result


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
