"""The held-out sentences, spoken by a model in all the ways that are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from data.filelist import TextLine
from evaluation.carry import carry_values, positions_by_phones
from evaluation.speech import phones_of_tokens
from held_out.reference import NEUTRAL, HeldOutReference, HeldOutSentence
from model.cond_grad_tts import Frames
from model.contour import carry_by_position, fill_unvoiced
from model.style import StyleSource
from synthesis.options import Options
from synthesis.result import Result
from synthesis.synthesiser import Synthesiser, piece_generator
from text.front_end import EncodedText

RAISE = 4.0  # semitones
PLAIN, CONTOUR, RAISED, ENERGY, REFERENCE = "plain", "contour", "raised", "energy", "reference"


@dataclass(frozen=True, eq=False)
class Spoken:
    """One sentence by one speaker; asked (T,): the contour that it was given, at its own frames.

    asked is in Hz (0 where the contour says nothing), or energy as `data.mel.frame_energy` has it.
    """

    number: int  # of the sentence
    speaker: str
    result: Result
    asked: np.ndarray | None = None


def speak_held_out(
    synthesiser: Synthesiser, reference: HeldOutReference, options: Options, numbers: Sequence[int] | None = None
) -> Iterator[tuple[str, Spoken]]:
    """(run, utterance) one after another; a sentence has the same noise in every run. numbers: None for all sentences.

    plain: by the sentence's own speaker. A style's name: the same in that style, where the corpus has it. contour,
    raised, energy: by another speaker, with the F0 of the sentence's own utterance, with that `RAISE` semitones
    higher, or with its energy, carried phone by phone. reference: by the own speaker, with the F0 of another sentence
    by another speaker, carried by position, and the timbre of other words of the own one.
    """
    for number in range(len(reference.sentences)) if numbers is None else numbers:
        sentence = reference.sentences[number]
        speak = _Speaker(synthesiser, options, number, sentence.text)
        own, other = sentence.speaker, _other_speaker(reference, number)
        yield PLAIN, speak(own)
        if reference.voices[own].styled:
            for style in reference.sides:
                yield style, speak(own, style)
        if sentence.phones is not None:
            log_f0 = _filled_log_f0(sentence)
            yield CONTOUR, speak(other, change=_same_text_f0(sentence, log_f0))
            yield RAISED, speak(other, change=_same_text_f0(sentence, log_f0 + RAISE / 12 * np.log(2)))
            yield ENERGY, speak(other, change=_same_text_energy(sentence, synthesiser))
        melody, timbre = other_words(reference, number)
        yield REFERENCE, speak(own, change=_other_text(melody, timbre, synthesiser))


def real_time_factors(
    synthesiser: Synthesiser, reference: HeldOutReference, options: Options, count: int
) -> Iterator[tuple[int, float, float]]:
    """(number, seconds of computing for one of speech, seconds of speech) of the plain runs of `count` sentences.

    The first is spoken once before, since what is made once for a process should not count.
    """

    def plain(number: int) -> Result:
        sentence = reference.sentences[number]
        return _Speaker(synthesiser, options, number, sentence.text)(sentence.speaker).result

    plain(0)
    for number in range(count):
        result = plain(number)
        yield number, (result.mel_seconds + result.vocoder_seconds) / result.seconds, result.seconds


def other_words(reference: HeldOutReference, number: int) -> tuple[HeldOutSentence, HeldOutSentence]:
    """The sentences whose melody (another speaker's) and timbre (the own speaker's) the sentence `number` is given.

    The timbre is the sentence's own if its speaker has no other.
    """
    sentences = reference.sentences
    following = [sentences[(number + i) % len(sentences)] for i in range(1, len(sentences))]
    own = sentences[number]
    melody = next((s for s in following if s.speaker != own.speaker), own)
    return melody, next((s for s in following if s.speaker == own.speaker), own)


# How a style is changed once the text's frames are known: the new style, and what was asked of F0 or energy.
_Change = Callable[[StyleSource, Frames, EncodedText], tuple[StyleSource, np.ndarray]]


@dataclass(frozen=True)
class _Speaker:
    synthesiser: Synthesiser
    options: Options
    number: int
    text: str

    @torch.no_grad()
    def __call__(self, speaker: str, style: str = NEUTRAL, change: _Change | None = None) -> Spoken:
        synthesiser, options = self.synthesiser, self.options
        line = TextLine(self.number, self.number + 1, self.text, speaker, style)
        (request,) = synthesiser.requests([line], None, None, None)
        (piece,) = request.spoken  # held-out sentences are short: one piece
        asked: list[np.ndarray] = []

        def restyle(source: StyleSource, frames: Frames) -> StyleSource:
            source, wanted = change(source, frames, piece.encoded)
            asked.append(wanted)
            return source

        generator = piece_generator(options.seed, self.number)
        run = synthesiser.speak_piece(request, piece, options, generator, None if change is None else restyle)
        result = synthesiser.result(request, [run.piece])
        return Spoken(self.number, speaker, result, asked[0] if asked else None)


def _other_speaker(reference: HeldOutReference, number: int) -> str:
    """Another than the sentence's own; over the sentences all of them come about equally often."""
    names = [name for name in reference.voices if name != reference.sentences[number].speaker]
    return names[number % len(names)]


