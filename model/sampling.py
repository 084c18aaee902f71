"""Samplers: from the noisy start to a mel, with N network calls for N steps.

Every sampler is a pure function

    sample(denoiser, x, mu, mask, steps, *, callback=None, tune=None, generator=None) -> x0

* denoiser: `model.denoiser.Denoiser`;
* x, mu (B, 80, T), mask (B, 1, T): the start latent (of `Sampler.start`), the mean, the valid frames;
* steps: the number of network evaluations (NFE), at least 1, else ValueError;
* callback(i, t, x, x0), after evaluation i: its time, the latent that the network saw and its data prediction;
* tune(i, t, x) -> Tensor or None, before evaluation i: a tensor replaces the latent, so the network sees the new one,
  and a multistep sampler forgets its history, which belongs to the old path;
* generator: of the noise that stochastic samplers add (torch's own when None); deterministic ones draw none.

Everything here works on y = x - mu, for which the process is the usual variance-preserving one. Scalars of the schedule
are Python floats. Frames outside the mask are exactly 0 at every step. Gradients are off; `tune` may enable them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from model.denoiser import Denoiser, x0_from_score
from model.randomness import frame_normal, standard_normal
from model.schedule import Schedule, noise_level_times, quadratic_intervals, quadratic_times, uniform_intervals

Callback = Callable[[int, float, Tensor, Tensor], None]
Tune = Callable[[int, float, Tensor], Tensor | None]


@dataclass(frozen=True)
class Sampler:
    """A sampling function and the start that belongs to it. follows_changes: whether it takes `tune`."""

    sample: Callable[..., Tensor]
    start_std: Callable[[Schedule], float] = lambda schedule: 1.0
    follows_changes: bool = True

    def __call__(self, denoiser: Denoiser, x: Tensor, mu: Tensor, mask: Tensor, steps: int, **options) -> Tensor:
        """The mel (B, 80, T); see the module's description."""
        return self.sample(denoiser, x, mu, mask, steps, **options)

    def start(
        self,
        schedule: Schedule,
        mu: Tensor,
        mask: Tensor,
        temperature: float = 1.0,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """The start latent of this sampler; arguments as for `start_latent`."""
        std = self.start_std(schedule)
        return start_latent(mu, mask, temperature, generator=generator, noise=noise, std=std)


def start_latent(
    mu: Tensor,
    mask: Tensor,
    temperature: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    noise: Tensor | None = None,
    std: float = 1.0,
) -> Tensor:
    """mu + std * noise / temperature, masked.

    Args:
        mu: (B, 80, T). mask: (B, 1, T).
        temperature: divides the noise, as in Grad-TTS: higher is smoother.
        generator: of the noise, unless `noise` (B, 80, T), of unit variance, is given.
        std: of the noise at the sampler's first time.

    Raises:
        ValueError: if the temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, not {temperature}")
    if noise is None:
        noise = frame_normal(mu, generator)
    return (mu + std * noise / temperature) * mask


@torch.no_grad()
def euler(
    denoiser: Denoiser,
    x: Tensor,
    mu: Tensor,
    mask: Tensor,
    steps: int,
    *,
    grid: Callable[[int], list[tuple[float, float]]],
    callback: Callback | None = None,
    tune: Tune | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Euler's method on the probability-flow ODE, the network read at the middle time of each interval.

    With the uniform grid this is the official sampler of Grad-TTS to the bit (arXiv 2105.06337, equations 9 and 16).

    Args:
        grid: from the number of steps to (middle time, length) of each interval.
    """
    _check(steps)
    x = x * mask
    for i, (t, h) in enumerate(grid(steps)):
        x, _ = _tuned(tune, i, t, x, mask)
        score = denoiser.score(x, t)
        if callback is not None:
            callback(i, t, x, x0_from_score(denoiser.schedule, score, x, mu, t) * mask)
        # The rate is taken from t in the latent's precision, as the official code does.
        beta = denoiser.schedule.beta(x.new_full((1, 1, 1), t))
        x = (x - 0.5 * (mu - x - score) * beta * h) * mask
    return x


@torch.no_grad()
def multistep(
    denoiser: Denoiser,
    x: Tensor,
    mu: Tensor,
    mask: Tensor,
    steps: int,
    *,
    grid: Callable[[Schedule, int], list[float]],
    order: int,
    begins_expected: bool = False,
    callback: Callback | None = None,
    tune: Tune | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Exponential integrator on data predictions: DDIM (order 1) or DPM-Solver++(2M) (order 2; arXiv 2211.01095).

    The last interval is of first order, and the last evaluation's data prediction is the result.

    Args:
        grid: from the schedule and the number of data predictions to their times, decreasing.
        order: 1 or 2.
        begins_expected: before the evaluations there is a data prediction without one, `Denoiser.expected`.
    """
    schedule = denoiser.schedule
    _check(steps)
    times = grid(schedule, steps + begins_expected)
    x = x * mask
    previous: tuple[Tensor, float] | None = None  # the data prediction before, and log-SNR's step from there to here
    for i, t in enumerate(times, -int(begins_expected)):
        if i < 0:
            x0 = denoiser.expected().to(x) * mask
        else:
            x, changed = _tuned(tune, i, t, x, mask)
            if changed:
                previous = None
            x0 = denoiser.x0(x, t) * mask
            if callback is not None:
                callback(i, t, x, x0)
        if i + 1 < steps:
            after = times[i + 1 + begins_expected]
            h = schedule.lam(after) - schedule.lam(t)
            direction = x0
            if previous is not None and order == 2 and i + 2 < steps:
                before, h_before = previous
                weight = h / (2 * h_before)  # extrapolates to the middle of the interval in log-SNR
                direction = (1 + weight) * x0 - weight * before
            shrink = schedule.sigma(after) / schedule.sigma(t)
            x = (mu + shrink * (x - mu) - schedule.alpha(after) * math.expm1(-h) * (direction - mu)) * mask
            previous = x0, h
    return x0


@torch.no_grad()
def ml_sde(
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
    """Maximum-likelihood SDE solver of DiffVC (arXiv 2109.13821, theorem 1): samples the DDPM posterior of y.

    Its variance is the smaller of the two DDPM choices, so a finite number of steps under-disperses a little.
    """
    schedule = denoiser.schedule
    _check(steps)
    x = x * mask
    for i in range(steps):
        t, after = 1 - i / steps, 1 - (i + 1) / steps
        x, _ = _tuned(tune, i, t, x, mask)
        x0 = denoiser.x0(x, t) * mask
        if callback is not None:
            callback(i, t, x, x0)
        if i + 1 < steps:
            kept, drawn, std = posterior(schedule, after, t)
            noise = standard_normal(x.shape, x, generator)
            x = (mu + kept * (x - mu) + drawn * (x0 - mu) + std * noise) * mask
    return x0


def posterior(schedule: Schedule, s: float, t: float) -> tuple[float, float, float]:
    """q(y_s | y_t, y_0) for s < t: the weight of y_t, the weight of y_0, and the standard deviation."""
    alpha_st = schedule.alpha(t) / schedule.alpha(s)
    variance_st = -math.expm1(schedule.B(s) - schedule.B(t))
    variance_s, variance_t = schedule.sigma(s) ** 2, schedule.sigma(t) ** 2
    kept = alpha_st * variance_s / variance_t
    drawn = schedule.alpha(s) * variance_st / variance_t
    return kept, drawn, math.sqrt(variance_s * variance_st / variance_t)


# 2M between two noise levels s = sigma / alpha, for `ResidualDiffusion`; equal steps are in s^(1 / rho). It starts at
# s_max instead of t = 1 (s = 150): far above the residual, more noise says nothing.
_S_MAX = 12.0
_levels = partial(noise_level_times, s_max=_S_MAX, s_min=0.02, rho=5.0)


def _levels_for_few(schedule: Schedule, predictions: int) -> list[float]:
    """Those of one more, but the last: at s_min the network changes nothing that is heard."""
    return _levels(schedule, predictions + 1)[:-1]


def _edm_2m(grid: Callable[[Schedule, int], list[float]], begins_expected: bool = False) -> Sampler:
    return Sampler(
        partial(multistep, grid=grid, order=2, begins_expected=begins_expected),
        # y = alpha s_max eps, and alpha s = sigma.
        start_std=lambda schedule: schedule.sigma(schedule.t_of_noise_level(_S_MAX)),
    )


SAMPLERS: dict[str, Sampler] = {
    "euler": Sampler(partial(euler, grid=uniform_intervals)),
    "euler-quad": Sampler(partial(euler, grid=quadratic_intervals)),
    "ddim": Sampler(partial(multistep, grid=quadratic_times, order=1)),
    "dpm++2m": Sampler(partial(multistep, grid=quadratic_times, order=2)),
    "ml-sde": Sampler(ml_sde),
    "edm-2m": _edm_2m(_levels),
    # At s_max the latent says next to nothing, so nobody has to look at it.
    "edm-2m-few": _edm_2m(_levels_for_few, begins_expected=True),
}


def find_sampler(sampler: str | Sampler) -> Sampler:
    """A sampler itself, or the one of that name. Raises ValueError if there is none."""
    if isinstance(sampler, Sampler):
        return sampler
    if sampler not in SAMPLERS:
        raise ValueError(f"there is no sampler {sampler!r}; there are {', '.join(SAMPLERS)}")
    return SAMPLERS[sampler]


def _check(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"a sampler needs at least 1 step, not {steps}")


def _tuned(tune: Tune | None, i: int, t: float, x: Tensor, mask: Tensor) -> tuple[Tensor, bool]:
    """The latent for evaluation i, and whether `tune` replaced it."""
    replaced = None if tune is None else tune(i, t, x)
    return (x, False) if replaced is None else (replaced * mask, True)
