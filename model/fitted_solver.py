"""A linear solver whose times and weights were fitted to one model (`synthesis.solver_search`), instead of derived.

Every linear multistep solver (Euler, DDIM, DPM-Solver++, UniPC) makes each latent as a weighted sum of the start and of
the predictions so far, y_i = a_i y_start + sum_j b_ij (x0_j - mu), with weights from Taylor's theorem. Here they come
from regression on the model's own many-step solutions, and so do the times. Compare bespoke non-stationary solvers
(Shaul et al., arXiv 2403.01329), which are fitted by gradient descent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from model.denoiser import Denoiser
from model.sampling import Callback, Sampler, Tune


@dataclass(frozen=True)
class FittedSolver:
    """times: of the N evaluations, decreasing, in (0, 1]. weights: N rows; row i makes the latent after evaluation i
    from y_start and the predictions 0 to i, so it has i + 2 numbers. The last row makes the result.

    Raises:
        ValueError: the two do not fit together; one line.
    """

    times: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        falling = all(after < before for before, after in zip((1.0 + 1e-9, *self.times), self.times, strict=False))
        if not self.times or not falling or self.times[-1] <= 0:
            raise ValueError(f"a solver's times must fall from at most 1 to above 0, not {self.times}")
        if [len(row) for row in self.weights] != list(range(2, len(self.times) + 2)):
            raise ValueError(f"{len(self.times)} times need rows of 2 to {len(self.times) + 1} weights")

    def sampler(self) -> Sampler:
        """As the samplers of `model.sampling`; it raises ValueError for another number of steps, and with `tune`."""
        return Sampler(
            partial(_sample, self),
            start_std=lambda schedule: schedule.sigma(self.times[0]),
            follows_changes=False,
        )


@torch.no_grad()
def _sample(
    solver: FittedSolver,
    denoiser: Denoiser,
    x: Tensor,
    mu: Tensor,
    mask: Tensor,
    steps: int,
    *,
    callback: Callback | None = None,
    tune: Tune | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    if steps != len(solver.times):
        raise ValueError(f"this solver was fitted for {len(solver.times)} steps, not {steps}")
    if tune is not None:
        raise ValueError("a fitted solver computes every latent from its start, so none can be changed on the way")
    x = x * mask
    basis = [(x - mu) * mask]  # y_start, then the predictions; each (B, 80, T)
    for i, (t, row) in enumerate(zip(solver.times, solver.weights, strict=True)):
        x0 = denoiser.x0(x, t) * mask
        if callback is not None:
            callback(i, t, x, x0)
        basis.append((x0 - mu) * mask)
        x = (mu + weighted_sum(row, basis)) * mask
    return x


def weighted_sum(weights: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    total = weights[0] * tensors[0]
    for weight, tensor in zip(weights[1:], tensors[1:], strict=True):
        total = total.add(tensor, alpha=weight)
    return total
