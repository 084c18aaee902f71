"""The command line of the fuzz driver; see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from tests.fuzz import __doc__ as about
from tests.fuzz.cases import make_world
from tests.fuzz.driver import bound_memory, run_case


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("count", type=int, help="cases")
    parser.add_argument("--first", type=int, default=0, help="seed of the first; the others follow")
    parser.add_argument("--processes", action="store_true", help="real processes")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every case")
    args = parser.parse_args()
    torch.set_num_threads(1)
    codes: Counter[str] = Counter()
    failures, most, longest, began = 0, 0, 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder) / "world")
        for seed in range(args.first, args.first + args.count):
            if not args.processes and seed == args.first + 30:
                bound_memory()  # by now everything is imported
            case, end, wrong = run_case(world, Path(folder), seed, args.processes)
            codes[f"{case.script} {end.code}"] += 1
            most, longest = max(most, end.bytes), max(longest, end.seconds)
            if args.verbose or wrong:
                shown = " ".join(repr(argument[:150]) for argument in case.arguments)
                print(f"seed {seed}: {case.script} {shown}\n  code {end.code}, {end.seconds:.1f} s: {wrong}")
                print(
                    "  | " + end.output[-1500:].encode("unicode_escape").decode().replace("\\n", "\n  | "), flush=True
                )
            failures += wrong is not None
    for name, count in sorted(codes.items()):
        print(f"{count:6d}  {name}")
    memory = f", {most / 2**30:.2f} GB at most" if args.processes else ""
    print(
        f"{args.count} cases from seed {args.first}, {failures} wrong; {time.monotonic() - began:.0f} s, "
        f"the longest {longest:.1f} s{memory}"
    )
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
