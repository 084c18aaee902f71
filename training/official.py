"""Train the official architecture, without styles: from nothing, or from an official checkpoint.

    python -m training.official --config configs/official_small.yaml [key=value ...]
    python train_multi_speaker.py --init grad-tts.pt [key=value ...]

The losses are the paper's (Grad-TTS, arXiv 2105.06337, section 3.5); features, batches, precision and learning rate are
those of `train_multi_speaker.py`. `checkpoint.pt` in the log folder is a bare state dict of the averaged weights, which
the official code and `inference.py` load; a speaker is known by its place in `speakers.txt` beside it, from 0. The same
command resumes a run whose log folder has a state; Ctrl-C or SIGTERM saves and ends.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from common.arguments import DEVICES, Parser
from common.device import autocast_type, choose_device
from common.errors import SOME_SKIPPED, BadLines, InputError, reports_input_errors
from common.files import in_use, replacing
from common.processes import cores, stopping_on_signals
from data.batching import Batch
from data.checkpoint_file import load_optimizer, read_checkpoint, restoring, write_checkpoint
from data.dataset import UtteranceDataset
from data.filelist import Utterance, names_of
from data.model_file import unpacked
from model.checkpoint import extend, is_official
from model.grad_tts import GradTTS, GradTTSConfig
from params import Params
from text.front_end import front_end
from text.official_front_end import not_transliterated
from text.symbols import OFFICIAL_SYMBOLS
from training import corpus
from training.optimisation import GradientCheck, ParameterAverage, learning_rate
from training.overrides import resolve_params
from training.saving import RunLog, checkpoint_path, counted, open_log, state_path

_LOSSES = ("duration", "prior", "diffusion")


class OfficialTrainer:
    """The model, its optimizer and one training step."""

    def __init__(
        self, model: GradTTS, params: Params, speakers: Sequence[str], log: RunLog, device: torch.device
    ) -> None:
        """speakers: names in the order of the model's rows; the state keeps them."""
        self.params = params
        self.speakers = speakers
        self.log = log
        self.device = device
        self.model = model.to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.ema = ParameterAverage(self.model, params.train.ema_decay)
        self.gradients = GradientCheck()
        self.step = self.epoch = self.batch = 0

    def train_on(self, batch: Batch) -> dict[str, float]:
        """One optimizer step; the losses by name. Before `encoder_steps` the decoder does not learn.

        A step whose gradient is not finite changes no weights. Raises InputError after too many of them in a row.
        """
        train, batch = self.params.train, batch.to(self.device)
        self.model.train()
        torch.manual_seed((train.seed * 1_000_003 + self.step) % (2**63 - 1))  # of dropout, crops, times and noise
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, train)
        losses = self.model.losses(
            batch.ids,
            batch.id_lengths,
            batch.mel,
            batch.mel_lengths,
            speaker=batch.speaker if self.model.config.n_speakers > 1 else None,
            crop_frames=train.crop_frames,
            train_decoder=self.step >= train.encoder_steps,
            autocast=autocast_type(train.precision, self.device),
        )
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        # As the official script does: encoder and decoder by themselves.
        parts = (self.model.encoder, self.model.decoder)
        norms = [float(nn.utils.clip_grad_norm_(part.parameters(), train.clip_norm)) for part in parts]
        self.step += 1
        if self.gradients.passes(math.hypot(*norms), self.step, self.log.line):
            self.optimizer.step()
            self.ema.update(self.model, self.step)
        return {name: float(getattr(losses, name).detach()) for name in _LOSSES}

    def run(self, dataset: UtteranceDataset, asked_to_stop: Callable[[], bool] = lambda: False) -> None:
        """Train to the last step, or until asked to stop; the end is saved."""
        train, began = self.params.train, time.perf_counter()
        batches = corpus.endless_batches(dataset, self.params, self.epoch, self.batch)
        sums, counted = dict.fromkeys(_LOSSES, 0.0), 0
        with tqdm(total=train.steps, initial=self.step, unit="step", desc="train", disable=None) as bar:
            while self.step < train.steps and not asked_to_stop():
                share = next(batches)
                for name, value in self.train_on(share.batch).items():
                    sums[name] += value
                counted += 1
                self.epoch, self.batch = share.epoch, share.number
                bar.update()
                if self.step % train.log_every == 0:
                    shown = "  ".join(f"{name} {value / counted:.3f}" for name, value in sums.items())
                    self.log.line(f"step {self.step}  {shown}  seconds {time.perf_counter() - began:.0f}")
                    sums, counted = dict.fromkeys(_LOSSES, 0.0), 0
                if self.step % train.save_every == 0:
                    self.save()
        self.save()

    def save(self) -> None:
        """Write state and checkpoint. Raises InputError if the place cannot be written to."""
        log_dir, weights = Path(self.params.train.log_dir), self.model.state_dict()
        state = {name: getattr(self, name) for name in ("step", "epoch", "batch")}
        state |= {"weights": weights, "ema": self.ema.values, "optimizer": self.optimizer.state_dict()}
        state["speakers"] = list(self.speakers)
        write_checkpoint(state_path(log_dir), state)
        write_checkpoint(checkpoint_path(log_dir), {**weights, **self.ema.values})

    def resume(self, state: dict[str, Any]) -> None:
        """Raises InputError if it is another model's state."""
        with restoring(state_path(Path(self.params.train.log_dir))):
            self.model.load_state_dict(state["weights"])
            self.ema.load(state["ema"])
            load_optimizer(self.optimizer, state["optimizer"])
            self.step, self.epoch, self.batch = (counted(state[name]) for name in ("step", "epoch", "batch"))


