"""Pictures of spoken texts: one, or several over one time axis."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from data.pitch import extract_f0
from params import Audio
from synthesis.pictures import Mel, Row, draw, mel_rows, write_picture
from synthesis.result import Result
from text.symbols import BLANK, PAUSE, SPACE


def plot_result(path: str | os.PathLike, result: Result, audio_params: Audio) -> None:
    """Write a PNG: the mel with the audio's F0 over it, words and phones where there is room for names, and mu.

    Raises:
        InputError: the place cannot be written to.
    """
    write_picture(path, draw_result(result, audio_params))


def draw_result(result: Result, audio_params: Audio) -> Figure:
    text = result.text if len(result.text) <= 80 else f"{result.text[:77]}..."
    title = f"{result.index}: {text}  ({result.speaker}, {result.emotion})"
    heard = Mel("mel", result.mel, extract_f0(result.audio, audio_params), _words(result), _phones(result))
    mu = Mel("mu, the average that the decoder starts from", result.mu)
    rows = [*mel_rows(heard, audio_params, 2.2), *mel_rows(mu, audio_params, 1.3, like=result.mel)]
    return draw(rows, result.seconds, title)


def draw_results(results: Sequence[tuple[str, Result]], audio_params: Audio, rows: Sequence[Row] = ()) -> Figure:
    """Results by title, one below the other over one time axis, each with its F0 and words; then further rows."""
    all_rows = [
        row
        for title, result in results
        for row in mel_rows(
            Mel(title, result.mel, extract_f0(result.audio, audio_params), _words(result)), audio_params
        )
    ]
    return draw([*all_rows, *rows], max(result.seconds for _, result in results))


def symbol_spans(result: Result) -> list[tuple[int, int, str]]:
    """Frames [start, end) of each symbol with the blank after it, and its name; symbols without frames are left out."""
    ends = np.cumsum(result.durations)
    spans: list[tuple[int, int, str]] = []
    for token, duration, end in zip(result.tokens, result.durations, ends, strict=True):
        if token == BLANK and spans:
            spans[-1] = (spans[-1][0], int(end), spans[-1][2])
        else:
            spans.append((int(end - duration), int(end), "" if token == BLANK else token.removeprefix("@")))
    return [span for span in spans if span[1] > span[0]]


def word_spans(result: Result) -> list[tuple[int, int, str]]:
    """Frames [start, end) of each word, without the marks after it; words without frames are left out."""
    ends = np.cumsum(result.durations)
    starts = ends - result.durations
    word_of = np.array(result.word_of)
    spans = []
    for i, word in enumerate(result.words):
        tokens = np.nonzero(word_of == i)[0]
        if len(tokens) and ends[tokens[-1]] > starts[tokens[0]]:
            spans.append((int(starts[tokens[0]]), int(ends[tokens[-1]]), word))
    return spans


def _words(result: Result) -> list[tuple[float, float, str]]:
    return [(start * result.frame_seconds, end * result.frame_seconds, name) for start, end, name in word_spans(result)]


def _phones(result: Result) -> list[tuple[float, float, str]]:
    return [
        (start * result.frame_seconds, end * result.frame_seconds, "" if name in (SPACE, PAUSE) else name)
        for start, end, name in symbol_spans(result)
    ]
