"""Words that move as asked though the decoder does not follow, by a decoder whose answer is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from synthesis.word_pitch import MOST_TRIES, speak_as_asked


class Decoder:
    """Speaks words at 100 Hz and moves them by what `answer` makes of what it is told; counts its calls."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray], frames: int = 20) -> None:
        self.answer, self.frames, self.told = answer, frames, []

    def __call__(self, told: Sequence[float]) -> np.ndarray:
        self.told.append(list(told))
        return self.answer(np.array(told, dtype=float))

    def hear(self, moves: np.ndarray) -> dict[int, np.ndarray]:
        return {word: np.full(self.frames, 100 * 2 ** (move / 12)) for word, move in enumerate(moves)}


def spoken(decoder: Decoder, asked: Sequence[float]) -> np.ndarray:
    return speak_as_asked(asked, decoder, decoder.hear)


@pytest.mark.parametrize("share", [0.4, 0.7, 1.5])
def test_a_decoder_that_follows_by_a_share_is_told_more_or_less(share: float):
    decoder = Decoder(lambda told: share * told)
    assert spoken(decoder, [2.0, 0.0, -1.5]) == pytest.approx([2, 0, -1.5], abs=0.75)
    assert np.abs(decoder.answer(np.array([2.0])) - 2) > 0.5  # and by itself it does not


def test_one_that_follows_is_asked_once_and_once_for_what_it_does_unasked():
    decoder = Decoder(lambda told: told)
    assert spoken(decoder, [2.0, 0.0]) == pytest.approx([2, 0])
    assert decoder.told == [[2.0, 0.0], [0.0, 0.0]]


def test_words_that_follow_are_told_nothing_new():
    decoder = Decoder(lambda told: told * np.array([0.5, 0.95]))
    spoken(decoder, [2.0, 2.0])
    assert [told[1] for told in decoder.told] == [2, 0, 2, 2]


def test_a_correction_that_makes_it_worse_is_dropped():
    decoder = Decoder(lambda told: np.where(told <= 2, 0.6 * told, 5.0))
    assert spoken(decoder, [2.0]) == pytest.approx([1.2])
    assert len(decoder.told) == MOST_TRIES + 1


@pytest.mark.parametrize(("asked", "most"), [(3.0, 5.0), (-3.0, -5.0)])
def test_what_is_told_stays_near_what_was_asked(asked: float, most: float):
    decoder = Decoder(lambda told: 0 * told)
    spoken(decoder, [asked])
    assert max((told[0] for told in decoder.told), key=abs) == pytest.approx(most)


@pytest.mark.parametrize("asked", [2.0, 1.0, -1.0])
def test_no_reading_takes_back_what_was_asked(asked: float):
    decoder = Decoder(lambda told: told + np.where(told == 0, 0, np.sign(asked) * 5))
    spoken(decoder, [asked])
    assert {np.sign(told[0]) for told in decoder.told} <= {0, np.sign(asked)}


def test_an_octave_that_a_tracker_takes_for_another_is_not_believed():
    decoder = Decoder(lambda told: told + np.where(told == 0, -12, 0))
    assert spoken(decoder, [2.0]) == pytest.approx([2])
    assert len(decoder.told) == 2


def test_words_of_too_few_voiced_frames_are_left_alone():
    decoder = Decoder(lambda told: 0.5 * told, frames=3)
    assert spoken(decoder, [2.0]) == pytest.approx([1])
    assert len(decoder.told) == 2


def test_a_try_in_which_a_word_loses_its_voice_is_no_better():
    decoder = Decoder(lambda told: told * np.array([0.8, 0.5]))
    hear = decoder.hear
    decoder.hear = lambda moves: {0: hear(moves)[0], 1: hear(moves)[1] * (moves[1] <= 1.2)}
    assert spoken(decoder, [2.0, 2.0]) == pytest.approx([1.6, 1])


def test_a_falling_word_that_loses_frames_is_hardly_told_anything():
    """Its median rises with every frame that is lost at its end; what the frames did counts as much."""
    falling = 200 * 2 ** (-np.arange(16) / 24)
    decoder = Decoder(lambda told: told)
    decoder.hear = lambda moves: {0: falling * 2 ** (moves[0] / 12) * (np.arange(16) < (14 if moves[0] else 16))}
    assert spoken(decoder, [2.0]) == pytest.approx([2], abs=0.3)
