"""The learning rate over a run, the steps that are left out, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from common.errors import InputError
from params import Train

MOST_SKIPPED = 10  # steps in a row that may be skipped because their gradient is not finite


def learning_rate(step: int, train: Train) -> float:
    """Of optimizer step `step`, from 0: a linear warm-up, then constant, then linear down to `final_learning_rate`.

    Only the last `decay_steps` depend on how long the run is, so a run can be made longer before they begin, or stopped
    early by giving fewer `steps` (Hu et al., arXiv 2404.06395, section 4).
    """
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / train.warmup_steps
    decay = min(train.decay_steps, max(train.steps - train.warmup_steps, 0))
    left = max(train.steps - step, 0) / decay if decay else 1.0
    return train.final_learning_rate + min(left, 1.0) * (train.learning_rate - train.final_learning_rate)


class GradientCheck:
    """Which steps are made: those with a finite gradient. A run that has no others any more is ended."""

    def __init__(self) -> None:
        self.skipped = 0  # in a row

    def passes(self, norm: float, step: int, report: Callable[[str], None]) -> bool:
        """Whether step `step`, from 1, is made with a gradient of this norm; if not, `report` gets a line that says so.

        Raises InputError after too many in a row.
        """
        if math.isfinite(norm):
            self.skipped = 0
            return True
        self.skipped += 1
        report(f"step {step}  skipped: its gradient is not finite")
        if self.skipped >= MOST_SKIPPED:
            raise InputError(
                f"{self.skipped} steps in a row without a finite gradient, up to step {step}; resume from the "
                "last saved step with a lower train.learning_rate, or with train.precision=fp32"
            )
        return False


class ParameterAverage:
    """Averages of all parameters; the decay starts low, so that the first steps are soon forgotten."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """step: how many optimizer steps there have been."""
        decay = min(self.decay, (1 + step) / (10 + step))
        parameters = dict(model.named_parameters())
        averages = list(self.values.values())
        torch._foreach_lerp_(averages, [parameters[name].detach() for name in self.values], 1 - decay)

    def load(self, values: dict[str, Tensor]) -> None:
        for name, value in self.values.items():
            value.copy_(values[name])
