"""The pairs of the comparison, spoken in every row's way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data.filelist import TextLine
from model.interpolation import interpolate_frequency
from style_pairs.pairs import BUNDLED, RANDOM, RAW, SHIFTED, StylePair, TableRow
from synthesis.options import Options
from synthesis.result import Result
from synthesis.synthesiser import PlainRun, Request, Synthesiser, piece_generator
from synthesis.two_styles import frequency_inputs, speak_pairs

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
        elif row.ablation not in (None, BUNDLED):
            yield row.name, _ablated(synthesiser, a, pair.alone[0], row, options, task)


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
def _ablated(
    synthesiser: Synthesiser, request: Request, alone: Sequence[PlainRun], row: TableRow, options: Options, task: Task
) -> Result:
    encoded = request.encoded[0]
    start = synthesiser.now()
    inputs = frequency_inputs(synthesiser, encoded, alone, row.settings, options.length_scale)
    mask, noise = inputs.mask, piece_generator(options.seed, task.number, 0)
    if row.ablation == SHIFTED:
        mask = _half_later(mask, int(inputs.frames.lengths[0]))
    done = interpolate_frequency(
        synthesiser.model,
        inputs.frames,
        inputs.style_a,
        inputs.style_b,
        mask,
        row.settings,
        synthesiser.sampling(options, noise),
        envelopes=row.ablation != RAW,
        random=torch.Generator().manual_seed(task.number) if row.ablation == RANDOM else None,
    )
    piece = synthesiser.piece(done.synthesis, encoded, done.synthesis.nfe, start, task.number)
    return synthesiser.result(request, [piece])


def _half_later(mask: Tensor, length: int) -> Tensor:
    """The mask (1, n_mels, T) moved in time by half the text, round its end."""
    moved = mask.clone()
    moved[..., :length] = mask[..., :length].roll(length // 2, -1)
    return moved