def new_model(params: Params, n_speakers: int) -> GradTTS:
    """Of the official symbols. Raises InputError for parameters that make no such model."""
    config = GradTTSConfig(
        n_symbols=len(OFFICIAL_SYMBOLS),
        n_speakers=n_speakers,
        n_mels=params.audio.n_mels,
        encoder=params.encoder,
        estimator=params.estimator,
        diffusion=params.diffusion,
    )
    try:
        return GradTTS(config)
    except ValueError as error:
        raise InputError(f"these parameters make no model: {error}") from error


def official_payload(init: str) -> dict[str, Any] | None:
    """What the file holds, if it is an official checkpoint; None too where no file is: a resumed run needs none.

    Raises InputError for one that cannot be read.
    """
    if not os.path.exists(init):
        return None
    payload = read_checkpoint(init)
    return payload if is_official(payload) else None


def fine_tune(
    payload: dict[str, Any], init: str, config: str | None, overrides: Sequence[str], device: str, strict: bool
) -> int:
    """Train an official checkpoint further; its architecture, and its time scale, stay.

    payload: what it holds. init: its path. config, overrides, device, strict: as for `train_multi_speaker.py`.

    Returns the exit code. Raises InputError for what cannot be used.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise InputError("official checkpoints are fine-tuned by one process; run the script without torchrun")
    asked = resolve_params(config, overrides)
    scale = asked.estimator.pe_scale
    bad_lines = BadLines(strict)
    training = corpus.read_training_list(asked, bad_lines)
    loaded = unpacked(payload, init, None if scale == Params().estimator.pe_scale else scale)
    speakers, notes = names_of(training)[0], list(loaded.notes)
    numbers = [name for name in speakers if name in loaded.speakers]
    if len(loaded.speakers) > 1 and numbers:
        notes.append(f"the checkpoint's own rows are trained for: {', '.join(numbers)}; other names get new rows")
    try:
        loaded = extend(loaded, speakers, (), ())
    except ValueError as error:
        raise InputError(f"{init}: {error}") from error
    params = resolve_params(config, overrides, loaded.params, init)
    return _train(loaded.model, params, loaded.speakers, training, device, bad_lines, notes)


def _train(
    model: GradTTS,
    params: Params,
    speakers: Sequence[str],
    training: list[Utterance],
    device: str,
    bad_lines: BadLines,
    notes: Sequence[str] = (),
) -> int:
    if params.train.threads:
        torch.set_num_threads(min(params.train.threads, cores()))
    log_dir, chosen = Path(params.train.log_dir), choose_device(device)
    path = state_path(log_dir)
    state = read_checkpoint(path, "training state") if path.exists() else None
    if state is not None:  # what is not this run's is refused before anything of it is replaced
        with restoring(path):
            model.load_state_dict(state["weights"])
            of_state = list(state.get("speakers", speakers))
        if of_state != list(speakers):
            raise InputError(
                f"{log_dir} was trained on {len(of_state)} speakers, others than the list's; take another log folder"
            )
    log = open_log(log_dir, params, leads=True)
    with replacing(log_dir / "speakers.txt") as temporary:
        temporary.write_text("".join(f"{name}\n" for name in speakers), encoding="utf-8")
    cache = corpus.build_cache(params, training)
    reader = front_end("official", None, params.text.add_blank)
    emotions = names_of(training)[1]
    dataset = corpus.make_dataset(
        params.train.train_filelist, training, cache, reader, speakers, emotions, params, bad_lines
    )
    trainer = OfficialTrainer(model, params, speakers, log, chosen)
    unread = sum(bool(not_transliterated(utterance.text)) for utterance in training)
    if unread:
        notes = [*notes, f"{unread} texts have characters that are left out without Unidecode; pip install Unidecode"]
    for note in notes:
        log.line(f"note: {note}")
    if state is not None:
        trainer.resume(state)
        log.line(f"step {trainer.step}  resuming in {log_dir}")
    with stopping_on_signals() as asked_to_stop:
        trainer.run(dataset, asked_to_stop)
        saved = f"saved {checkpoint_path(log_dir)}; speakers in order: {log_dir / 'speakers.txt'}"
        log.line(f"step {trainer.step}  {saved}")
        for line in bad_lines.summary():
            print(line, file=sys.stderr)
    return SOME_SKIPPED if bad_lines.messages else 0


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m training.official", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/official_small.yaml", help="default: %(default)s")
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_intermixed_args(argv)
    params = resolve_params(arguments.config, arguments.overrides)
    if params.estimator.name != "unet" or params.text.front_end != "official":
        raise InputError("the official architecture has estimator.name=unet and text.front_end=official")
    bad_lines = BadLines(strict=True)
    with in_use(params.train.log_dir, "the log folder"):
        training = corpus.read_training_list(params, bad_lines)
        speakers, _ = names_of(training)
        torch.manual_seed(params.train.seed)
        model = new_model(params, len(speakers))
        return _train(model, params, speakers, training, arguments.device, bad_lines)


if __name__ == "__main__":
    sys.exit(main())
