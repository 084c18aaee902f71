"""Train the conditional model: `python train_multi_speaker.py [--config configs/x.yaml] [key=value ...]`.

Without arguments it trains on the tiny corpus in resources/. A run whose log folder has a state goes on from it. Ctrl-C
or SIGTERM saves and ends; a second one kills. `torchrun --nproc_per_node=N train_multi_speaker.py ...` shares every
batch among N processes, with the same result.

Exit code: 0; 2 and one line if something given cannot be used, or the training cannot go on; 3 if it was trained
without the lines of filelists that cannot be used, which are listed at the end; 130 if it was stopped before its first
step.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from common.arguments import Parser
from common.errors import INTERRUPTED, SOME_SKIPPED, BadLines, InputError, reports_input_errors, shown
from common.files import in_use
from common.processes import cores, stopping_on_signals, terminated_as_interrupted
from params import Params
from training.overrides import resolve_params

# What needs torch is imported where it is used: wrong arguments are then answered at once.


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="YAML file over params.py, such as configs/kokoro.yaml")
    parser.add_argument(
        "--init", help="checkpoint to fine-tune, an official one too; new speakers, emotions and symbols are added"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--strict", action="store_true", help="stop at the first bad line of a filelist")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="over the YAML file: train.batch_size=8")
    return parser.parse_intermixed_args(argv)


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parse(argv)
    params = resolve_params(arguments.config, arguments.overrides)
    try:
        with (
            terminated_as_interrupted(),  # while there is nothing to save
            # Of several processes the first one writes.
            nullcontext() if int(os.environ.get("RANK", 0)) else in_use(params.train.log_dir, "the log folder"),
        ):
            if arguments.init is not None:
                from training.official import fine_tune, official_payload

                official = official_payload(arguments.init)
                if official is not None:
                    return fine_tune(
                        arguments.init,
                        official,
                        arguments.config,
                        arguments.overrides,
                        arguments.device,
                        arguments.strict,
                    )
            return _train(arguments, params)
    except KeyboardInterrupt:
        kept = f"{params.train.cache_dir} keeps the features that are done"
        print(shown(f"stopped before the first step; {kept}"), file=sys.stderr)
        return INTERRUPTED


def _train(arguments: argparse.Namespace, params: Params) -> int:
    import torch

    from synthesis.device import choose_device
    from training import corpus, saving, statistics
    from training.beginning import begin
    from training.board import Board
    from training.listening import find_vocoder, make_listener
    from training.processes import Processes
    from training.run_log import RunLog
    from training.trainer import Trainer

    device = choose_device(arguments.device)
    processes = Processes(device)
    if params.train.threads:
        torch.set_num_threads(min(params.train.threads, cores()))
    torch.manual_seed(params.train.seed)
    bad_lines = BadLines(arguments.strict)
    training, validation = corpus.read_filelists(params, bad_lines)
    run = begin(params, training + validation, arguments.init, arguments.config, arguments.overrides)
    model, params, log_dir = run.model, run.params, Path(params.train.log_dir)
    if processes.leads:
        saving.write_params(log_dir, params)  # before the long work, so that a place that cannot be written to is found
    log = RunLog(log_dir / "train.log" if processes.leads else None)

    cache = corpus.build_cache(params, training + validation, processes, log.line if processes.leads else None)
    dataset, valid_dataset = (
        corpus.make_dataset(filelist, utterances, cache, run.front_end, run.speakers, run.emotions, params, bad_lines)
        for filelist, utterances in (
            (params.train.train_filelist, training),
            (params.train.valid_filelist, validation),
        )
    )
    if processes.leads:
        for line in bad_lines.summary():
            log.line(line)
    if not (processes.agree(len(dataset)) and processes.agree(run.step)):
        raise InputError(f"not all processes find the same files; let them share {log_dir} and the corpus")
    if run.is_new:
        statistics.set_statistics(model, dataset, params.train.seed)
    if run.state is None:
        statistics.set_default_references(model, dataset, params.train.seed)

    board = listen = None
    if processes.leads:
        board = Board(log_dir, params.audio.sample_rate, params.audio.hop_length, run.step, log.line)
        vocoder = find_vocoder(params.audio, device, log.line)
        listen = make_listener(run.front_end, params, vocoder, valid_dataset[0])
    trainer = Trainer(model, params, dataset, valid_dataset, run.names, board, log, device, listen, processes)
    if run.state is not None:
        trainer.resume(run.state)
    if processes.leads:
        if run.state is not None:
            log.line(f"step {run.step}  resuming in {log_dir}{'; --init is not used' if arguments.init else ''}")
        print(shown(f"curves, pictures and audio: tensorboard --logdir {log_dir}"))
    with stopping_on_signals(patiently=processes.world_size > 1) as asked_to_stop:
        finished = trainer.run(asked_to_stop)
    if processes.leads:
        board.close()
        how = "finished" if finished else "stopped"
        log.line(f"step {trainer.step}  {how}; checkpoint: {saving.checkpoint_path(log_dir)}")
        for line in bad_lines.summary():
            print(line, file=sys.stderr)
    processes.close()
    return SOME_SKIPPED if bad_lines.messages else 0


if __name__ == "__main__":
    raise SystemExit(main())
