"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import mul
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from common.device import autocast_type
from data.batching import Batch, LengthBuckets, collate, has_share
from data.checkpoint_file import load_optimizer, restoring
from data.dataset import UtteranceDataset
from model.checkpoint import pack
from model.cond_grad_tts import CondGradTTS
from model.critic import Critic
from model.distillation import DistillationLosses, Lesson, distillation_losses
from model.randomness import BatchShare, drawing_for
from model.style import draw_known_types
from params import Params
from training.board import Board, WriteSample
from training.corpus import SharedBatch, endless_batches
from training.optimisation import GradientCheck, ParameterAverage, learning_rate
from training.processes import Processes
from training.saving import RunLog, TrainingState, save, state_path
from training.sensitivity import style_sensitivity
from training.style_batch import at_other_levels, style_of_batch

_VALIDATION_BATCHES = 2
_SENSITIVITY_ITEMS = 4
_CRITIC_FASTER = 2.5  # its learning rate, in units of the decoder's
_LOSSES = ("prior", "duration", "length", "voicing", "pitch", "energy", "mean", "diffusion")


class Trainer:
    """Trains a model from a state, or from its beginning.

    Randomness in a step depends on (seed, step) alone, so a resumed run repeats an uninterrupted one (CPU: exactly).
    Several processes share every batch; the first of them validates, logs and saves.
    """

    def __init__(
        self,
        model: CondGradTTS,
        params: Params,
        dataset: UtteranceDataset,
        validation: UtteranceDataset,
        names: dict[str, list[str]],
        board: Board | None,
        log: RunLog,
        device: torch.device,
        write_sample: WriteSample | None = None,
        processes: Processes | None = None,
        teacher: CondGradTTS | None = None,
    ) -> None:
        """params: of the run, with the model's architecture; they are what the checkpoint will hold.

        names: speakers, emotions and symbols, for the checkpoint. board: of the first process. write_sample: puts
        samples on it. processes: None for this one alone. teacher: the decoder alone learns, and from this model.
        """
        self.model = model.to(device)
        self.critic = teach = None
        if teacher is not None:
            self.model.requires_grad_(False).decoder.requires_grad_(True)
            teacher = teacher.to(device).eval().requires_grad_(False)
            torch.manual_seed(params.train.seed)  # whatever was drawn before, of samples for one
            self.critic = Critic().to(device)
            lesson = Lesson(params.inference.steps, params.inference.temperature)
            teach = partial(distillation_losses, self.model, teacher, self.critic, lesson)
        self.params = params
        self.dataset = dataset
        self.validation = validation
        self.names = names
        self.board = board
        self.log = log
        self.device = device
        self.write_sample = write_sample
        self.processes = Processes(device) if processes is None else processes
        self.log_dir = Path(params.train.log_dir)
        groups = _parameter_groups(model, params.train.weight_decay)
        if self.is_taught:
            groups.append({"params": list(self.critic.parameters()), "weight_decay": 0.0, "faster": _CRITIC_FASTER})
        self.optimizer = torch.optim.AdamW(groups, betas=(0.8 if self.is_taught else 0.9, 0.99), fused=True)
        self.ema = ParameterAverage(model, params.train.ema_decay)
        self._losses = _Losses(self.model, teach, self.critic)
        self._forward = self.processes.wrap(self._losses)
        self.step = self.epoch = self.batch = 0
        self.gradients = GradientCheck()
        self._saved_step: int | None = None

    def resume(self, state: TrainingState) -> None:
        """Resume from a saved state of the same model. Raises InputError if it is another's."""
        with restoring(state_path(self.log_dir)):
            self.model.load_state_dict(state.payload["weights"])
            self.ema.load(state.payload["ema"])
            if self.is_taught:
                self.critic.load_state_dict(state.critic)
            load_optimizer(self.optimizer, state.optimizer)
        self.step, self.epoch, self.batch = state.step, state.epoch, state.batch

    def run(self, asked_to_stop: Callable[[], bool] = lambda: False) -> bool:
        """Train to the last step, or until asked to stop; True if the last step was reached. The end is always saved.

        Raises InputError if the training cannot continue, or cannot be saved.
        """
        with self.processes.naming_a_lost_one():
            return self._run(asked_to_stop)

    def _run(self, asked_to_stop: Callable[[], bool]) -> bool:
        train, processes = self.params.train, self.processes
        batches = endless_batches(
            self.dataset,
            self.params,
            self.epoch,
            self.batch,
            processes.rank,
            processes.world_size,
            report=lambda line: self.log.line(f"step {self.step}  {line}"),
        )
        began, first = time.perf_counter(), self.step
        shown = {"total": train.steps, "initial": self.step, "unit": "step", "desc": "train", "smoothing": 0.05}
        with tqdm(**shown, disable=not processes.leads) as bar:
            while self.step < train.steps and not processes.any(asked_to_stop()):
                share = next(batches)
                losses, gradient_norm = self.train_on(share)
                self.epoch, self.batch = share.epoch, share.number
                self.step += 1
                bar.update()
                if self.step % train.log_every == 0:
                    values = self._values(losses)
                    if processes.leads:
                        bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()})
                        self.board.scalars("train", values, self.step)
                        extra = {
                            "gradient_norm": gradient_norm,
                            "learning_rate": self.optimizer.param_groups[0]["lr"],
                            "steps_per_second": (self.step - first) / (time.perf_counter() - began),
                        }
                        self.board.scalars("optimisation", extra, self.step)
                if processes.leads and self.step % train.valid_every == 0:
                    trained = time.perf_counter() - began
                    line = f"step {self.step}  not validated"
                    with self._going_on("validation"):
                        line = self._validate(asked_to_stop)
                    seconds = time.perf_counter() - began - trained
                    self.log.line(f"{line}  seconds {trained:.0f} + {seconds:.0f}")
                if processes.leads and self.step % train.save_every == 0:
                    self.save()
        if processes.leads and self._saved_step != self.step:
            self.save()
        processes.wait()  # so that no process ends before everything is saved
        return self.step >= train.steps

    def save(self) -> None:
        """Write the run's files; first its curves, which would be lost with a process that is killed."""
        self.board.flush()
        payload = pack(self.model, params=self.params, step=self.step, ema=self.ema.values, **self.names)
        critic = self.critic.state_dict() if self.is_taught else {}
        state = TrainingState(self.step, self.epoch, self.batch, payload, self.optimizer.state_dict(), critic)
        save(self.log_dir, state)
        self._saved_step = self.step

    def train_on(self, share: SharedBatch) -> tuple[dict[str, Tensor], float]:
        """One step. The losses, as this process's parts of the sums over all, times the number of processes; and the
        norm of the gradient.
        """
        train, batch = self.params.train, share.batch.to(self.device)
        self.model.train()
        torch.manual_seed(_seed(train.seed, self.step))  # of dropout
        generator = torch.Generator().manual_seed(_seed(train.seed + 1, self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, train) * group.get("faster", 1.0)
        with drawing_for(BatchShare(share.total, share.rows) if self.processes.world_size > 1 else None):
            known = draw_known_types(self.params.style, len(batch.ids), generator)
            known = {name: kept.to(self.device) for name, kept in known.items()}
            if self.model.hearing is not None:
                batch = at_other_levels(batch, generator)
            losses, counts = self._forward(**self._arguments(batch, known, generator))
        if self.processes.world_size > 1:
            losses = self._weighted(losses, counts, has_share(share.total, self.processes.rank))
        self.optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), train.clip_norm))
        if self.gradients.passes(norm, self.step + 1, self._report):
            self.optimizer.step()
            self.ema.update(self.model, self.step + 1)
        return losses, norm

    def _weighted(self, losses: dict[str, Tensor], counts: dict[str, Tensor], counted: bool) -> dict[str, Tensor]:
        """Losses whose mean over the processes is the loss of the whole batch; not counted: they are of no share."""
        own = [count * counted for count in torch.stack([counts[name] for name in losses]).tolist()]
        totals = self.processes.sum(own)
        weights = [self.processes.world_size * count / max(total, 1) for count, total in zip(own, totals, strict=True)]
        return {name: loss * weight for (name, loss), weight in zip(losses.items(), weights, strict=True)}

    def _values(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Losses of the whole batch by name; no diffusion loss, which is 0, before the decoder learns."""
        means = self.processes.sum([float(loss.detach()) / self.processes.world_size for loss in losses.values()])
        return {name: value for name, value in zip(losses, means, strict=True) if name != "diffusion" or value}

    def _report(self, line: str) -> None:
        """What all processes find, said once."""
        if self.processes.leads:
            self.log.line(line)

    def _arguments(self, batch: Batch, known: dict[str, Tensor] | None, generator: torch.Generator) -> dict[str, Any]:
        """Of `CondGradTTS.losses`."""
        train = self.params.train
        return {
            "ids": batch.ids,
            "id_lengths": batch.id_lengths,
            "mel": batch.mel,
            "mel_lengths": batch.mel_lengths,
            "style": style_of_batch(self.model, batch, known, None if known is None else generator),
            "token_spans": batch.token_spans,
            "crop_frames": train.crop_frames,
            **({} if self.is_taught else {"train_decoder": self._decoder_learns}),
            "autocast": autocast_type(train.precision, self.device),
            "generator": generator,
        }

    @property
    def is_taught(self) -> bool:
        return self.critic is not None

    @property
    def _decoder_learns(self) -> bool:
        return self.is_taught or self.step >= self.params.train.encoder_steps

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """What only shows how a run does never ends it: inside, whatever goes wrong is a line."""
        try:
            yield
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            self.log.line(f"step {self.step}  {what} failed; training continues ({reason})")

    @torch.no_grad()
    def _validate(self, asked_to_stop: Callable[[], bool]) -> str:
        """Losses, gates and sensitivity of the averaged weights; a line to print."""
        raw = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self._set_parameters(self.ema.values)
        self.model.eval()
        try:
            generator = torch.Generator().manual_seed(self.params.train.seed)
            batches = self._validation_batches()
            found = [self._losses(**self._arguments(batch, None, generator)) for batch in batches]
            means = {}
            for name in found[0][0] if self._decoder_learns else _LOSSES[:-1]:
                counts = [float(counts[name]) for _, counts in found]
                values = [float(losses[name]) for losses, _ in found]
                means[name] = sum(map(mul, values, counts)) / max(sum(counts), 1)
            self.board.scalars("validation", means, self.step)
            if self._decoder_learns and not asked_to_stop():
                with self._going_on("the look at the style"):
                    self._inspect_style()
            if self.write_sample is not None and not asked_to_stop():
                with self._going_on("the sample"):
                    self.write_sample(self.model, self.board, self.step)
        finally:
            self._set_parameters(raw)
        shown = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        return f"step {self.step}  validation: {shown}"

    def _inspect_style(self) -> None:
        sites = self.model.decoder.estimator.attention_sites()
        self.board.scalars("gate", {name: float(site.gate) for name, (_, site) in sites.items()}, self.step)
        count = min(_SENSITIVITY_ITEMS, len(self.validation))
        if count < 2:
            return  # nobody to trade styles with
        spread = [i * len(self.validation) // count for i in range(count)]  # over the speakers, if they are in order
        batch = collate([self.validation[i] for i in spread]).to(self.device)
        changes = style_sensitivity(self.model, batch, self.params.train.crop_frames, self.params.train.seed)
        self.board.scalars("style_swap", changes, self.step)

    def _validation_batches(self) -> list[Batch]:
        buckets = LengthBuckets(self.validation.frames, self.params.train.batch_size, self.params.train.seed)
        keys = list(buckets)[:_VALIDATION_BATCHES]
        return [collate([self.validation[key] for key in batch]).to(self.device) for batch in keys]

    def _set_parameters(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(values[name])


class _Losses(nn.Module):
    """A model's losses as a forward pass, which is what DDP wraps: by name, and what each is the mean of."""

    def __init__(
        self, model: CondGradTTS, teach: Callable[..., DistillationLosses] | None, critic: Critic | None
    ) -> None:
        """teach: `distillation_losses` of the model and the critic, in the place of its own losses."""
        super().__init__()
        self.model = model
        self.teach = teach
        self.critic = critic  # so that DDP knows its parameters

    def forward(self, **arguments: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if self.teach is not None:
            losses = vars(self.teach(**arguments))
            items = arguments["ids"].new_tensor(len(arguments["ids"]))
            return losses, dict.fromkeys(losses, items)
        losses = self.model.losses(**arguments)
        return {name: getattr(losses, name) for name in _LOSSES}, losses.counts


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices and kernels decay; biases, norms, gates, tables and null tokens do not."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decayed = [p for p in model.parameters() if p.dim() > 1 and id(p) not in tables]
    others = [p for p in model.parameters() if p.dim() <= 1 or id(p) in tables]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _seed(seed: int, step: int) -> int:
    """Of one step; far apart for neighbouring steps and seeds."""
    return (seed * 1_000_003 + step * 7919) % (2**63 - 1)
