"""The command line that does what a take or a pair did."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from xml.sax.saxutils import escape

from common.errors import InputError
from model.interpolation import KINDS, name_of
from model.interpolation.kind import Kind
from studio.take import Take
from studio.wish import Style, Wish
from synthesis.interpolation_options import FREQUENCY
from synthesis.options import Options
from synthesis.pieces import split_text
from synthesis.synthesiser import Request, Synthesiser
from text.front_end import spoken_words
from text.markup import is_markup
from text.prosody import NEUTRAL, Prosody

OVERALL = {"pitch": "--pitch-shift", "range": "--pitch-range", "rate": "--speed", "volume": "--volume"}


def command_of_take(synthesiser: Synthesiser, model: Sequence[str], take: Take, contour: str) -> str:
    """model: the options that name checkpoint and vocoder. contour: of the melody that was drawn; it and the recordings
    are files beside the command.
    """
    drawn = take.contour is not None
    overall = take.wish.prosody
    if drawn:
        overall = Prosody(rate=overall.rate, volume=overall.volume)
    text = marked_up(synthesiser, take)
    if text is None:
        return "# no markup says this of single words; in Python: ProsodyEdits(words=...), docs/prosody.md"
    arguments = [
        *_style(take.wish.style),
        *_sampling(take.options),
        *_overall(overall),
        *(["--contour", contour] if drawn else []),
        "--stream",
    ]
    return _command(text, model, arguments)


def command_of_pair(
    model: Sequence[str],
    a: Wish,
    style_b: Style,
    kinds: Sequence[Kind],
    lead: str,
    options: Options,
    defaults: Any,
) -> str:
    """model: the options that name checkpoint and vocoder. kinds: one, or the linear ones of a sweep. defaults:
    `params.interpolation` of the checkpoint.
    """
    arguments = [
        *_style(a.style),
        *_style(style_b, second=True),
        *_interpolation(kinds, lead, defaults),
        *_sampling(options),
        *_overall(a.prosody),
    ]
    return _command(a.text, model, arguments)


def _command(text: str, model: Sequence[str], arguments: Sequence[str]) -> str:
    speaking = shlex.join(["python", "inference.py", "-f", "-", *model, *arguments, "-o", "out"])
    return f"echo {shlex.quote(text)} | {speaking}"


def _style(style: Style, second: bool = False) -> list[str]:
    suffix = "2" if second else ""
    given = {
        f"-s{suffix}": [style.speaker] if style.speaker is not None else [],
        f"--emotion{suffix}": [style.emotion] if style.emotion is not None else [],
        f"--ref{suffix}": [path.name for path in style.recordings],
        f"--take{suffix}": [",".join(style.take)] if style.take is not None else [],
    }
    return [part for flag, values in given.items() if values for part in (flag, *values)]


def _sampling(options: Options) -> list[str]:
    steps = ["-t", str(options.steps)] if options.named_steps else []
    return [*steps, "--temperature", f"{options.temperature:g}", "--seed", str(options.seed)]


def _overall(prosody: Prosody) -> list[str]:
    # With a sign, and as one word, so that a value below 0 is no option.
    return [
        f"{flag}={getattr(prosody, name):g}"
        for name, flag in OVERALL.items()
        if getattr(prosody, name) != getattr(NEUTRAL, name)
    ]


def _interpolation(kinds: Sequence[Kind], lead: str, defaults: Any) -> list[str]:
    kind = kinds[0]
    name = name_of(kind)
    chosen = [FREQUENCY, "--method", name] if kind.moves_pitch else [name]
    found = ["--interp", *chosen]
    if kind.moves_pitch and lead == "b":
        found += ["--lead", "b"]
    for setting in fields(KINDS[name]):
        value, default = getattr(kind, setting.name), getattr(defaults, setting.name, setting.default)
        if setting.name == "weight" and len(kinds) > 1:
            found += ["--weights", ",".join(f"{each.weight:g}" for each in kinds)]
        elif value is True:
            found.append(_flag(setting.name))
        elif value is not None and value != default:
            found += [_flag(setting.name), f"{value:g}" if isinstance(value, float) else str(value)]
    return found


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


# ---------------------------------------------------------------------- words


def marked_up(synthesiser: Synthesiser, take: Take) -> str | None:
    """The text with markup around the words that are changed, as it is where none is; None: no markup does it.

    Whatever is written is read again, and only taken if the same comes of it.
    """
    text, shape = take.wish.text, take.shape
    wanted = shape.edits(NEUTRAL, take.contour).words
    if is_markup(text):
        # A drawn melody has the pitch that the markup asks for, which would be added to it again.
        drawn_over = take.contour is not None and _changes_pitch(take, synthesiser)
        return None if wanted or drawn_over else text
    if not wanted:
        return text
    for candidate in (_around_written_words, _around_spoken_words):
        markup = candidate(text, wanted)
        if markup is not None and _reads_as(markup, take, wanted, synthesiser):
            return markup
    return None


def _requested(text: str, take: Take, synthesiser: Synthesiser) -> Request:
    """A text as the take's own was read; its recordings have no part in that."""
    arguments = take.wish.style.arguments() | {"ref": None, "take": None}
    (request,) = synthesiser.requests([text], **arguments, by_sentence=True)
    return request


