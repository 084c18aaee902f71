"""A range that comes out as asked though the decoder does not follow, by a decoder whose answer is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from synthesis.pitch_range import FURTHEST, speak_as_wide


class Decoder:
    """Speaks with a range of so many octaves, which `answer` makes of the factor that it is told; keeps what it was."""

    def __init__(self, answer: Callable[[float], float], frames: int = 200) -> None:
        self.answer, self.frames, self.told = answer, frames, []

    def __call__(self, told: float) -> float:
        self.told.append(told)
        return self.answer(told)

    def hear(self, octaves: float) -> np.ndarray:
        return 150 * 2 ** (octaves * np.linspace(-1, 1, self.frames))


def widened(decoder: Decoder, asked: float) -> float:
    """What was heard, as a factor of what is heard unasked."""
    spoken, told = speak_as_wide(asked, decoder, decoder.hear)
    assert spoken == decoder.answer(told)
    return spoken / decoder.answer(1.0)


@pytest.mark.parametrize("asked", [1.3, 2.0, 0.6])
@pytest.mark.parametrize("share", [0.6, 0.75, 1.4])
def test_a_decoder_that_follows_by_a_share_is_told_more_or_less(asked: float, share: float):
    decoder = Decoder(lambda told: 1 + share * (told - 1))
    assert widened(decoder, asked) == pytest.approx(asked, abs=0.06 * abs(asked - 1))


@pytest.mark.parametrize("asked", [1.3, 0.8])
def test_a_voice_that_leaves_its_contour_unasked(asked: float):
    """What creaks has a span of its own, which the contour does not widen."""
    decoder = Decoder(lambda told: float(np.hypot(told, 0.8)))
    before = decoder.answer(asked) / decoder.answer(1.0)
    after = widened(decoder, asked)
    assert abs(after - asked) < 0.3 * abs(before - asked)


def test_one_that_follows_is_asked_once_and_once_for_what_it_does_unasked():
    decoder = Decoder(lambda told: told)
    assert widened(decoder, 1.3) == pytest.approx(1.3)
    assert decoder.told[:2] == [1.3, 1.0] and len(decoder.told) == 2


def test_what_is_told_stays_near_what_was_asked():
    for asked in (1.5, 0.7):
        decoder = Decoder(lambda told: 1 + 0.01 * (told - 1))
        widened(decoder, asked)
        assert decoder.told == pytest.approx([asked, 1, 1 + FURTHEST * (asked - 1)])


def test_monotone_cannot_be_told_more():
    decoder = Decoder(lambda told: 0.2 + told)
    assert speak_as_wide(0.0, decoder, decoder.hear) == (0.2, 0.0)
    assert decoder.told == [0.0, 1.0]


def test_one_that_does_the_opposite_is_told_more_and_the_best_try_is_kept():
    decoder = Decoder(lambda told: 1 - 0.1 * (told - 1))
    assert widened(decoder, 1.5) == pytest.approx(0.95)


def test_too_little_voice_says_nothing():
    decoder = Decoder(lambda told: 0.5 * told, frames=8)
    speak_as_wide(1.3, decoder, decoder.hear)
    assert decoder.told == [1.3, 1.0]


def test_a_monotone_voice_is_not_divided_by():
    decoder = Decoder(lambda told: 0.0)
    assert speak_as_wide(1.3, decoder, decoder.hear) == (0.0, 1.3)
