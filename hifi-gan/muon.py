"""Muon (Jordan et al., 2024): momentum whose every weight matrix is made orthogonal before it is a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
# Newton-Schulz coefficients of the published code: quick to bring singular values near 1, not exact.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.AdamW):
    """Muon for groups with "orthogonal": True, AdamW for the others.

    The former hold weights of layers within a network, each taken as a matrix of its outputs by the rest; Nesterov
    momentum, and weight decay as in AdamW.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.99)):
        """groups: of parameters, with their own "lr" and "weight_decay" where these differ (0: none)."""
        super().__init__([{"orthogonal": False, **group} for group in groups], lr=lr, betas=betas, weight_decay=0.0)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # AdamW's mends what old versions saved, and expects its own memory of every parameter.
        torch.optim.Optimizer.__setstate__(self, state)

    @torch.no_grad()
    def step(self) -> None:
        groups = self.param_groups
        for group in groups:
            for parameter in group["params"] if group["orthogonal"] else ():
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups

    def _move(self, parameter: Tensor, rate: float, weight_decay: float) -> None:
        momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        momentum.lerp_(parameter.grad, 1 - MOMENTUM)
        update = orthogonal(parameter.grad.lerp(momentum, MOMENTUM).flatten(1))
        tall = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
        parameter.mul_(1 - rate * weight_decay).add_(update.view_as(parameter), alpha=-rate * tall)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly U V^T of the singular value decomposition U S V^T; (M, N) -> (M, N), computed in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16()
    x = (x.T if tall else x) / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()
