"""Tune a solver to a checkpoint: `python -m synthesis.tune_solver -c checkpts/default.pt -t 4 -o solver.json`.

Texts are spoken with many steps first (the reference), then times and weights are searched that come nearest to it
with few. `inference.py --solver solver.json` uses the result; `--held-out` says how good it is on other texts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import InputError, reports_input_errors
from data.filelist import read_texts


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m synthesis.tune_solver",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument("-f", "--file", default="resources/filelists/synthesis.txt", help="texts; default: %(default)s")
    parser.add_argument("--held-out", help="other texts, to measure on")
    parser.add_argument("-t", "--timesteps", type=int, required=True, help="network evaluations of the solver")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the solver's file, ending in .json")
    parser.add_argument("--temperature", type=float, help="default: the checkpoint's")
    parser.add_argument("--reference-steps", type=int, help="default: 1000 for official checkpoints, else 100")
    parser.add_argument("--trials", type=int, default=100, help="sets of times that are tried; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.out.suffix != ".json":
        raise InputError(f"{args.out}: a solver's file ends in .json")
    for name in ("timesteps", "trials"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} must be at least 1")
    texts, held_out = read_texts(args.file), read_texts(args.held_out) if args.held_out else []

    from synthesis.reference_paths import reference_paths
    from synthesis.solver_file import write_solver
    from synthesis.synthesiser import load_model
    from synthesis.tuning import mean_error, search_times

    synthesiser = load_model(args.checkpoint)
    steps = args.reference_steps or (100 if synthesiser.conditional else 1000)
    if steps < 4 * args.timesteps:
        raise InputError(f"--reference-steps {steps} is too few for a solver of {args.timesteps}; give 4 times as many")
    given = {"temperature": args.temperature, "steps": steps}
    paths = reference_paths(synthesiser, texts, seed=args.seed, **given)
    print(f"{len(paths)} texts solved in {steps} steps")

    def show(trial: int, error: float) -> None:
        print(f"trial {trial}: error {error:.5f}", flush=True)

    solver, error = search_times(paths, args.timesteps, args.trials, args.seed, show)
    usual = ("edm-2m", "dpm++2m") if synthesiser.conditional else ("euler", "euler-quad", "dpm++2m")
    about = {"checkpoint": Path(args.checkpoint).name, "reference_steps": steps, "texts": len(paths), "error": error}
    if held_out:
        others = reference_paths(synthesiser, held_out, seed=args.seed + 1, **given)
        about["held_out_error"] = mean_error(solver.sampler(), others, args.timesteps)
        print(f"on {len(others)} texts that it has not seen: error {about['held_out_error']:.5f}")
        from model.sampling import SAMPLERS

        for name in usual:
            print(f"  {name}: {mean_error(SAMPLERS[name], others, args.timesteps):.5f}")
    write_solver(args.out, solver, about)
    print(f"saved {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
