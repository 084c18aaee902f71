"""The pairs of the comparison, spoken in every row's way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.filelist import TextLine
from model.interpolation import SameTime
from model.interpolation.joined import envelope, smoothing_matrix
from model.interpolation.plan import Interpolated, Reading, carry_out
from model.mel_filters import mel_corners
from style_pairs.pairs import BUNDLED, SHIFTED, A, B, StylePair, TableRow
from synthesis.options import Options
from synthesis.result import Result
from synthesis.synthesiser import Request, Synthesiser, piece_generator
from synthesis.two_styles import speak_pairs, steps_of


@dataclass(frozen=True)
class Task:
    """One text of one pair; number: of the text among all."""

    number: int
    pair: StylePair
    text: str


def tasks_of(pairs: Sequence[StylePair]) -> list[Task]:
    texts = [(pair, text) for pair in pairs for text in pair.texts]
    return [Task(number, pair, text) for number, (pair, text) in enumerate(texts)]


@torch.no_grad()
def predicted_distance(synthesiser: Synthesiser, tasks: Sequence[Task]) -> float:
    """Semitones between the medians of the F0 that the model predicts for the two styles of these texts."""
    heights = [[], []]
    for task in tasks:
        for side, request in zip(heights, requests_of(synthesiser, task), strict=True):
            for encoded in request.encoded:
                text = synthesiser.model.encode(*synthesiser.tensors(encoded), synthesiser.style_of(request))
                frames = synthesiser.model.spread(text)
                side.append(frames.log_f0[frames.voicing > 0.5])
    a, b = (torch.cat(side).median() for side in heights)
    return abs(float(a - b)) * 12 / math.log(2)


@dataclass(frozen=True, eq=False)
class Spoken:
    """One row's clip. extra: further numbers, where the row moves pitch (`BesideB`). ends: a and b as its own model
    speaks them, where that is another.
    """

    name: str
    result: Result
    extra: dict[str, float]
    ends: tuple[Result, Result] | None = None


def speak_rows(
    synthesiser: Synthesiser, task: Task, rows: Sequence[TableRow], options: Options, bundled: Synthesiser | None = None
) -> Iterator[Spoken]:
    """a alone, b alone, then every row, from the same noise.

    bundled: a model of bundled style, for the rows that ask for it.
    """
    plain = [row for row in rows if row.ablation is None]
    a, b = requests_of(synthesiser, task)
    (pair,) = speak_pairs(synthesiser, [a], [b], [row.settings for row in plain], options)
    yield Spoken(A, pair.a, {})
    yield Spoken(B, pair.b, {})
    beside = BesideB(synthesiser, pair.readings[0], options, task.number)
    for row, result, steps in zip(plain, pair.between, pair.steps, strict=True):
        yield Spoken(row.name, result, beside.measure(row, steps[0]))
    for row in rows:
        if row.ablation == BUNDLED and bundled is not None:
            (other,) = speak_pairs(
                bundled, *([request] for request in requests_of(bundled, task)), [row.settings], options
            )
            yield Spoken(row.name, other.between[0], {}, (other.a, other.b))
        elif row.ablation == SHIFTED:
            yield Spoken(row.name, _with_shifted_mask(synthesiser, a, pair.readings[0], row, options, task), {})


class BesideB:
    """What a row that moves pitch changed besides: against b alone over the same frames, noise and evaluations."""

    def __init__(self, synthesiser: Synthesiser, readings: Sequence[Reading], options: Options, index: int) -> None:
        self._synthesiser = synthesiser
        self._readings = readings
        self._options = options
        self._index = index
        self._alone: dict[int, tuple[Tensor, float]] = {}  # by evaluations: b's mel, and the seconds it took

    @torch.no_grad()
    def measure(self, row: TableRow, done: Interpolated) -> dict[str, float]:
        """leak: change of the smoothed envelope outside the harmonics mask, root mean square in dB. plain_seconds: of
        the run without interpolation.
        """
        if not row.settings.moves_pitch:
            return {}
        steps = steps_of(row.settings, self._options).steps
        mel, seconds = self._b_alone(done, steps)
        model = self._synthesiser.model
        length = mel.shape[2]
        plan = SameTime(mask="harmonics").plan(model, *self._readings, self._options.length_scale)
        cells = 1 - plan.mask[:, :, :length]
        smoothing = smoothing_matrix(torch.from_numpy(mel_corners(model.params.audio)[1:-1]).to(mel))
        change = envelope(done.synthesis.mel, smoothing) - envelope(mel, smoothing)
        leak = ((change.square() * cells).sum() / cells.sum()).sqrt()
        return {"leak": float(leak) * 20 / math.log(10), "plain_seconds": seconds}

    def _b_alone(self, done: Interpolated, steps: int) -> tuple[Tensor, float]:
        if steps not in self._alone:
            options = replace(self._options, steps=steps)
            sampling = self._synthesiser.sampling(options, piece_generator(options.seed, self._index, 0))
            model, plan = self._synthesiser.model, done.plan
            start = self._synthesiser.now()
            mel = model.sample(model.denoiser(plan.frames, plan.style_b), plan.frames, sampling).mel
            self._alone[steps] = mel, self._synthesiser.now() - start
        return self._alone[steps]


def requests_of(synthesiser: Synthesiser, task: Task) -> tuple[Request, Request]:
    """The text in style a and in style b."""
    pair = task.pair
    lines = [
        TextLine(task.number, task.number + 1, task.text, speaker, style)
        for speaker, style in ((pair.speaker_a, pair.style_a), (pair.speaker_b, pair.style_b))
    ]
    a, b = synthesiser.requests(lines, None, None, None)
    return a, b


@torch.no_grad()
def _with_shifted_mask(
    synthesiser: Synthesiser, request: Request, readings: Sequence[Reading], row: TableRow, options: Options, task: Task
) -> Result:
    start, model = synthesiser.now(), synthesiser.model
    plan = row.settings.plan(model, *readings, options.length_scale)
    mask = _half_later(plan.mask, int(plan.frames.lengths[0]))
    plan = replace(plan, mask=mask, weight={"pitch": mask})
    sampling = synthesiser.sampling(options, piece_generator(options.seed, task.number, 0))
    done = carry_out(model, row.settings, plan, sampling)
    return synthesiser.result(request, [synthesiser.vocoded(done.synthesis, request.encoded[0], start, task.number)])


def _half_later(mask: Tensor, length: int) -> Tensor:
    """The mask (1, n_mels, T) moved in time by half the text, round its end."""
    moved = mask.clone()
    moved[..., :length] = mask[..., :length].roll(length // 2, -1)
    return moved
