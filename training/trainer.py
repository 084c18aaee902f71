"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from data.batching import Batch, LengthBuckets, collate
from data.dataset import UtteranceDataset
from model.checkpoint import pack
from model.cond_grad_tts import CondGradTTS, CondLosses
from params import Params
from training.board import Board
from training.corpus import endless_batches
from training.ema import ParameterAverage
from training.learning_rate import learning_rate
from training.saving import TrainingState, save
from training.sensitivity import style_sensitivity
from training.style_batch import drawn_types, style_of_batch

_VALIDATION_BATCHES = 2
_SENSITIVITY_ITEMS = 4
_LOSSES = ("prior", "duration", "voicing", "diffusion")


class Trainer:
    """Trains a model from a state, or from its beginning.

    Randomness in a step depends on (seed, step) alone, so a resumed run repeats an uninterrupted one (CPU: exactly).
    """

    def __init__(
        self,
        model: CondGradTTS,
        params: Params,
        dataset: UtteranceDataset,
        validation: UtteranceDataset,
        names: dict[str, list[str]],
        board: Board,
        device: torch.device,
        listen: Callable[[CondGradTTS, Board, int], None] | None = None,
    ) -> None:
        """names: speakers, emotions and symbols, for the checkpoint. listen: puts samples on the board."""
        self.model = model.to(device)
        self.params = params
        self.dataset = dataset
        self.validation = validation
        self.names = names
        self.board = board
        self.device = device
        self.listen = listen
        self.log_dir = Path(params.train.log_dir)
        self.optimizer = torch.optim.AdamW(_parameter_groups(model, params.train.weight_decay), betas=(0.9, 0.99))
        self.ema = ParameterAverage(model, params.train.ema_decay)
        self.step = self.epoch = self.batch = 0
        self._stop = False

    def resume(self, state: TrainingState) -> None:
        """Go on from a saved state of the same model."""
        self.model.load_state_dict(state.payload["weights"])
        self.ema.load(state.payload["ema"])
        self.optimizer.load_state_dict(state.optimizer)
        self.step, self.epoch, self.batch = state.step, state.epoch, state.batch

    def stop(self) -> None:
        """Ask the loop to save and end after the step it is in."""
        self._stop = True

    def run(self) -> bool:
        """Train to the last step, or until `stop`; True if the last step was reached. The end is always saved."""
        train = self.params.train
        batches = endless_batches(self.dataset, self.params, self.epoch, self.batch)
        with tqdm(total=train.steps, initial=self.step, unit="step", desc="train", smoothing=0.05) as bar:
            while self.step < train.steps and not self._stop:
                self.epoch, self.batch, batch = next(batches)
                began = time.perf_counter()
                losses, gradient_norm = self._step(batch.to(self.device))
                self.step += 1
                bar.update()
                if self.step % train.log_every == 0:
                    values = {name: float(getattr(losses, name).detach()) for name in _LOSSES}
                    bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()})
                    self.board.scalars("train", values, self.step)
                    seconds = time.perf_counter() - began
                    extra = {
                        "gradient_norm": gradient_norm,
                        "learning_rate": learning_rate(self.step, train),
                        "utterances_per_second": len(batch.ids) / seconds,
                    }
                    self.board.scalars("optimisation", extra, self.step)
                if self.step % train.valid_every == 0:
                    bar.write(self._validate())
                if self.step % train.save_every == 0:
                    self.save()
        self.save()
        return self.step >= train.steps

    def save(self) -> None:
        """Write the run's files."""
        payload = pack(self.model, step=self.step, ema=self.ema.values, **self.names)
        save(self.log_dir, TrainingState(self.step, self.epoch, self.batch, payload, self.optimizer.state_dict()))

    def _step(self, batch: Batch) -> tuple[CondLosses, float]:
        train = self.params.train
        self.model.train()
        torch.manual_seed(_seed(train.seed, self.step))  # of dropout
        generator = torch.Generator().manual_seed(_seed(train.seed + 1, self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, train)
        losses = self._losses(batch, drawn_types(self.params.style, batch, generator), generator)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), train.clip_norm)
        self.optimizer.step()
        self.ema.update(self.model, self.step + 1)
        return losses, float(norm)

    def _losses(
        self, batch: Batch, known: dict[str, torch.Tensor] | None, generator: torch.Generator
    ) -> CondLosses:
        train = self.params.train
        return self.model.losses(
            batch.ids,
            batch.id_lengths,
            batch.mel,
            batch.mel_lengths,
            style_of_batch(self.model, batch, known),
            token_spans=batch.token_spans,
            crop_frames=train.crop_frames,
            train_decoder=self.step >= train.encoder_steps,
            autocast=torch.bfloat16 if train.precision == "bf16" else None,
            generator=generator,
        )

    @torch.no_grad()
    def _validate(self) -> str:
        """Losses, gates and sensitivity of the averaged weights; a line to print."""
        raw = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self._set_parameters(self.ema.values)
        self.model.eval()
        try:
            generator = torch.Generator().manual_seed(self.params.train.seed)
            sums = dict.fromkeys(_LOSSES, 0.0)
            batches = self._validation_batches()
            for batch in batches:
                losses = self._losses(batch, None, generator)
                for name in _LOSSES:
                    sums[name] += float(getattr(losses, name)) / len(batches)
            self.board.scalars("validation", sums, self.step)
            if self.step >= self.params.train.encoder_steps:
                self._inspect_style()
            if self.listen is not None:
                self.listen(self.model, self.board, self.step)
        finally:
            self._set_parameters(raw)
        shown = "  ".join(f"{name} {value:.3f}" for name, value in sums.items())
        return f"step {self.step}  validation: {shown}"

    def _inspect_style(self) -> None:
        sites = self.model.decoder.estimator.attention_sites()
        self.board.scalars("gate", {name: float(site.gate) for name, (_, site) in sites.items()}, self.step)
        batch = collate([self.validation[i] for i in range(min(_SENSITIVITY_ITEMS, len(self.validation)))])
        batch = batch.to(self.device)
        changes = style_sensitivity(self.model, batch, self.params.train.crop_frames, self.params.train.seed)
        self.board.scalars("style_swap", changes, self.step)

    def _validation_batches(self) -> list[Batch]:
        buckets = LengthBuckets(self.validation.frames, self.params.train.batch_size, self.params.train.seed)
        keys = list(buckets)[:_VALIDATION_BATCHES]
        return [collate([self.validation[key] for key in batch]).to(self.device) for batch in keys]

    def _set_parameters(self, values: dict[str, torch.Tensor]) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(values[name])


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices and kernels decay; biases, norms, gates, tables and null tokens do not."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decayed = [p for p in model.parameters() if p.dim() > 1 and id(p) not in tables]
    others = [p for p in model.parameters() if p.dim() <= 1 or id(p) in tables]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _seed(seed: int, step: int) -> int:
    """Of one step; far apart for neighbouring steps and seeds."""
    return (seed * 1_000_003 + step * 7919) % (2**63 - 1)
