"""An exponential moving average of a model's parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
