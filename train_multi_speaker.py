"""Train the conditional model: `python train_multi_speaker.py [--config configs/x.yaml] [key=value ...]`.

Without arguments it trains on the tiny corpus in resources/. A run whose log folder has a state goes on from it.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from data.errors import InputError, reports_input_errors


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="YAML file over params.py, such as configs/kokoro.yaml")
    parser.add_argument("--init", help="checkpoint to fine-tune; new speakers, emotions and symbols are added")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="over the YAML file: train.batch_size=8")
    return parser.parse_args()


@reports_input_errors
def main() -> int:
    arguments = parse_arguments()
    import torch  # late, so that a wrong argument is answered at once

    from data.checkpoint_file import read_checkpoint
    from hifigan import load_vocoder
    from model.checkpoint import Loaded, extend, unpack
    from model.cond_grad_tts import CondGradTTS
    from synthesis.device import choose_device
    from text.front_end import front_end
    from training import corpus, saving, statistics
    from training.board import Board
    from training.listening import make_listener
    from training.overrides import resolve_params
    from training.trainer import Trainer

    params = resolve_params(arguments.config, arguments.overrides)
    train = params.train
    if params.estimator.name != "cross_unet":
        raise InputError(f"estimator.name={params.estimator.name} cannot be trained here; use cross_unet")
    device = choose_device(arguments.device)
    if train.threads:
        torch.set_num_threads(train.threads)
    log_dir = Path(train.log_dir)
    state = saving.load(log_dir)

    training, validation = corpus.read_filelists(params)
    speakers, emotions = corpus.names_of(training + validation)
    reader = front_end(params.text.front_end)
    torch.manual_seed(train.seed)
    start: Loaded | None = None
    if state is not None:
        start = unpack(state.payload, weights="weights")
        known = set(start.speakers) >= set(speakers) and set(start.emotions) >= set(emotions)
        if not known:
            raise InputError(f"{log_dir} was trained on other speakers or emotions; choose another train.log_dir")
    elif arguments.init:
        try:
            start = extend(unpack(read_checkpoint(arguments.init)), speakers, emotions, reader.symbols)
        except ValueError as error:
            raise InputError(f"{arguments.init}: {error}") from error
    if start is not None:
        speakers, emotions = list(start.speakers), list(start.emotions)
        reader = front_end(params.text.front_end, start.symbols)
        model = start.model
    else:
        model = CondGradTTS(params, len(reader.symbols), len(speakers), len(emotions))

    cache = corpus.build_cache(params, training + validation)
    dataset = corpus.make_dataset(training, cache, reader, speakers, emotions, train.seed)
    valid_dataset = corpus.make_dataset(validation, cache, reader, speakers, emotions, train.seed)
    if state is None:
        if not arguments.init:
            statistics.set_statistics(model, dataset, train.seed)
        statistics.set_default_references(model, dataset, train.seed)

    board = Board(log_dir, params.audio.sample_rate, params.audio.hop_length)
    vocoder = load_vocoder(expect=params.audio).to(device)
    listen = make_listener(reader, params, vocoder, speakers)
    names = {"speakers": speakers, "emotions": emotions, "symbols": list(reader.symbols)}
    trainer = Trainer(model, params, dataset, valid_dataset, names, board, device, listen)
    if state is not None:
        trainer.resume(state)
        print(f"going on from step {state.step} in {log_dir}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: trainer.stop())
    finished = trainer.run()
    board.close()
    how = "finished" if finished else "stopped"
    print(f"{how} at step {trainer.step}; checkpoint: {saving.checkpoint_path(log_dir)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
