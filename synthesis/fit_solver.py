"""Fit solvers to a checkpoint: `python -m synthesis.fit_solver -c checkpts/default.pt -t 3 4 -o solver_{steps}.json`.

Texts are spoken with many steps first (the reference), then times and weights are searched that come nearest to it
with few, for each number of steps that is given. `inference.py --solver solver_4.json` uses a result; `--held-out` says
how good it is on other texts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common.arguments import Parser, real, whole
from common.errors import InputError, reports_input_errors, shown
from data.filelist import read_texts

MOST_STEPS = 50  # a quarter of the latents that are kept of a reference (`synthesis.solver_search.KEPT`)


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m synthesis.fit_solver",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument("-f", "--file", default="resources/filelists/synthesis.txt", help="texts; default: %(default)s")
    parser.add_argument("--held-out", help="other texts, to measure on")
    parser.add_argument(
        "-t",
        "--timesteps",
        type=whole(1, MOST_STEPS),
        nargs="+",
        required=True,
        help="network evaluations of the solver, or solvers",
    )
    parser.add_argument(
        "-o", "--out", required=True, help="the solver's file, ending in .json; {steps} stands for their number"
    )
    parser.add_argument("--temperature", type=real(0.01, 1000), help="default: the checkpoint's")
    parser.add_argument(
        "--reference-steps", type=whole(4, 10_000), help="default: 1000 for official checkpoints, else 100"
    )
    parser.add_argument(
        "--trials", type=whole(1, 10**6), default=100, help="sets of times that are tried; default: %(default)s"
    )
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0)
    args = parser.parse_args(argv)
    outs = {steps: Path(args.out.replace("{steps}", str(steps))) for steps in args.timesteps}
    if not args.out.endswith(".json"):
        raise InputError(f"{args.out}: a solver's file ends in .json")
    if len(set(outs.values())) < len(args.timesteps):
        raise InputError(f"{args.out}: several solvers need {{steps}} in the name, and different numbers of steps")
    texts, held_out = read_texts(args.file), read_texts(args.held_out) if args.held_out else []

    from tqdm import tqdm

    from model.grad_tts import GradTTS
    from model.sampling import SAMPLERS
    from synthesis.solver_file import write_solver
    from synthesis.solver_search import mean_error, reference_paths, search_times
    from synthesis.synthesiser import load_model

    synthesiser = load_model(args.checkpoint)
    official = isinstance(synthesiser.model, GradTTS)
    reference = args.reference_steps or (1000 if official else 100)
    if reference < 4 * max(args.timesteps):
        raise InputError(
            f"--reference-steps {reference} is too few for a solver of {max(args.timesteps)}; give 4 times as many"
        )
    usual = ("euler", "euler-quad", "dpm++2m") if official else ("edm-2m", "dpm++2m")
    given = {"temperature": args.temperature, "steps": reference}
    paths = reference_paths(synthesiser, tqdm(texts, "reference", unit="text"), seed=args.seed, **given)
    others = reference_paths(synthesiser, tqdm(held_out, "held out", unit="text"), seed=args.seed + 1, **given)
    print(f"{len(paths) + len(others)} texts solved in {reference} steps")

    def show(trial: int, error: float) -> None:
        print(f"trial {trial}: error {error:.5f}", flush=True)

    for steps, out in outs.items():
        try:
            solver, error = search_times(paths, steps, args.trials, args.seed, show)
        except ValueError as error:
            raise InputError(f"{error}; give more --trials or --reference-steps") from error
        about = {"checkpoint": Path(args.checkpoint).name, "reference_steps": reference, "texts": len(paths)}
        about["error"] = error
        if others:
            about["held_out_error"] = mean_error(solver.sampler(), others, steps)
            print(f"on {len(others)} texts that it has not seen: error {about['held_out_error']:.5f}")
            for name in usual:
                print(f"  {name}: {mean_error(SAMPLERS[name], others, steps):.5f}")
        write_solver(out, solver, about)
        print(shown(f"saved {out}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
