"""Pieces of the page as HTML, and what the editor of shapes is given. Every text is escaped."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from matplotlib import colormaps
from PIL import Image

from studio.shape import WordShape, with_words_pitch
from studio.take import Take
from synthesis.result import Result

FILES = "/gradio_api/file="  # where Gradio serves files below the paths that it was allowed


def url(path: Path) -> str:
    return FILES + quote(str(path))


def status(text: str, wrong: bool = False) -> str:
    """One line; wrong: it says what cannot be done."""
    role, css = ("alert", "message wrong") if wrong else ("status", "message")
    return f'<p role="{role}" class="{css}">{html.escape(text)}</p>' if text else ""


def notes(sources: list[str], warnings: list[str]) -> str:
    """What comes from where, and what is wrong with recordings; a line each."""
    lines = [f"<li>{html.escape(line)}</li>" for line in sources]
    lines += [f'<li class="warning">warning: {html.escape(line)}</li>' for line in warnings]
    return f'<ul class="notes">{"".join(lines)}</ul>' if lines else ""


def player(title: str, wav: Path, result: Result, name: str) -> str:
    """name: of the element, for the page's script."""
    return (
        f'<figure class="player"><figcaption>{html.escape(title)} <span>{result.seconds:.2f} s</span></figcaption>'
        f'<audio id="{name}" controls preload="auto" src="{url(wav)}"></audio></figure>'
    )


def players(parts: list[str]) -> str:
    return f'<div class="players">{"".join(parts)}</div>'


def picture(png: bytes, label: str) -> str:
    """As wide as it is where there is room, and else to be scrolled."""
    data = base64.b64encode(png).decode()
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">'
        f'<img alt="{html.escape(label)}" src="data:image/png;base64,{data}"></div>'
    )


def link(path: Path, text: str, name: str) -> str:
    href = f'href="{url(path)}" download="{html.escape(path.name)}"'
    return f'<a id="{name}" class="download" {href}>{html.escape(text)}</a>'


def table(head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def editor(take: Take, low: float, high: float) -> Mapping[str, Any] | None:
    """What the editor shows: times in seconds, base the melody without the words' pitch, in Hz; None without a melody.

    low, high: Hz that the melody may have.
    """
    if take.melody is None:
        return None
    result = take.result
    shapes = take.shape.words or (WordShape(),) * len(result.words)
    words = [
        {"name": time.name, "start": time.start, "end": time.end, **vars(shape)}
        for time, shape in zip(result.word_times, shapes, strict=True)
    ]
    return {
        "seconds": result.seconds,
        "frameSeconds": result.frame_seconds,
        "low": low,
        "high": high,
        "words": words,
        "phones": [{"name": phone.name, "start": phone.start, "end": phone.end} for phone in result.phone_times],
        "wordAt": take.word_at.tolist(),
        "base": with_words_pitch(take.melody, take.shape, take.word_at, -1).round(3).tolist(),
        "drawn": take.shape.drawn is not None,
        "mel": _mel_picture(result.mel),
    }


def _mel_picture(mel: np.ndarray) -> str:
    """A pixel for each cell, as a data URL."""
    low, high = np.percentile(mel, [2, 99.8])
    shade = np.clip((mel[::-1] - low) / max(high - low, 1e-3), 0, 1)
    out = io.BytesIO()
    Image.fromarray((colormaps["magma"](shade)[..., :3] * 255).astype(np.uint8)).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
