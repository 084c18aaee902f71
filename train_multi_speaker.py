"""Train the conditional model: `python train_multi_speaker.py [--config configs/x.yaml] [key=value ...]`.

Without arguments it trains on the tiny corpus in resources/. A run whose log folder has a state is resumed. Ctrl-C
or SIGTERM saves and ends; a second one kills. `torchrun --nproc_per_node=N train_multi_speaker.py ...` shares every
batch among N processes, with the same result.

Exit code: 0; 2 and one line if something given cannot be used, or the training cannot continue; 3 if it was trained
without the lines of filelists that cannot be used, which are listed at the end; 130 if it was stopped before its first
step.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from common.arguments import DEVICES, Parser
from common.errors import INTERRUPTED, SOME_SKIPPED, BadLines, reports_input_errors, shown
from common.files import in_use
from common.processes import cores, stopping_on_signals
from params import Params
from training.overrides import resolve_params

# What needs torch is imported where it is used: wrong arguments are then answered at once.


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="YAML file over params.py, such as configs/kokoro.yaml")
    parser.add_argument(
        "--init", help="checkpoint to fine-tune, an official one too; new speakers, emotions and symbols are added"
    )
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("--strict", action="store_true", help="stop at the first bad line of a filelist")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="over the YAML file: train.batch_size=8")
    return parser.parse_intermixed_args(argv)


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parse(argv)
    params = resolve_params(arguments.config, arguments.overrides)
    try:
        # Of several processes the first one writes.
        with nullcontext() if int(os.environ.get("RANK", 0)) else in_use(params.train.log_dir, "the log folder"):
            if arguments.init is not None:
                from training.official import fine_tune, official_payload

                official = official_payload(arguments.init)
                if official is not None:
                    return fine_tune(official, **vars(arguments))
            return _train(arguments, params)
    except KeyboardInterrupt:
        kept = f"{params.train.cache_dir} keeps the features that are done"
        print(shown(f"stopped before the first step; {kept}"), file=sys.stderr)
        return INTERRUPTED


def _train(arguments: argparse.Namespace, params: Params) -> int:
    import torch

    from common.device import choose_device
    from training import corpus, saving, statistics
    from training.beginning import begin
    from training.board import open_board
    from training.processes import Processes
    from training.trainer import Trainer

    device = choose_device(arguments.device)
    processes = Processes(device)
    if params.train.threads:
        torch.set_num_threads(min(params.train.threads, cores()))
    torch.manual_seed(params.train.seed)

    bad_lines = BadLines(arguments.strict)
    training, validation = corpus.read_filelists(params, bad_lines)
    run = begin(params, training + validation, arguments.init, arguments.config, arguments.overrides)
    log = saving.open_log(run.log_dir, run.params, processes.leads)
    dataset, valid_dataset = corpus.make_datasets(run, training, validation, processes, log, bad_lines)
    if run.is_new:
        statistics.set_statistics(run.model, dataset, params.train.seed)
    if run.state is None and run.teacher is None:
        statistics.set_default_references(run.model, dataset, params.train.seed)
        if run.model.hearing is not None:
            statistics.set_voices(run.model, dataset, params.train.seed, anew=run.is_new)

    board, write_sample = open_board(run, valid_dataset[0], device, log) if processes.leads else (None, None)
    trainer = Trainer(
        run.model,
        run.params,
        dataset,
        valid_dataset,
        run.names,
        board,
        log,
        device,
        write_sample,
        processes,
        run.teacher,
    )
    if run.state is not None:
        trainer.resume(run.state)
        if processes.leads:
            log.line(f"step {run.step}  resuming in {run.log_dir}{'; --init is not used' if arguments.init else ''}")
    with stopping_on_signals(patiently=processes.world_size > 1) as asked_to_stop:
        finished = trainer.run(asked_to_stop)
        # A second signal ends nothing here: everything is saved.
        if processes.leads:
            board.close()
            how = "finished" if finished else "stopped"
            log.line(f"step {trainer.step}  {how}; checkpoint: {saving.checkpoint_path(run.log_dir)}")
            for line in bad_lines.summary():
                print(line, file=sys.stderr)
        processes.close()
    return SOME_SKIPPED if bad_lines.messages else 0


if __name__ == "__main__":
    raise SystemExit(main())
