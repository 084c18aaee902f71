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


def test_a_correction_that_makes_it_worse_is_dropped():
    decoder = Decoder(lambda told: np.where(told <= 2, 0.6 * told, 9.0))
    assert spoken(decoder, [2.0]) == pytest.approx([1.2])
    assert len(decoder.told) == MOST_TRIES + 1


def test_what_is_told_stays_near_what_was_asked():
    decoder = Decoder(lambda told: 0 * told)
    spoken(decoder, [3.0])
    assert max(told[0] for told in decoder.told) == pytest.approx(5)


def test_words_of_too_few_voiced_frames_are_left_alone():
    decoder = Decoder(lambda told: 0.5 * told, frames=3)
    assert spoken(decoder, [2.0]) == pytest.approx([1])
    assert len(decoder.told) == 2