def _changes_pitch(take: Take, synthesiser: Synthesiser) -> bool:
    request = _requested(take.wish.text, take, synthesiser)
    words = (word for piece in request.spoken for word in piece.edits.words)
    return any(word.pitch != 0 or word.range != 1 for word in words)


def _around_written_words(text: str, wanted: Sequence[Prosody]) -> str | None:
    """Markup around what is written between blanks, if each such word is one that is spoken."""
    written = text.split()
    if len(written) != len(wanted):
        return None
    return _joined([(word, prosody) for word, prosody in zip(written, wanted, strict=True)])


def _around_spoken_words(text: str, wanted: Sequence[Prosody]) -> str | None:
    """Markup around the words as they are spoken, numbers and abbreviations written out."""
    words = [word for sentence in split_text(text, by_sentence=True) for word in spoken_words(sentence)]
    if len(words) != len(wanted):
        return None
    return _joined([(word.text + word.mark, prosody) for word, prosody in zip(words, wanted, strict=True)])


def _joined(words: Sequence[tuple[str, Prosody]]) -> str:
    """Neighbours of which the same is asked share an element."""
    parts: list[str] = []
    run: list[str] = []
    for i, (word, prosody) in enumerate(words):
        run.append(escape(word))
        if i + 1 == len(words) or words[i + 1][1] != prosody:
            joined = " ".join(run)
            parts.append(joined if prosody == NEUTRAL else f"<prosody {_attributes(prosody)}>{joined}</prosody>")
            run = []
    return f"<speak>{' '.join(parts)}</speak>"


def _attributes(prosody: Prosody) -> str:
    units = {"pitch": ("+g", "st"), "range": ("g", ""), "rate": ("g", ""), "volume": ("+g", "dB")}
    return " ".join(
        f'{name}="{format(getattr(prosody, name), style)}{unit}"'
        for name, (style, unit) in units.items()
        if getattr(prosody, name) != getattr(NEUTRAL, name)
    )


def _reads_as(markup: str, take: Take, wanted: Sequence[Prosody], synthesiser: Synthesiser) -> bool:
    try:
        plain, marked = (_requested(text, take, synthesiser) for text in (take.wish.text, markup))
    except InputError:
        return False
    if [piece.encoded.ids for piece in plain.spoken] != [piece.encoded.ids for piece in marked.spoken]:
        return False
    read = [
        prosody for piece in marked.spoken for prosody in (piece.edits.words or (NEUTRAL,) * len(piece.encoded.words))
    ]
    return read == list(wanted)
