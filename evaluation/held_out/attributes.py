"""The four things by which prosodic styles are told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from evaluation.held_out.reference import ATTRIBUTES
from evaluation.pitch import median_and_range, semitones
from evaluation.rate import speaking_rate
from evaluation.speech import Speech
from params import Audio

NEUTRAL = "neutral"
STANDARD_ERRORS = 2.0  # a difference smaller than this has no side


def style_attributes(text: str, speech: Speech, audio_params: Audio) -> dict[str, float]:
    """F0 median and range in semitones, rate in syllables a second, energy in dB; NaN where nothing is voiced."""
    median, width = median_and_range(speech.f0)
    return {
        "f0_median": float(semitones(median)),
        "f0_range": width,
        "rate": speaking_rate(text, speech, audio_params),
        "energy": float(speech.energy_db[speech.active].mean()),
    }


def corpus_sides(measured: Iterable[tuple[str, str, dict[str, float]]]) -> dict[str, dict[str, int]]:
    """On which side of neutral each style has each attribute, out of (speaker, style, attributes) of utterances.

    Differences are taken within each voice, so that a voice that speaks one style more often weighs no more.
    """
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for speaker, style, attributes in measured:
        for name in ATTRIBUTES:
            if np.isfinite(attributes[name]):
                values[style, name, speaker].append(attributes[name])
    styles = sorted({style for style, _, _ in values} - {NEUTRAL})
    speakers = sorted({speaker for _, _, speaker in values})
    return {style: {name: _side(values, style, name, speakers) for name in ATTRIBUTES} for style in styles}


def _side(values: dict[tuple[str, str, str], list[float]], style: str, name: str, speakers: list[str]) -> int:
    differences, variances = [], []
    for speaker in speakers:
        own, neutral = (values.get((kind, name, speaker), []) for kind in (style, NEUTRAL))
        if len(own) > 1 and len(neutral) > 1:
            differences.append(np.mean(own) - np.mean(neutral))
            variances.append(np.var(own, ddof=1) / len(own) + np.var(neutral, ddof=1) / len(neutral))
    if not differences:
        return 0
    mean, error = np.mean(differences), np.sqrt(np.sum(variances)) / len(differences)
    return int(np.sign(mean)) if abs(mean) > STANDARD_ERRORS * error else 0
