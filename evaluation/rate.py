"""Speaking rate."""

from __future__ import annotations

import functools

from evaluation.speech import Speech
from params import Audio
from text.front_end import front_end
from text.symbols import SYMBOLS, VOWELS

_VOWELS = frozenset(VOWELS)


@functools.lru_cache(maxsize=4096)
def count_syllables(text: str) -> int:
    """Vowels of the text's ARPAbet pronunciation."""
    return sum(symbol in _VOWELS for symbol in _front_end().encode(text).symbols)


def speaking_rate(text: str, speech: Speech, audio_params: Audio) -> float:
    """Syllables a second, from the first to the last active frame; pauses inside count."""
    start, end = speech.span
    return count_syllables(text) / ((end - start) * audio_params.hop_length / audio_params.sample_rate)


@functools.lru_cache(maxsize=1)
def _front_end():
    return front_end("arpabet", SYMBOLS, add_blank=False)
