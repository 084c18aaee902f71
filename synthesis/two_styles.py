"""One text in two styles and in between: a alone, b alone, and the interpolation, from the same noise."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from common.errors import BadLines, InputError, TextError
from common.files import replacing
from data.filelist import TextLine
from model.contour import fill_unvoiced
from model.interpolation import Kind
from model.interpolation.plan import Interpolated, Measured, Reading, interpolate
from params import Audio
from synthesis.options import Options
from synthesis.parts import MANNER, NOBODYS_VOICE, VOICE, Given, shared_with
from synthesis.pieces import SpokenPiece, join_words
from synthesis.result import Result
from synthesis.synthesiser import PlainRun, Request, Synthesiser, check_seconds, piece_generator


@dataclass(frozen=True)
class Pair:
    """A text's runs. between: one for each interpolation asked for; steps: what its pictures need, by piece; readings:
    the two of each piece, the leader's first. lead: "a" or "b", who is the first of a plan's two.
    """

    a: Result
    b: Result
    between: list[Result]
    steps: list[list[Interpolated]]
    readings: list[tuple[Reading, Reading]]
    lead: str = "a"

    @property
    def follows(self) -> str:
        return "a" if self.lead == "b" else "b"


def requests_of_pairs(
    synthesiser: Synthesiser, texts: Sequence[TextLine], a: Given, b: Given, kinds: Sequence[Kind], **how: Any
) -> list[tuple[Request, Request]]:
    """Each text in style a and in style b; those that cannot be spoken so are left out.

    how: arguments of `Synthesiser.requests`, a's style among them. What b is not given it shares with a
    (`synthesis.parts.shared_with`). A line's own columns do not undo what is said of b; a recording there is a's, but
    for the voice.
    """
    hears = synthesiser.hears
    of_b = shared_with(a, b, hears)
    own = b.taken(hears) if b.ref else ()
    lends = hears and b.speaker is None and VOICE not in own and VOICE in a.taken(hears)
    lent = {line.index for line in texts if lends and line.ref is not None and line.speaker is None}
    if lent and b.ref:
        raise InputError(NOBODYS_VOICE)
    requests_a = [request for request in synthesiser.requests(texts, **how) if _is_for_two(request, kinds, how)]
    spoken = {request.index for request in requests_a}
    texts_b = [
        replace(
            line,
            speaker=line.speaker if b.speaker is None and VOICE not in own else None,
            emotion=line.emotion if b.emotion is None and MANNER not in own else None,
            ref=line.ref if line.index in lent else None,
        )
        for line in texts
        if line.index in spoken
    ]
    requests_b: dict[int, Request] = {}
    for chosen, take in ((lent, (VOICE,)), (spoken - lent, of_b.take)):
        if lines := [line for line in texts_b if line.index in chosen]:
            found = synthesiser.requests(lines, **{**how, **vars(of_b), "take": take, "bad_lines": None})
            requests_b |= {request.index: request for request in found}
    return [(request, requests_b[request.index]) for request in requests_a]


def _is_for_two(request: Request, kinds: Sequence[Kind], how: Mapping[str, Any]) -> bool:
    """Whether a text can be spoken between two styles; what cannot is one of the bad lines."""
    with (how.get("bad_lines") or BadLines(strict=True)).skipping(request.place, TextError):
        check_text(request, kinds)
        return True
    return False


def check_text(request: Request, kinds: Sequence[Kind]) -> None:
    """Raises TextError for a text that no two styles, or not these kinds, can speak."""
    if request.voices:
        raise TextError("two styles are two voices, and <voice> would be a third; leave it out")
    words = sum(len(encoded.words) for encoded in request.encoded)
    for kind in kinds:
        try:
            kind.check_words(words)
        except ValueError as error:
            raise TextError(str(error)) from error


def speak_pairs(
    synthesiser: Synthesiser,
    requests_a: Sequence[Request],
    requests_b: Sequence[Request],
    interpolations: Sequence[Kind],
    options: Options,
    lead: str = "a",
) -> Iterator[Pair]:
    """A pair for each text; the two lists hold the same texts in their two styles (`Synthesiser.requests`).

    lead: "b" exchanges the two in every interpolation, so that a pitch that is taken is b's.

    Raises:
        InputError: the model or the solver has no such interpolation; a `TextError` where a text has none.
    """
    if options.guidance_scale != 1:
        raise InputError("guidance acts on one style; between two, leave --guidance-scale at 1")
    for kind in interpolations:
        try:
            kind.check(synthesiser.model, synthesiser.sampler(options))
        except ValueError as error:
            raise InputError(str(error)) from error
    for both in zip(requests_a, requests_b, strict=True):
        a, b = reversed(both) if lead == "b" else both  # the leader and the follower
        check_text(a, interpolations)
        alone: list[list[SpokenPiece]] = [[], []]
        readings: list[tuple[Reading, Reading]] = []
        between: list[list[SpokenPiece]] = [[] for _ in interpolations]
        steps: list[list[Interpolated]] = [[] for _ in interpolations]
        starts = [0.0, 0.0]  # of the piece in each of the two, in seconds
        _, word_of = join_words(a.encoded)
        token = 0  # the piece's first in the text
        for number, silence in enumerate(synthesiser.silences(a)):
            seed = options.seed, a.index, number
            runs = []
            for side, each in enumerate((a, b)):
                starts[side] += silence * synthesiser.frame_seconds
                generator = piece_generator(*seed)
                run = synthesiser.speak_piece(each, each.spoken[number], options, generator, start=starts[side])
                starts[side] += len(run.piece.audio) / synthesiser.params.audio.sample_rate
                check_seconds(starts[side])
                runs.append(run)
            for pieces, run in zip(alone, runs, strict=True):
                pieces.append(run.piece)
            readings.append(tuple(reading(run, synthesiser, word_of, token) for run in runs))
            token += len(a.encoded[number].ids)
            for kind, done, pieces in zip(interpolations, steps, between, strict=True):
                start = synthesiser.now()
                sampling = synthesiser.sampling(steps_of(kind, options), piece_generator(*seed))
                try:
                    length_scale = synthesiser.length_scale(a.spoken[number], options)
                    step = interpolate(synthesiser.model, kind, *readings[-1], sampling, length_scale)
                except ValueError as error:
                    raise TextError(str(error)) from error
                done.append(step)
                output = synthesiser.levelled(step.synthesis, a.spoken[number])
                pieces.append(synthesiser.vocoded(output, a.spoken[number].encoded, start, a.index))
        names = {"speaker": f"{a.speaker.name}+{b.speaker.name}", "emotion": f"{a.emotion.name}+{b.emotion.name}"}
        results = [synthesiser.result(each, pieces) for each, pieces in zip((a, b), alone, strict=True)]
        yield Pair(
            *(reversed(results) if lead == "b" else results),
            between=[synthesiser.result(a, pieces, **names) for pieces in between],
            steps=steps,
            readings=readings,
            lead=lead,
        )


def steps_of(kind: Kind, options: Options) -> Options:
    """The options with the kind's usual number of evaluations where nobody named one."""
    return options if options.named_steps or kind.evaluations is None else replace(options, steps=kind.evaluations)


