"""Every comparison of docs/performance.md in one call.

    python benchmarks/run.py [--only NAME ...] [--official logs/official_small/checkpoint.pt] [--out out/benchmarks]

Prints a table of what was measured beside the floor and the goal of each, and writes results.json. The sides of a
comparison run in turn in the same process; times are medians. --quick only shows that everything runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from common.arguments import Parser, folder, whole
from common.errors import InputError, reports_input_errors
from common.files import in_use, replacing
from common.processes import MOST_THREADS, cores, wait_briefly
from speed.outcome import Outcome, Settings

# By name: the module that has a function of that name, settings -> Outcome.
BENCHMARKS = {
    "samplers": "speed.samplers",
    "steps": "speed.speech",
    "vocoder": "speed.speech",
    "vocoder_quality": "vocoders",
    "many_texts": "speed.speech",
    "alignment_search": "alignment",
    "training": "speed.training",
    "backends": "speed.speech",
    "memory": "speed.speech",
    "cold_start": "speed.speech",
    "length": "speed.speech",
    "peers": "speed.peers",
}


@reports_input_errors
def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="may be given several times")
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument("--official", default="logs/official_small/checkpoint.pt", help="default: %(default)s")
    parser.add_argument("--solvers", nargs="*", default=[], help="tuned solvers of the official one, .json")
    parser.add_argument("--filelist", default="corpora/default/train.txt", help="to train on; default: %(default)s")
    parser.add_argument("--recordings", help="a filelist of some, which the vocoders then say again")
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), default=cores(), help="default: %(default)s")
    parser.add_argument("--repeats", type=whole(1, 10_000), default=5, help="of each side; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, whose figures mean nothing")
    parser.add_argument("--out", type=folder, default=Path("out/benchmarks"), help="default: %(default)s")
    args = parser.parse_args()
    wait_briefly()
    import torch

    args.threads = min(args.threads, cores())
    torch.set_num_threads(args.threads)
    with in_use(args.out):
        _compare(args)
    return 0


def _compare(args: argparse.Namespace) -> None:
    repeats = 1 if args.quick else args.repeats
    settings = Settings(
        args.checkpoint,
        args.official,
        tuple(args.solvers),
        args.filelist,
        args.recordings,
        args.threads,
        repeats,
        args.quick,
        args.out,
    )
    outcomes: dict[str, Outcome] = {}
    for name in args.only or BENCHMARKS:
        start = time.perf_counter()
        print(f"{name} ...", flush=True)
        try:
            outcomes[name] = getattr(importlib.import_module(BENCHMARKS[name]), name)(settings)
        except (InputError, RuntimeError, subprocess.SubprocessError) as error:
            outcomes[name] = Outcome(lines=[f"not measured: {error}"])
        print("\n".join(outcomes[name].lines))
        print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)
        if outcomes[name].measured:
            _write(args.out / "results.json", {name: outcomes[name]}, settings)
    if not any(outcome.measured for outcome in outcomes.values()):
        raise InputError("nothing was measured; each line above says why")
    _print_table(outcomes)
    print(f"\nwritten to {args.out / 'results.json'}")


def _print_table(outcomes: dict[str, Outcome]) -> None:
    print("\n| what | floor | goal | measured | |\n|---|---|---|---|---|")
    for outcome in outcomes.values():
        for row in outcome.rows:
            floor, goal, value = (f"{number:.3g} {row.unit}".strip() for number in (row.floor, row.goal, row.value))
            print(f"| {row.what} | {floor} | {goal} | {value} | {row.verdict} |")


def _write(path: Path, outcomes: dict[str, Outcome], settings: Settings) -> None:
    """The results, over those that an earlier call left for other benchmarks."""
    import torch

    machine = {"machine": platform.machine(), "cpus": os.cpu_count(), "threads": settings.threads}
    about = {"torch": torch.__version__, **machine, "quick": settings.quick}
    about |= {"repeats": settings.repeats, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        results = {}
    results |= {name: {"about": about, **outcome.to_dict()} for name, outcome in outcomes.items()}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