def _filled_log_f0(sentence: HeldOutSentence) -> Tensor:
    f0 = torch.from_numpy(sentence.f0)
    return fill_unvoiced(f0.clamp(min=1).log(), (f0 > 0).float())


def _same_text_f0(sentence: HeldOutSentence, log_f0: Tensor) -> _Change:
    def change(source: StyleSource, frames: Frames, encoded: EncodedText) -> tuple[StyleSource, np.ndarray]:
        at = _places(sentence, frames, encoded)
        carried = carry_values(log_f0.numpy(), at)
        voiced = carry_values(sentence.f0 > 0, at) > 0.5
        return frames.with_pitch(source, _padded(carried, frames)), np.where(voiced, np.exp(carried), 0)

    return change


def _same_text_energy(sentence: HeldOutSentence, synthesiser: Synthesiser) -> _Change:
    def change(source: StyleSource, frames: Frames, encoded: EncodedText) -> tuple[StyleSource, np.ndarray]:
        carried = carry_values(sentence.energy, _places(sentence, frames, encoded))
        energy = synthesiser.model.normalise_energy(_padded(carried, frames))
        return replace(source, energy=energy, contour_lengths=frames.lengths), carried

    return change


def _other_text(melody: HeldOutSentence, timbre: HeldOutSentence, synthesiser: Synthesiser) -> _Change:
    def change(source: StyleSource, frames: Frames, encoded: EncodedText) -> tuple[StyleSource, np.ndarray]:
        carried = carry_by_position(_filled_log_f0(melody), int(frames.lengths[0])).numpy()
        mel = torch.from_numpy(timbre.mel).to(frames.mu)[None]  # (1, n_mels, R)
        source = replace(
            frames.with_pitch(source, _padded(carried, frames)),
            reference_mel=synthesiser.model.normalise(mel),
            reference_lengths=torch.tensor([mel.shape[2]], device=mel.device),
        )
        return source, np.exp(carried)

    return change


def _padded(values: np.ndarray, frames: Frames) -> Tensor:
    """(T,) -> (1, T with the decoder's padding)."""
    return F.pad(torch.from_numpy(values).to(frames.mu), (0, frames.mask.shape[2] - len(values)))[None]


def _places(sentence: HeldOutSentence, frames: Frames, encoded: EncodedText) -> np.ndarray:
    """Where each frame of the text lies in the sentence's utterance, (T,)."""
    durations: Sequence[int] = frames.durations[0].tolist()
    return positions_by_phones(sentence.phones, phones_of_tokens(encoded.symbols, durations), sum(durations))