def reading(run: PlainRun, synthesiser: Synthesiser, word_of: tuple[int, ...], first: int) -> Reading:
    """A plain run of a piece as interpolations take it; it is measured where the model reads pitch.

    word_of, first: as `Reading` has them.
    """
    audio = synthesiser.params.audio
    # Energy as it was decoded: a level that is asked for comes on top of what lies between two styles too.
    piece = replace(run.piece, mel=run.decoded)
    measured = measure(piece, audio, synthesiser.device) if synthesiser.reads("pitch") else None
    return Reading(run.text, run.style, measured, word_of, first)


def measure(piece: SpokenPiece, audio: Audio, device: torch.device) -> Measured | None:
    """What a spoken piece sounds like; None if nothing in it is voiced."""
    from data.mel import frame_energy
    from data.pitch import extract_f0, extract_formants

    f0 = torch.from_numpy(extract_f0(piece.audio, audio)).to(device)
    voicing = (f0 > 0).to(f0.dtype)
    if not voicing.any():
        return None

    def formants() -> tuple[np.ndarray, np.ndarray]:
        found = extract_formants(piece.audio, audio)
        return found.frequency, found.bandwidth

    return Measured(
        durations=torch.from_numpy(np.asarray(piece.durations)).to(device),
        log_f0=fill_unvoiced(f0.clamp(min=1).log(), voicing),
        voicing=voicing,
        energy=torch.from_numpy(frame_energy(piece.mel)).to(device),
        formants=formants,
    )


def write_mask(path: str | os.PathLike, pair: Pair) -> None:
    """Save a's share of the pitch, (n_mels, T) float32, as `.npy`, for the evaluation's pictures: the first
    interpolation's, where it has a mask and the text is one piece; else nothing is written.

    Raises:
        InputError: the place cannot be written to.
    """
    done, *further = pair.steps[0]
    if done.plan.mask is None or further:
        return
    field = done.field[0, :, : done.synthesis.mel.shape[2]].float().cpu().numpy()
    if pair.lead == "b":
        field = 1 - field
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, field)
