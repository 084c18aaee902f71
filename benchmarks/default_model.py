"""How good the default model is on the held-out sentences; `make evaluate-default`.

    python benchmarks/default_model.py [-c CHECKPOINT] [--sentences 20] [-t STEPS] [--temperature T] [--workers 2]

Prints the tables and writes them to --out, with all numbers and wavs. Speed is measured at the end, in one process. All
100 sentences take about 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from common.arguments import Parser, folder, real, whole
from common.errors import InputError, reports_input_errors
from common.files import in_use
from common.processes import wait_briefly

REFERENCE = Path("resources/held_out_reference.npz")
LOADS = 3  # fresh processes that load the model
TIMED = 10  # sentences whose speed is measured


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="default: %(default)s")
    parser.add_argument("--sentences", type=whole(1, 10**6), default=100, help="how many of them, evenly spread")
    parser.add_argument(
        "-t", "--timesteps", type=whole(1, 10_000), help="network evaluations; default: the checkpoint's"
    )
    parser.add_argument("--temperature", type=real(0.01, 1000), help="default: the checkpoint's")
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0)
    parser.add_argument("--asr", choices=("tiny", "base", "none"), default="base", help="default: %(default)s")
    parser.add_argument(
        "--workers", type=whole(1, 256), default=1, help="processes that speak and measure; one per core is best"
    )
    parser.add_argument("-o", "--out", type=folder, default=Path("out/default_model"), help="default: %(default)s")
    parser.add_argument("--cache", type=folder, default=Path("cache/evaluation"), help="default: %(default)s")
    args = parser.parse_args(argv)
    wait_briefly()
    with in_use(args.out):
        _measure(args)
    return 0


def _measure(args: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from evaluation.analyser import Analyser
    from evaluation.statistics import exactly
    from held_out.measuring import Work, measure_held_out
    from held_out.reference import ATTRIBUTES, read_reference
    from held_out.speaking import real_time_factors
    from held_out.table import Findings, by_group, markdown, style_table
    from synthesis import load_model

    reference = read_reference(args.reference).take(args.sentences)
    if args.asr != "none" and reference.recogniser != f"whisper {args.asr}":
        raise InputError(f"the corpus's words were heard by {reference.recogniser}; give that as --asr, or none")
    synthesiser = load_model(args.checkpoint, precision="auto")
    strange = sorted(set(reference.voices) - set(synthesiser.speakers))
    if strange:
        raise InputError(f"{args.checkpoint} has no speaker {strange[0]!r}, which {args.reference} asks for")
    options = synthesiser.options(steps=args.timesteps, temperature=args.temperature, seed=args.seed)
    missing = Analyser(args.cache, synthesiser.params.audio, args.asr).unavailable
    threads = max((os.cpu_count() or 1) // args.workers, 1)
    work = Work(args.checkpoint, reference, options, args.asr, args.cache, args.out, threads)
    findings = Findings()
    for found in tqdm(measure_held_out(work, args.workers), "speak and measure", args.sentences, unit="sentence"):
        findings.include(found)
    for number, factor, seconds in real_time_factors(synthesiser, reference, options, min(TIMED, args.sentences)):
        findings.put("rtf", number, factor, seconds)
    means = findings.summary()
    means["megabytes"] = exactly(os.path.getsize(args.checkpoint) / 1e6)
    means["load_seconds"] = exactly(_load_seconds(args.checkpoint))
    speakers = {
        name: findings.by_speaker(name, reference) for name in ("wer_plain", "nearest", "cosine") if name in means
    }
    checks = findings.check_shares()
    about = [
        f"{args.checkpoint} at step {synthesiser.step}",
        f"{args.sentences} held-out sentences",
        f"{options.steps} evaluations at temperature {options.temperature:g}",
        f"RTF with {torch.get_num_threads()} threads",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    tables = [
        ", ".join(about),
        markdown(means),
        by_group("speaker", speakers),
        style_table(checks, ATTRIBUTES),
    ]
    text = "\n\n".join([*tables, *(f"not measured: {what} ({why})" for what, why in missing.items())])
    (args.out / "table.md").write_text(text + "\n", encoding="utf-8")
    numbers = {
        "checkpoint": args.checkpoint,
        "step": synthesiser.step,
        "options": asdict(options),
        "means": {name: asdict(mean) for name, mean in means.items()},
        "by_speaker": speakers,
        "style_checks": checks,
    }
    (args.out / "table.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    print(text)


def _load_seconds(checkpoint: str) -> float:
    """Median over fresh processes; imports not counted."""
    program = (
        "import sys, time; from synthesis import load_model; start = time.perf_counter(); "
        "load_model(sys.argv[1], precision='auto'); print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", program, checkpoint]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(LOADS)]
    return median(float(run.stdout) for run in runs)


if __name__ == "__main__":
    raise SystemExit(main())
