"""The report: one HTML file that needs nothing beside it and no network.

Audio is inside as FLAC, which every current browser plays: what one hears is exactly what was measured, at about half
the size of WAV. A content security policy keeps everything else out: no script but the page's own runs, nothing is
loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

import soundfile

from data.audio import read_audio
from evaluation.measure import Measured, MeasuredRun
from evaluation.pictures import draw_clips
from evaluation.statistics import Mean
from evaluation.summary import BY_KEY, COLUMNS, Column, System, SystemComparison
from params import Audio

# What the wide tables show at once; the others with the page's switch.
_MAIN = (
    "wer", "mos", "speaker_cosine", "cosine_a", "cosine_b", "f0_correlation", "f0_movement", "energy_correlation",
    "seconds",
)  # fmt: skip
_TITLES = {"": "result", "a": "a alone", "b": "b alone", "ab": "a and b", "oracle": "oracle"}


def render(
    systems: Sequence[System],
    comparisons: Sequence[SystemComparison],
    runs: Sequence[MeasuredRun],
    missing: Mapping[str, str],
    about: Mapping[str, Any],
    audio_params: Audio,
    sentences: int,
    tick: Callable[[], object] = lambda: None,
) -> str:
    """HTML. about: "title", "command", "date" and "settings". sentences: the most that get players and pictures, of
    each run. `tick` is called after each clip with a player."""
    columns = [column for column in COLUMNS if column.key not in missing]
    cards = "".join(_cards(run, number, audio_params, sentences, tick) for number, run in enumerate(runs))
    parts = [
        f"<h1>{_escape(about['title'])}</h1>",
        f'<p class="small">{_escape(about["date"])}. Made by <code>{_escape(about["command"])}</code></p>',
        "<h2>Systems</h2>",
        '<p class="small">Means over sentences with 95% bootstrap intervals. A click on a heading sorts.</p>',
        _systems_table(systems, columns),
        *(_comparison(comparison, opened=len(comparisons) == 1) for comparison in comparisons),
        '<p class="small"><label><input type="checkbox" id="all"> every metric in the tables below</label></p>',
        _groups("By speaker", "speaker", [(s.name, s.speakers) for s in systems], columns),
        _groups("By emotion", "emotion", [(s.name, s.emotions) for s in systems], columns),
        _explanations(columns, missing),
        _settings(runs),
        "<h2>Sentences</h2>",
        _sentence_table(runs, columns),
        "<h2>Listen</h2>",
        '<p class="small">Pictures: mels over one time axis; cyan: F0; white, dashed: the contour to follow.</p>',
        f'<div id="cards">{cards}</div>',
    ]
    return _document(about["title"], "\n".join(parts))


def _document(title: str, body: str) -> str:
    style, script = (
        resources.files("evaluation").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js")
    )
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src '{script_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def script_hash(script: str) -> str:
    """As a content security policy names an inline script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


# ------------------------------------------------------------------------------------------------------------- tables


def _systems_table(systems: Sequence[System], columns: Sequence[Column]) -> str:
    """Metrics down, systems across: it fits a screen."""
    rows = []
    for column in columns:
        means = [system.overall.get(column.key) for system in systems]
        best = _best(column, means)
        cells = "".join(_mean_cell(column, mean, best) for mean in means)
        rows.append(
            f'<tr><td class="text" title="{_escape(column.meaning)}">{_escape(column.heading)}</td>{cells}</tr>'
        )
    heads = _heading("metric", "text") + "".join(_heading(system.name, "") for system in systems)
    return (
        f'<div class="scroll"><table id="systems" class="narrow"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _groups(
    title: str, kind: str, systems: Sequence[tuple[str, dict[str, dict[str, Mean]]]], columns: Sequence[Column]
) -> str:
    if not any(groups for _, groups in systems):
        return ""
    rows = [
        f'<tr><td class="text">{_escape(name)}</td><td class="text">{_escape(group)}</td>'
        + "".join(_mean_cell(column, means.get(column.key), None) for column in columns)
        + "</tr>"
        for name, groups in systems
        for group, means in groups.items()
    ]
    table = _table(f"by-{kind}", ["system", kind], columns, rows)
    return f"<details><summary>{title}</summary>{table}</details>"


def _comparison(comparison: SystemComparison, opened: bool) -> str:
    rows = []
    for key, result in comparison.columns.items():
        column = BY_KEY[key]
        rows.append(
            f'<tr><td class="text">{_escape(column.heading)}</td>{_mean_cell(column, result.difference, None)}'
            f'<td data-value="{result.p_value!r}">{result.p_value:.2g}</td>'
            f'<td data-value="{result.difference.n}">{result.difference.n}</td></tr>'
        )
    heads = "".join(
        _heading(name, "text" if i == 0 else "") for i, name in enumerate(("metric", "difference", "p", "n"))
    )
    title = f"{_escape(comparison.system)} minus {_escape(comparison.baseline)}"
    return (
        f"<details{' open' if opened else ''}><summary>{title}</summary>"
        '<p class="small">The same sentences by both; p: Wilcoxon signed-rank, two-sided.</p>'
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        "</details>"
    )


