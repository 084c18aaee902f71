"""The pairs of the comparison, spoken in every row's way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.filelist import TextLine
from evaluation.interpolation.pairs import StylePair
from evaluation.interpolation.rows import BUNDLED, SHIFTED, TableRow
from model.interpolation.plan import Reading, carry_out
from synthesis.options import Options
from synthesis.result import Result
from synthesis.synthesiser import Request, Synthesiser, piece_generator
from synthesis.two_styles import speak_pairs

A, B = "a alone", "b alone"


@dataclass(frozen=True)
class Task:
    """One text of one pair; number: of the text among all."""

    number: int
    pair: StylePair
    text: str


def tasks_of(pairs: Sequence[StylePair]) -> list[Task]:
    texts = [(pair, text) for pair in pairs for text in pair.texts]
    return [Task(number, pair, text) for number, (pair, text) in enumerate(texts)]


def speak_rows(
    synthesiser: Synthesiser, task: Task, rows: Sequence[TableRow], options: Options, bundled: Synthesiser | None = None
) -> Iterator[tuple[str, Result]]:
    """(row, result): a alone, b alone, then every row, from the same noise.

    bundled: a model of bundled style, for the rows that ask for it.
    """
    plain = [row for row in rows if row.ablation is None]
    a, b = requests_of(synthesiser, task)
    (pair,) = speak_pairs(synthesiser, [a], [b], [row.settings for row in plain], options)
    yield A, pair.a
    yield B, pair.b
    yield from zip([row.name for row in plain], pair.between, strict=True)
    for row in rows:
        if row.ablation == BUNDLED and bundled is not None:
            (other,) = speak_pairs(
                bundled, *([request] for request in requests_of(bundled, task)), [row.settings], options
            )
            yield row.name, other.between[0]
        elif row.ablation == SHIFTED:
            yield row.name, _with_shifted_mask(synthesiser, a, pair.readings[0], row, options, task)


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
