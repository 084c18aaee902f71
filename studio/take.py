"""Speaking a wish: sentence by sentence, and afterwards as a take, which can be shaped and spoken again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from common.errors import InputError
from model.style import StyleSource
from model.text_to_mel import Frames
from studio.shape import UNSHAPED, Shape, carried, with_words_pitch, word_at_frames
from studio.wish import Wish
from synthesis.contour_file import Contour
from synthesis.options import Options
from synthesis.prosody_edits import ProsodyEdits
from synthesis.result import Result
from synthesis.synthesiser import Request, Synthesiser, piece_generator

MOST_SECONDS = 120.0  # of a take


@dataclass(frozen=True, eq=False)
class Take:
    """A spoken wish.

    melody: (T,) Hz, what was asked of the decoder at each frame; None where the model reads no pitch. contour: the
    melody that was asked for. first_seconds: until the first sentence was there.
    """

    wish: Wish
    shape: Shape
    options: Options
    result: Result
    melody: np.ndarray | None
    contour: Contour | None
    first_seconds: float

    @property
    def word_at(self) -> np.ndarray:
        """(T,): the word that each frame is spoken with."""
        result = self.result
        return word_at_frames(result.tokens, result.word_of, result.durations, len(result.words))


@dataclass(frozen=True, eq=False)
class Sentence:
    """audio (samples,), to append to those before; number: from 0, of count."""

    audio: np.ndarray
    number: int
    count: int


class Performance:
    """Iterate to hear the sentences; then there is the take.

    before: the take over which the shape's melody was drawn. Raises InputError for what cannot be spoken.
    """

    def __init__(
        self, synthesiser: Synthesiser, wish: Wish, shape: Shape = UNSHAPED, before: Take | None = None
    ) -> None:
        self._synthesiser = synthesiser
        self._wish, self._shape = wish, shape
        self._options = wish.options(synthesiser)
        contour = None if shape.drawn is None else self._contour(before)
        self._contour_asked = contour
        request = self._requested(shape.edits(wish.prosody, contour))
        self._request = request if contour is None else _without_pitch(request)
        self.take: Take | None = None

    def _requested(self, edits: ProsodyEdits) -> Request:
        (request,) = self._synthesiser.requests(
            [self._wish.text], **self._wish.style.arguments(), by_sentence=True, edits=edits
        )
        return request

    def _contour(self, before: Take | None) -> Contour:
        """What was drawn over the take before, at the times that the words will have now."""
        if before is None or len(self._shape.drawn) != before.result.frames:
            raise InputError("the melody was drawn over another sentence; speak it again")
        total = with_words_pitch(np.array(self._shape.drawn), self._shape, before.word_at)
        # Of what is asked, the contour alone has no part in the durations.
        planned = self._planned_durations(self._requested(self._shape.edits(self._wish.prosody)))
        return carried(total, before.result.durations, planned, self._synthesiser.frame_seconds)

    def _planned_durations(self, request: Request) -> np.ndarray:
        """Frames of every token of the whole text, the pauses between sentences included, as `Result` has them."""
        synthesiser, parts = self._synthesiser, []
        for piece, silence in zip(request.spoken, synthesiser.silences(request), strict=True):
            style = synthesiser.style_of(request, piece)
            _, frames = synthesiser.encoded_piece(piece, style, self._options)
            parts += [np.array([silence])] * bool(silence) + [frames.durations[0].round().long().cpu().numpy()]
        return np.concatenate(parts)

    def __iter__(self) -> Iterator[Sentence]:
        synthesiser, request = self._synthesiser, self._request
        began = time.perf_counter()
        first_seconds = 0.0
        pieces, melodies, start = [], [], 0.0
        hop, rate = synthesiser.params.audio.hop_length, synthesiser.params.audio.sample_rate
        for number, (piece, silence) in enumerate(zip(request.spoken, synthesiser.silences(request), strict=True)):
            pause = np.zeros(silence * hop, dtype=np.float32)
            melodies.append(np.zeros(silence))
            start += silence * synthesiser.frame_seconds
            generator = piece_generator(self._options.seed, request.index, number)
            read: list[np.ndarray] = []

            def keep(style: StyleSource, frames: Frames, read: list[np.ndarray] = read) -> StyleSource:
                read.append(_melody(style, frames))
                return style

            spoken = synthesiser.speak_piece(
                request, piece, self._options, generator, keep if synthesiser.reads("pitch") else None, start
            ).piece
            pieces.append(spoken)
            melodies += read[:1]  # what was asked; further ones are corrected by what was heard
            start += len(spoken.audio) / rate
            if start > MOST_SECONDS:
                raise InputError(f"it lasts more than {MOST_SECONDS:g} s; shorten the text, or speak faster")
            first_seconds = first_seconds or time.perf_counter() - began
            yield Sentence(np.concatenate([pause, spoken.audio]), number, len(request.spoken))
        result = synthesiser.result(request, pieces)
        self.take = Take(
            wish=self._wish,
            shape=self._shape,
            options=self._options,
            result=result,
            melody=_without_gaps(np.concatenate(melodies)) if synthesiser.reads("pitch") else None,
            contour=self._contour_asked,
            first_seconds=first_seconds,
        )


def speak(synthesiser: Synthesiser, wish: Wish, shape: Shape = UNSHAPED, before: Take | None = None) -> Take:
    """The take of a wish, all at once; arguments and errors as for `Performance`."""
    performance = Performance(synthesiser, wish, shape, before)
    for _ in performance:
        pass
    return performance.take


def _melody(style: StyleSource, frames: Frames) -> np.ndarray:
    """(T,) Hz of the contour that the decoder reads."""
    log_f0 = frames.log_f0 if style.log_f0 is None else style.log_f0
    return log_f0[0, : int(frames.lengths[0])].exp().double().cpu().numpy()


def _without_gaps(hz: np.ndarray) -> np.ndarray:
    """Pauses between sentences filled from both sides, so that a line can be drawn through them."""
    known = np.flatnonzero(hz > 0)
    return np.interp(np.arange(len(hz)), known, hz[known])


def _without_pitch(request: Request) -> Request:
    """Without what the text's markup asks of pitch, which a melody drawn over it has already."""
    spoken = []
    for piece in request.spoken:
        words = tuple(replace(word, pitch=0.0, range=1.0) for word in piece.edits.words)
        spoken.append(replace(piece, edits=replace(piece.edits, words=words)))
    return replace(request, spoken=tuple(spoken))
