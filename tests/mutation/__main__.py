"""The command line of the mutation check."""

from __future__ import annotations

import argparse
import fnmatch
import gc
import importlib
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from tests.mutation.compiled_mutants import compiled_mutants
from tests.mutation.equivalents import LIST, read_equivalents
from tests.mutation.mutant import Mutant
from tests.mutation.runner import run_mutants, unchanged_seconds
from tests.mutation.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
# What the tests import from elsewhere, late or not, so that no forked process needs to.
PRELOADED = (
    "einops", "hypothesis.extra.numpy", "librosa.filters", "librosa.util", "scipy.signal", "torch.distributed.tensor",
    "torch.testing", "yaml",
)  # fmt: skip
_SLACK = 60.0  # seconds, for a machine that is busy


def main() -> int:
    arguments = _arguments()
    everything = [mutant for target in TARGETS for mutant in target.mutants(ROOT)] + compiled_mutants(ROOT)
    equivalents = read_equivalents(LIST, everything)
    mutants = [mutant for mutant in everything if fnmatch.fnmatch(mutant.path, arguments.only)]
    if not mutants:
        raise SystemExit(f"no mutant is in a file like {arguments.only!r}")
    if arguments.sample is not None:
        mutants = random.Random(0).sample(mutants, min(arguments.sample, len(mutants)))
    if arguments.list:
        print("\n".join(str(mutant) for mutant in mutants))
        return 0

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the forked processes are the parallel part
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended too
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # garbage collection in the forked processes need not go through all that
    noticed = _check(mutants, arguments.jobs)
    survivors = [mutant for mutant in mutants if not noticed[mutant] and mutant.key not in equivalents]
    wrong = [mutant for mutant in mutants if noticed[mutant] and mutant.key in equivalents]
    _print_table(mutants, noticed, survivors)
    for title, found in (("SURVIVED", survivors), ("LISTED AS EQUIVALENT, BUT NOTICED", wrong)):
        for mutant in found:
            print(f"{title} {mutant}")
    return 1 if survivors or wrong else 0


def _check(mutants: list[Mutant], jobs: int) -> dict[Mutant, bool]:
    """Whether each was noticed."""
    one_of_each = {_tested(mutant): mutant for mutant in mutants}
    allowed = {}
    for tested, mutant in tqdm(one_of_each.items(), desc="unchanged", unit="run"):
        allowed[tested] = _SLACK + 5 * unchanged_seconds(ROOT, mutant)
    noticed = {}
    with tqdm(total=len(mutants), desc="mutants", unit="mutant", smoothing=0.05) as bar:
        survived = 0
        for mutant, was_noticed in run_mutants(ROOT, mutants, lambda mutant: allowed[_tested(mutant)], jobs):
            noticed[mutant] = was_noticed
            survived += not was_noticed
            bar.set_postfix(survived=survived)
            bar.update()
    return noticed


def _tested(mutant: Mutant) -> str:
    """What has to be imported, or built, for it; the same for all files of the compiled package."""
    return str(Path(mutant.path).parent) if mutant.compiled else mutant.path


def _print_table(mutants: list[Mutant], noticed: dict[Mutant, bool], survivors: list[Mutant]) -> None:
    total, killed, survived = (
        Counter(mutant.path for mutant in some)
        for some in (mutants, [mutant for mutant in mutants if noticed[mutant]], survivors)
    )
    width = max(map(len, [*total, "total"]))
    print(f"{'file':{width}}  mutants  killed  equivalent  survivors")
    for path in [*total, "total"]:
        row = [count.total() if path == "total" else count[path] for count in (total, killed, survived)]
        print(f"{path:{width}}  {row[0]:7}  {row[1]:6}  {row[0] - row[1] - row[2]:10}  {row[2]:9}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="test runs at the same time")
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the files' paths, such as 'model/s*'")
    parser.add_argument(
        "--sample", type=int, metavar="N", help="only so many mutants, drawn at random but always the same"
    )
    parser.add_argument("--list", action="store_true", help="list the mutants and run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
