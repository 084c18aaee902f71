"""What a run of `inference.py` does with its texts: speaks them in one style, streamed, or in two; or by workers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

import synthesis
from common.errors import BadLines, TextError
from common.processes import cores, map_in_processes
from data.filelist import TextLine
from data.wav_stream import WavStream
from model.interpolation import name_of
from synthesis import interpolation_options, prosody_options
from synthesis.options import Options
from synthesis.parts import Given
from synthesis.result import Result
from synthesis.synthesiser import Request, Synthesiser

if TYPE_CHECKING:
    from model.interpolation import Kind
    from synthesis.two_styles import Pair

_STYLE = ("speaker", "emotion", "ref", "take", "speaker2", "emotion2", "ref2", "take2")
_AT_A_TIME = 4  # texts that a worker takes; a reference is read once for all of them


@dataclass(frozen=True)
class Run:
    """A model, and what the command line asks of it.

    between: the interpolations, by the endings of their files; none in one style. first_audio: is told when the first
    part of a streamed text can be heard.
    """

    args: argparse.Namespace
    given: dict[str, Any]
    asked: prosody_options.Asked
    synthesiser: Synthesiser
    options: Options
    between: dict[str, Kind]
    first_audio: Callable[[], None] = lambda: None

    @classmethod
    def of(
        cls,
        args: argparse.Namespace,
        given: dict[str, Any],
        asked: prosody_options.Asked,
        first_audio: Callable[[], None] = lambda: None,
    ) -> Run:
        """given: arguments of `Synthesiser.options`."""
        synthesiser = synthesis.load_model(
            args.checkpoint,
            args.vocoder,
            args.device,
            precision=args.precision,
            backend=args.backend,
            time_scale=args.time_scale,
        )
        options = synthesiser.options(**given, sampler=args.solver)
        between = {}
        if interpolation_options.wants_two_styles(args):
            between = interpolation_options.interpolations(args, synthesiser.params.interpolation)
        return cls(args, given, asked, synthesiser, options, between, first_audio)

    @property
    def styles(self) -> tuple[Given, Given]:
        """What is said of a (or of the one style) and of b."""
        args = self.args
        return (
            Given(args.speaker, args.emotion, args.ref, args.take),
            Given(args.speaker2, args.emotion2, args.ref2, args.take2),
        )

    def settings(self) -> dict[str, Any]:
        """For its report."""
        args, synthesiser = self.args, self.synthesiser
        return {
            "checkpoint": args.checkpoint,
            "vocoder": None if args.vocoder is None else str(args.vocoder),
            "step": synthesiser.step,
            "device": str(synthesiser.device),
            "precision": synthesiser.precision,
            "backend": synthesiser.backend,
            "threads": threads_of(args) if args.workers > 1 else torch.get_num_threads(),
            "sample_rate": synthesiser.params.audio.sample_rate,
            **{name: _listed(getattr(args, name)) for name in _STYLE},
            **{name: getattr(args, name) for name in ("interp", "lead")},
            "interpolations": {
                ending: {"kind": name_of(kind), **asdict(kind)} for ending, kind in self.between.items()
            },
            **prosody_options.settings(args),
            **asdict(self.options),
        }

    def spoken(self, texts: Sequence[TextLine], bad_lines: BadLines) -> Iterator[dict[str, Result]]:
        """The results of each text by the endings of their files; pictures, and files that grow, are written.

        bad_lines: takes the texts that cannot be spoken.
        """
        how = self._how(texts, bad_lines)
        if self.between:
            return self._pairs(texts, how)
        return self._streamed(texts, how) if self.args.stream else self._singles(texts, how)

    def spoken_by_workers(self, texts: Sequence[TextLine], bad_lines: BadLines) -> Iterator[dict[str, Result]]:
        """The same by `args.workers` processes, which share the cores; a text's results come in its place."""
        # What the options ask of any text is checked before the first one is spoken; of every text, if one may end it.
        checked = texts if bad_lines.strict else _one_of_each(texts)
        how = self._how(texts, BadLines(bad_lines.strict))
        if self.between:
            self._requests_of_pairs(checked, how)
        else:
            self.synthesiser.requests(checked, **how)
        return self._by_workers(texts, bad_lines)

    def _by_workers(self, texts: Sequence[TextLine], bad_lines: BadLines) -> Iterator[dict[str, Result]]:
        lines = iter(texts)
        batches = iter(lambda: list(islice(lines, _AT_A_TIME)), [])
        given = (self.args, self.given, self.asked)
        for results, messages in map_in_processes(_speak_batch, batches, self.args.workers, _begin, given):
            for message in messages:
                with bad_lines.skipping("", TextError):
                    raise TextError(message)
            yield from results

    def _how(self, texts: Sequence[TextLine], bad_lines: BadLines) -> dict[str, Any]:
        """Arguments of `Synthesiser.requests`."""
        style = self.styles[0]
        if not style.ref and not any(line.ref for line in texts):
            style = replace(style, take=None)  # the recordings of the list are in other shares of it
        return {**vars(style), **self.asked.arguments(), "bad_lines": bad_lines}

    def _singles(self, texts: Sequence[TextLine], how: dict[str, Any]) -> Iterator[dict[str, Result]]:
        for result in self.synthesiser.synthesise_each(texts, self.options, **how):
            self._plot(result)
            yield {"": result}

    def _streamed(self, texts: Sequence[TextLine], how: dict[str, Any]) -> Iterator[dict[str, Result]]:
        synthesiser, heard = self.synthesiser, False
        for request in synthesiser.requests(texts, **how, by_sentence=True):
            pieces = []
            with (
                how["bad_lines"].skipping(request.place, TextError),
                WavStream(self.args.out / f"{request.index:04d}.wav", synthesiser.params.audio.sample_rate) as wav,
            ):
                for part in synthesiser.stream_one(request, self.options, self.args.early):
                    wav.append(part.audio)
                    if part.sentence is not None:
                        pieces.append(part.sentence)
                    if not heard:
                        self.first_audio()
                        heard = True
            if len(pieces) == len(request.pieces):
                result = synthesiser.result(request, pieces)
                self._plot(result)
                yield {"": result}

    def _plot(self, result: Result) -> None:
        if self.args.plots:
            from synthesis.plots import plot_result

            plot_result(self.args.out / f"{result.index:04d}.png", result, self.synthesiser.params.audio)

    def _pairs(self, texts: Sequence[TextLine], how: dict[str, Any]) -> Iterator[dict[str, Result]]:
        """Each text as a alone, b alone and in between."""
        from synthesis.two_styles import speak_pairs, write_mask

        args, between = self.args, self.between
        kinds = list(between.values())
        for request_a, request_b in self._requests_of_pairs(texts, how):
            with how["bad_lines"].skipping(request_a.place, TextError):
                (pair,) = speak_pairs(self.synthesiser, [request_a], [request_b], kinds, self.options, args.lead or "a")
                if args.plots:
                    self._plot_pair(pair)
                write_mask(args.out / f"{pair.a.index:04d}_mask.npy", pair)
                yield {
                    "_a": pair.a,
                    "_b": pair.b,
                    **{f"_{ending}": result for ending, result in zip(between, pair.between, strict=True)},
                }

    def _requests_of_pairs(self, texts: Sequence[TextLine], how: dict[str, Any]) -> list[tuple[Request, Request]]:
        from synthesis.two_styles import requests_of_pairs

        return requests_of_pairs(self.synthesiser, texts, *self.styles, list(self.between.values()), **how)

    def _plot_pair(self, pair: Pair) -> None:
        from synthesis.pair_plots import plot_pair
        from synthesis.reading_plots import plot_readings

        audio = self.synthesiser.params.audio
        for number, (ending, kind) in enumerate(self.between.items()):
            path = self.args.out / f"{pair.a.index:04d}_{ending}.png"
            plot_pair(path, pair, number, audio)
            if pair.steps[number][0].read:
                reader_path = path.with_stem(f"{path.stem}_reader")
                plot_readings(reader_path, pair, {name_of(kind): number}, audio)


def _one_of_each(texts: Sequence[TextLine]) -> list[TextLine]:
    """A text for every choice of columns that the list has."""
    return list({(line.speaker is None, line.emotion is None, line.ref is None): line for line in texts}.values())


def threads_of(args: argparse.Namespace) -> int:
    """Of each worker: those that were asked for, or its share of the cores."""
    return min(args.threads or max(cores() // args.workers, 1), cores())


_own: Run | None = None  # of a worker


def _begin(args: argparse.Namespace, given: dict[str, Any], asked: prosody_options.Asked) -> None:
    """Load a worker's own model."""
    global _own
    torch.set_num_threads(threads_of(args))
    _own = Run.of(args, given, asked)


def _speak_batch(texts: list[TextLine]) -> tuple[list[dict[str, Result]], list[str]]:
    """The results of texts, and why some could not be spoken."""
    bad_lines = BadLines()
    return list(_own.spoken(texts, bad_lines)), bad_lines.messages


def _listed(value: Any) -> Any:
    """An option's value as the report has it."""
    return [str(one) for one in value] if isinstance(value, list | tuple) else value
