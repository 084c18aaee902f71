"""Speak the texts of a file.

    python inference.py -f resources/filelists/synthesis.txt -c checkpts/default.pt -t 10 -o out

Writes OUT/0000.wav, OUT/0001.wav, ... (16-bit; the number is the text's, from 0) and OUT/report.json. A line of the
file is a text, or `text|speaker|emotion|ref.wav`, whose columns win over the options; empty ones may be left out. A
text that begins with `<speak>` is markup: docs/prosody.md.

With --stream a text is spoken sentence by sentence, and its file grows as parts of them can be heard.

With a second style (-s2, --emotion2 or --ref2) each text gives three files from the same noise: 0000_a.wav, 0000_b.wav
and the interpolation, 0000_ab.wav. docs/interpolation.md says what the kinds and their options do.

Exit code: 0; 2 and one line if something given cannot be used; 3 if lines of the file had to be skipped, which are
listed at the end; 130 if it was interrupted, with report.json of what is finished.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.arguments import DEVICES, Parser, folder, shard, whole
from common.errors import SOME_SKIPPED, BadLines, InputError, reports_input_errors, shown
from common.files import in_use
from common.processes import cores, wait_briefly
from data.filelist import TextLine, read_texts
from params import Interpolation
from synthesis import interpolation_options, prosody_options
from synthesis.earlier import Earlier, check_apart
from synthesis.options import BACKENDS, PRECISIONS, SOLVERS, check_options, check_solver
from synthesis.parts import PARTS, parse_parts
from synthesis.shards import report_name, shard_of

_BEGAN = time.perf_counter()

# torch, matplotlib and what needs them are imported where they are used: bad arguments are then reported at once.


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-f", "--file", help="texts, one a line; - for standard input")
    parser.add_argument(
        "--list", action="store_true", help="print the checkpoint's voices, emotions and what it can do"
    )
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument("-t", "--timesteps", type=int, help="network evaluations; default: the checkpoint's")
    parser.add_argument("-s", "--speaker", help="name or id; default: the first")
    parser.add_argument("--emotion", help="name or id; default: neutral, or the first")
    parser.add_argument(
        "--ref",
        type=Path,
        nargs="+",
        action="extend",
        help="a recording whose style is taken, or several of one person",
    )
    parser.add_argument(
        "--take",
        type=parse_parts,
        metavar="PARTS",
        help=f"what of --ref: {','.join(PARTS)}; default: what no name gives",
    )
    parser.add_argument("-o", "--out", type=folder, default=Path("out"), help="output folder; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same audio; default: %(default)s")
    parser.add_argument("--temperature", type=float, help="divides the noise: higher is smoother")
    parser.add_argument("--length-scale", type=float, help="above 1 is slower")
    parser.add_argument("--guidance-scale", type=float, help="above 1 makes the style stronger, at twice the cost")
    parser.add_argument(
        "--solver",
        metavar="NAME",
        help=f"{', '.join(SOLVERS)}, or a fitted solver's .json; default: the checkpoint's, euler for official ones",
    )
    parser.add_argument("--stream", action="store_true", help="part by part; tells when the first can be heard")
    parser.add_argument(
        "--early",
        action="store_true",
        help="with --stream: decode long sentences in stretches, so that the first comes sooner; nearly the same sound",
    )
    parser.add_argument(
        "--time-scale",
        type=float,
        choices=(1.0, 1000.0),
        help="of an official checkpoint: 1 for grad-tts-old.pt; default: told from the weights",
    )
    parser.add_argument("--vocoder", help="universal, distilled (quicker, and plainly worse), or a vocoder's file")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="auto: bfloat16 where the processor computes in it"
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, default="torch", help="auto: the fastest that is installed; default: %(default)s"
    )
    parser.add_argument("--plots", action="store_true", help="write a picture of each text too")
    parser.add_argument("--threads", type=int, help="CPU threads; default: torch decides")
    parser.add_argument(
        "--workers", type=whole(1, 256), default=1, help="processes that speak, for a long list; default: %(default)s"
    )
    parser.add_argument(
        "--shard", type=shard, metavar="I/N", help="of N machines the I-th: every N-th text; docs/how-to/many.md"
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first bad line, before anything is spoken")
    prosody_options.add_arguments(parser)
    interpolation_options.add_arguments(parser)
    return parser


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int | None:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.list:
        from synthesis.listing import list_checkpoint

        print("\n".join(list_checkpoint(args.checkpoint)))
        return 0
    if args.file is None:
        parser.error("-f/--file is missing: texts, one a line")
    given = {
        "steps": args.timesteps,
        "temperature": args.temperature,
        "length_scale": args.length_scale,
        "guidance_scale": args.guidance_scale,
        "seed": args.seed,
    }
    check_options(**given, threads=args.threads)
    check_solver(args.solver)
    asked = prosody_options.read_arguments(args)
    bad_lines = BadLines(args.strict)
    texts = read_texts(args.file, bad_lines)
    if args.take is not None and not args.ref and not any(line.ref for line in texts):
        raise InputError("--take without a recording to take it from; give --ref, or a column of recordings")
    texts = shard_of(texts, args.shard, skipped=len(bad_lines.messages))
    if interpolation_options.wants_two_styles(args):
        interpolation_options.interpolations(args, Interpolation())  # so that what cannot be used is said at once
        if args.stream:
            raise InputError("--stream speaks in one style; leave it out, or the second style")
    if args.early and not args.stream:
        raise InputError("--early is about --stream; give both, or neither")
    if args.workers > 1 and args.stream:
        raise InputError("--stream speaks one text after another; leave it out, or --workers")
    for name in (args.checkpoint, *(args.ref or ()), *(args.ref2 or ())):
        if not os.path.isfile(name):
            raise InputError(f"{name}: no such file; check the path")
    check_apart(_recordings(args, texts), args.out)
    with in_use(args.out):
        _speak(args, texts, given, asked, bad_lines)
    for line in bad_lines.summary():
        print(line, file=sys.stderr)
    return SOME_SKIPPED if bad_lines.messages else 0


def _speak(
    args: argparse.Namespace,
    texts: list[TextLine],
    given: dict[str, Any],
    asked: prosody_options.Asked,
    bad_lines: BadLines,
) -> None:
    wait_briefly()
    import torch
    from tqdm import tqdm

    from data.audio import write_wav
    from synthesis.notes import chosen_speaker, notes, recording_warnings, style_sources
    from synthesis.report import Report
    from synthesis.run import Run

    def first_audio() -> None:
        tqdm.write(f"first audio after {time.perf_counter() - _BEGAN:.2f} s", file=sys.stdout)

    if args.threads is not None:
        torch.set_num_threads(min(args.threads, cores()))
    run = Run.of(args, given, asked, first_audio)
    synthesiser = run.synthesiser
    each = (run.spoken_by_workers if args.workers > 1 else run.spoken)(texts, bad_lines)
    warnings = recording_warnings(_recordings(args, texts))
    earlier = Earlier(args.out)
    with (
        Report(args.out / report_name(args.shard), run.settings(), warnings) as report,
        tqdm(total=len(texts), unit="text", disable=None) as bar,  # None: only on a terminal
    ):
        for spoken in each:
            for ending, result in spoken.items():
                wav = args.out / f"{result.index:04d}{ending}.wav"
                if not args.stream:  # else it is there already
                    write_wav(wav, result.audio, result.sample_rate)
                bar.write(shown(report.add(result, wav)), file=sys.stdout)
            earlier.remove(result.index)
            bar.update()
    if not report.texts:
        if args.shard is None:
            raise bad_lines.none_left(args.file)
        report.write(even_empty=True)  # the others are joined without it
    finished = [replace(line, text=report.texts[line.index]) for line in texts if line.index in report.texts]
    for warning in warnings:
        print(shown(f"warning: {warning}"), file=sys.stderr)
    a, b = run.styles
    for note in (
        *style_sources(synthesiser, a, b if run.between else None),
        *synthesiser.notes,
        *chosen_speaker(finished, args.speaker, synthesiser.speakers),
        *notes(finished, _recordings(args, finished), synthesiser.params),
    ):
        print(shown(f"note: {note}"), file=sys.stderr)
    count, seconds = len(report.texts), report.seconds
    print(shown(f"{count} texts, {seconds:.1f} s of audio in {args.out}; details in {report.path}"))


def _recordings(args: argparse.Namespace, texts: list[TextLine]) -> list[Path]:
    """Those of the options and of the lines, each once."""
    return list(dict.fromkeys([*(args.ref or ()), *(args.ref2 or ()), *(line.ref for line in texts if line.ref)]))


if __name__ == "__main__":
    raise SystemExit(main())
