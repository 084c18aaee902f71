"""Pictures of spoken texts: one, or several over one time axis."""

from __future__ import annotations

import os
from collections.abc import Sequence

from matplotlib.figure import Figure

from data.pitch import extract_f0
from params import Audio
from synthesis.pictures import Mel, Row, Span, draw, mel_rows, write_picture
from synthesis.result import Result
from text.symbols import PAUSE


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


def _words(result: Result) -> list[Span]:
    return [(word.start, word.end, word.name) for word in result.word_times if word.end > word.start]


def _phones(result: Result) -> list[Span]:
    return [
        (phone.start, phone.end, "" if phone.name == PAUSE else phone.name.removeprefix("@"))
        for phone in result.phone_times
        if phone.end > phone.start
    ]
