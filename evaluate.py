"""Measure what inference.py wrote.

    python evaluate.py out/demo
    python evaluate.py out/new --baseline out/old --references corpora/mine/valid.txt --asr base
    python evaluate.py --checkpoint checkpts/default.pt --texts resources/filelists/synthesis.txt --out out/evaluation

Prints a table and writes evaluation.json, evaluation.csv (means), sentences.csv and report.html, a page with players
and pictures. docs/evaluation.md says what the numbers mean.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from common.arguments import Parser, folder, place, whole
from common.errors import SOME_SKIPPED, InputError, reports_input_errors, shown
from common.files import in_use
from common.processes import MOST_THREADS, cores


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders that inference.py wrote")
    parser.add_argument("--checkpoint", help="speak --texts with it first, into --out, and measure that")
    parser.add_argument("--texts", help="a file of texts, for --checkpoint")
    parser.add_argument("--asr", choices=("tiny", "base", "none"), default="tiny", help="recogniser of the word errors")
    parser.add_argument("--references", type=place, help="recordings of the voices or texts: a filelist, or a folder")
    parser.add_argument("--genders", type=place, help="lines of `speaker|f` or `speaker|m`, of the references")
    parser.add_argument("--baseline", type=Path, metavar="RUN", help="a run to compare with, sentence by sentence")
    how = "how contours go from one clip to another; auto: phones where known, else dtw"
    parser.add_argument("--carry", choices=("auto", "phones", "linear", "dtw"), default="auto", help=how)
    parser.add_argument("-o", "--out", type=folder, help="default: the first run's folder")
    parser.add_argument("--cache", type=folder, default=Path("cache/evaluation"), help="default: %(default)s")
    parser.add_argument(
        "--sentences", type=whole(0, 10**6), default=100, help="most with players in the page; default: %(default)s"
    )
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), help="CPU threads; default: torch decides")
    return parser


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int | None:
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _parser().parse_args(argv)
    if (args.checkpoint is None) != (args.texts is None):
        raise InputError("--checkpoint and --texts go together; give both, or run folders")
    if not args.runs and args.checkpoint is None:
        raise InputError("nothing to measure; give a folder that inference.py wrote, or --checkpoint and --texts")
    runs, code = list(args.runs), 0
    if args.checkpoint is not None:
        from inference import main as speak

        made = args.out or Path("out/evaluation")
        threads = [] if args.threads is None else ["--threads", str(args.threads)]
        code = speak(["-f", args.texts, "-c", args.checkpoint, "-o", str(made), *threads])
        if code not in (0, SOME_SKIPPED):
            return code
        runs.insert(0, made)
    if not runs[0].is_dir():
        raise InputError(f"{runs[0]} is not a folder; give one that inference.py wrote")
    with in_use(args.out or runs[0]):
        _measure(args, runs, shlex.join(["python", "evaluate.py", *argv]))
    return code


def _measure(args: argparse.Namespace, runs: list[Path], command: str) -> None:
    import torch

    from evaluation.analyser import Analyser
    from evaluation.references import read_references
    from evaluation.session import evaluate, write_evaluation
    from evaluation.speaker import read_genders
    from params import Audio

    if args.threads is not None:
        torch.set_num_threads(min(args.threads, cores()))
    analyser = Analyser(args.cache, Audio(), args.asr, args.threads or 0)
    evaluation = evaluate(
        runs,
        analyser,
        references=read_references(args.references) if args.references else (),
        genders=read_genders(args.genders) if args.genders else None,
        baseline=args.baseline,
        carry=args.carry,
        command=command,
        progress=True,
    )
    written = write_evaluation(evaluation, args.out or runs[0], analyser.audio_params, args.sentences, progress=True)
    for line in (*evaluation.markdown().splitlines(), "", *written):
        print(shown(line))


if __name__ == "__main__":
    raise SystemExit(main())
