"""Train the conditional model: `python train_multi_speaker.py [--config configs/x.yaml] [key=value ...]`.

Without arguments it trains on the tiny corpus in resources/. A run whose log folder has a state goes on from it. Ctrl-C
or SIGTERM saves and ends; a second one kills. `torchrun --nproc_per_node=N train_multi_speaker.py ...` shares every
batch among N processes, with the same result.

Exit code: 0; 2 and one line if something given cannot be used, or the training cannot go on; 3 if it was trained
without the lines of filelists that cannot be used, which are listed at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from common.arguments import Parser
from common.errors import SOME_SKIPPED, BadLines, InputError, reports_input_errors, shown
from common.files import in_use
from common.processes import cores, stopping_on_signals
from params import Params
from training.overrides import STYLE_KIND, resolve_params

if TYPE_CHECKING:
    from data.filelist import Utterance
    from model.checkpoint import Loaded
    from model.cond_grad_tts import CondGradTTS
    from training.saving import TrainingState

# What needs torch is imported where it is used: wrong arguments are then answered at once.


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="YAML file over params.py, such as configs/kokoro.yaml")
    parser.add_argument("--init", help="checkpoint to fine-tune; new speakers, emotions and symbols are added")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--strict", action="store_true", help="stop at the first bad line of a filelist")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="over the YAML file: train.batch_size=8")
    return parser.parse_intermixed_args(argv)


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parse(argv)
    params = resolve_params(arguments.config, arguments.overrides)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, while there is nothing to save
    try:
        # Of several processes the first one writes.
        with nullcontext() if int(os.environ.get("RANK", 0)) else in_use(params.train.log_dir, "the log folder"):
            return _train(arguments, params)
    except KeyboardInterrupt:
        print(shown(f"stopped before the first step; {params.train.cache_dir} keeps the features that are done"))
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _train(arguments: argparse.Namespace, params: Params) -> int:
    import torch

    from hifigan import load_vocoder
    from model.checkpoint import rebuilt
    from synthesis.device import choose_device
    from text.front_end import front_end
    from training import corpus, saving, statistics
    from training.board import Board
    from training.listening import make_listener
    from training.processes import Processes
    from training.run_log import RunLog
    from training.trainer import Trainer

    device = choose_device(arguments.device)
    processes = Processes(device)
    if params.train.threads:
        torch.set_num_threads(min(params.train.threads, cores()))
    torch.manual_seed(params.train.seed)
    log_dir = Path(params.train.log_dir)
    bad_lines = BadLines(arguments.strict)
    training, validation = corpus.read_filelists(params, bad_lines)
    state = saving.load(log_dir)
    start = _start(arguments.init, state, log_dir, training + validation)
    speakers, emotions = corpus.names_of(training + validation)
    if start is not None:
        origin = str(log_dir if state is not None else arguments.init)
        replaceable = (STYLE_KIND,) if state is None else ()
        params = resolve_params(arguments.config, arguments.overrides, start.params, origin, replaceable)
        start = rebuilt(start, params)
        speakers, emotions = list(start.speakers), list(start.emotions)
    train = params.train
    reader = front_end(params.text.front_end, None if start is None else start.symbols, params.text.add_blank)
    model = _new_model(params, reader.symbols, speakers, emotions) if start is None else start.model
    if processes.leads:
        saving.write_params(log_dir, params)  # before the long work, so that a place that cannot be written to is found
        saving.remove_leftovers(log_dir)
    log = RunLog(log_dir / "train.log" if processes.leads else None)

    report = log.line if processes.leads else _say_nothing
    cache = corpus.build_cache(params, training + validation, processes, report)
    dataset, valid_dataset = (
        corpus.make_dataset(filelist, utterances, cache, reader, speakers, emotions, params, bad_lines)
        for filelist, utterances in ((train.train_filelist, training), (train.valid_filelist, validation))
    )
    if processes.leads:
        for line in bad_lines.summary():
            log.line(line)
    step = 0 if state is None else state.step
    if not (processes.agree(len(dataset)) and processes.agree(step)):
        raise InputError(f"not all processes find the same files; let them share {log_dir} and the corpus")
    if state is None:
        if start is None:
            statistics.set_statistics(model, dataset, train.seed)
        statistics.set_default_references(model, dataset, train.seed)

    board = listen = None
    if processes.leads:
        try:
            vocoder = load_vocoder(expect=params.audio).to(device)
        except InputError as error:
            vocoder = None
            log.line(f"no audio samples in TensorBoard: {error}")
        board = Board(log_dir, params.audio.sample_rate, params.audio.hop_length, step, log.line)
        listen = make_listener(reader, params, vocoder, valid_dataset[0])
    names = {"speakers": speakers, "emotions": emotions, "symbols": list(reader.symbols)}
    trainer = Trainer(model, params, dataset, valid_dataset, names, board, log, device, listen, processes)
    if state is not None:
        try:
            trainer.resume(state)
        except ValueError as error:
            raise InputError(f"{saving.state_path(log_dir)}: {error}; use another train.log_dir") from error
    if processes.leads:
        if state is not None:
            log.line(f"step {step}  going on in {log_dir}{'; --init is not used' if arguments.init else ''}")
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


def _say_nothing(_: str) -> None:
    """For processes that leave it to the first one."""


def _new_model(params: Params, symbols: Sequence[str], speakers: Sequence[str], emotions: Sequence[str]) -> CondGradTTS:
    from model.checkpoint import new_model

    try:
        return new_model(params, symbols, speakers, emotions)
    except ValueError as error:
        raise InputError(f"these parameters make no model: {error}") from error


def _start(
    init: str | None, state: TrainingState | None, log_dir: Path, utterances: Sequence[Utterance]
) -> Loaded | None:
    """The model that the run starts from: the state's, else that of --init with what is new, else none."""
    from data.checkpoint_file import read_checkpoint
    from model.checkpoint import extend, unpack
    from text.front_end import front_end
    from training.corpus import names_of
    from training.saving import state_path

    origin = state_path(log_dir) if state is not None else init
    if origin is None:
        return None
    try:
        loaded = unpack(state.payload, "weights") if state is not None else unpack(read_checkpoint(init))
        if state is None:
            text = loaded.params.text
            return extend(loaded, *names_of(utterances), front_end(text.front_end, None, text.add_blank).symbols)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from error
    for utterance in utterances:
        for name, known in ((utterance.speaker, loaded.speakers), (utterance.emotion, loaded.emotions)):
            if name not in known:
                raise InputError(
                    f"{utterance.place}: {log_dir} was trained without {name!r}; fine-tune its checkpoint.pt with "
                    "--init in another train.log_dir"
                )
    return loaded


if __name__ == "__main__":
    raise SystemExit(main())