def _sentence_table(runs: Sequence[MeasuredRun], columns: Sequence[Column]) -> str:
    rows = []
    for number, run in enumerate(runs):
        for measured in run.clips:
            clip = measured.clip
            link = f'<a href="#{_card_id(number, clip.index)}">{_escape(run.run.name)} {clip.index}</a>'
            cells = "".join(_value_cell(column, measured.values.get(column.key)) for column in columns)
            rows.append(
                f'<tr data-card="{_card_id(number, clip.index)}"><td class="text">{link}</td>'
                f'<td class="text">{_escape(_title(clip.variant))}</td>'
                f'<td class="text">{_escape(clip.speaker or "")}</td>'
                f'<td class="text wide">{_escape(clip.text)}</td>{cells}</tr>'
            )
    return _table("sentences", ["sentence", "what", "speaker", "text"], columns, rows)


def _table(name: str, names: Sequence[str], columns: Sequence[Column], rows: Sequence[str]) -> str:
    heads = [_heading(each, "text") for each in names]
    heads += [_heading(column.heading, _css(column), column.meaning) for column in columns]
    return (
        f'<div class="scroll"><table id="{name}"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heading(name: str, css: str, meaning: str = "") -> str:
    return f'<th class="{css}" title="{_escape(meaning)}"><button type="button">{_escape(name)}</button></th>'


def _mean_cell(column: Column, mean: Mean | None, best: float | None) -> str:
    if mean is None:
        return f'<td class="{_css(column)}" data-value="">-</td>'
    interval = "" if math.isnan(mean.low) else f"<small>{column.show(mean.low)} to {column.show(mean.high)}</small>"
    css = f"{_css(column)} best".strip() if mean.value == best else _css(column)
    return f'<td class="{css}" data-value="{mean.value!r}">{column.show(mean.value)}{interval}</td>'


def _value_cell(column: Column, value: float | None) -> str:
    return f'<td class="{_css(column)}" data-value="{"" if value is None else repr(value)}">{column.show(value)}</td>'


def _css(column: Column) -> str:
    return "" if column.key in _MAIN else "more"


def _best(column: Column, means: Sequence[Mean | None]) -> float | None:
    values = [mean.value for mean in means if mean is not None]
    if not column.better or len(set(values)) < 2:
        return None
    return min(values) if column.better == "lower" else max(values)


def _explanations(columns: Sequence[Column], missing: Mapping[str, str]) -> str:
    arrows = {"lower": " (lower is better)", "higher": " (higher is better)", "": ""}
    known = "".join(
        f"<li><b>{_escape(column.heading)}</b>: {_escape(column.meaning)}{arrows[column.better]}</li>"
        for column in columns
    )
    unknown = "".join(f"<li><b>{_escape(BY_KEY[key].title)}</b>: {_escape(why)}</li>" for key, why in missing.items())
    absent = f"<p>Not measured</p><ul>{unknown}</ul>" if unknown else ""
    title = "What the columns mean, and what was not measured"
    return f"<details><summary>{title}</summary><ul>{known}</ul>{absent}</details>"


def _settings(runs: Sequence[MeasuredRun]) -> str:
    items = "".join(
        f"<p><b>{_escape(run.run.name)}</b> <code>"
        + _escape(", ".join(f"{key}={value}" for key, value in run.run.settings.items()))
        + "</code></p>"
        for run in runs
    )
    return f"<details><summary>Settings of the runs</summary>{items}</details>"


# -------------------------------------------------------------------------------------------------------------- cards


def _cards(run: MeasuredRun, number: int, audio_params: Audio, sentences: int, tick: Callable[[], object]) -> str:
    by_index: dict[int, dict[str, Measured]] = {}
    for measured in run.clips:
        by_index.setdefault(measured.clip.index, {})[measured.clip.variant] = measured
    cards = []
    for index, variants in list(by_index.items())[:sentences]:
        shown = [variants[variant] for variant in run.run.variants if variant in variants]
        clips = []
        for measured in shown:
            clips.append(_clip(measured, audio_params))
            tick()
        mask = run.run.mask(index) if "ab" in variants else None
        picture = draw_clips([(_title(one.clip.variant), one) for one in shown], audio_params, mask)
        text = shown[0].clip.text
        cards.append(
            f'<section class="sentence" id="{_card_id(number, index)}"><h3>{_escape(run.run.name)} {index}: '
            f'{_escape(text)}</h3><div class="clips">{"".join(clips)}</div>'
            f"{_image(picture, 'mels over one time axis, with F0')}</section>"
        )
    left = len(by_index) - len(cards)
    return "".join(cards) + (f'<p class="small">{left} more sentences have no player here.</p>' if left > 0 else "")


def _clip(measured: Measured, audio_params: Audio) -> str:
    clip = measured.clip
    voice = ", ".join(name for name in (clip.speaker, clip.emotion) if name)
    heard = "" if measured.transcript is None else f'<p class="small">heard: {_escape(measured.transcript)}</p>'
    return (
        f'<div class="clip"><b>{_escape(_title(clip.variant))}</b> <span class="small">{_escape(voice)}</span>'
        f'<audio controls preload="metadata" src="{_flac(clip.wav, audio_params)}"></audio>'
        f"{heard}</div>"
    )


def _image(png: bytes, label: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<div class="picture"><img loading="lazy" alt="{_escape(label)}" src="data:image/png;base64,{data}"></div>'


def _flac(wav, audio_params: Audio) -> str:
    out = io.BytesIO()
    audio = read_audio(wav, audio_params.sample_rate)
    soundfile.write(out, audio, audio_params.sample_rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(out.getvalue()).decode()


def _card_id(run: int, index: int) -> str:
    return f"s{run}-{index}"


def _title(variant: str) -> str:
    return _TITLES.get(variant, variant)


def _escape(text: object) -> str:
    return html.escape(str(text), quote=True)
