"""Fit a solver to a model: weights by regression on the model's many-step solutions, times by direct search.

A linear solver's latents are weighted sums of its start and of its predictions so far. If the times are given, the
weights that come nearest to a reference path, in the mean of squares over the cells of a few texts, are a least-squares
problem for each latent, solved in the order of the evaluations. What remains to be searched are the times.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.errors import InputError
from data.filelist import TextLine
from model.denoiser import Denoiser
from model.fitted_solver import FittedSolver, weighted_sum
from model.randomness import frame_normal
from model.sampling import SAMPLERS, Sampler
from synthesis.synthesiser import Request, Synthesiser, piece_generator
from text.front_end import EncodedText

_RIDGE = 1e-6  # of the mean square of each term, so that terms that say the same do not fight


@dataclass(frozen=True)
class ReferencePath:
    """A text's many-step solution.

    denoiser: with its condition. mu (1, 80, T), mask (1, 1, T). times: decreasing; latents (len(times), 80, T) and
    the result (1, 80, T) of the reference, as y = x - mu.
    """

    denoiser: Denoiser
    mu: Tensor
    mask: Tensor
    times: tuple[float, ...]
    latents: Tensor
    result: Tensor


def reference_path(
    denoiser: Denoiser, sampler: str, noise: Tensor, mu: Tensor, mask: Tensor, temperature: float, steps: int, kept: int
) -> ReferencePath:
    """Solve with `steps` evaluations of a deterministic sampler, and keep about `kept` latents, spread over its steps.

    noise: (1, 80, T) of unit variance.
    """
    chosen = SAMPLERS[sampler]
    # Of even steps in time more are kept towards the end, where a solver's last times lie.
    power = 2 if sampler == "euler" else 1
    indices = {round((1 - (i / (kept - 1)) ** power) * (steps - 1)) for i in range(kept)}
    times: list[float] = []
    latents: list[Tensor] = []

    def keep(i: int, t: float, x: Tensor, x0: Tensor) -> None:
        if i in indices:
            # Euler's method reads the network in the middle of an interval at whose start the latent is.
            start = 1 - i / steps
            times.append({"euler": start, "euler-quad": start**2}.get(sampler, t))
            latents.append((x - mu)[0])

    x = chosen.start(denoiser.schedule, mu, mask, temperature, noise=noise)
    result = chosen(denoiser, x, mu, mask, steps, callback=keep)
    return ReferencePath(denoiser, mu, mask, tuple(times), torch.stack(latents), result - mu)


@torch.no_grad()
def fit_weights(paths: Sequence[ReferencePath], places: Sequence[int]) -> tuple[FittedSolver, float]:
    """The solver that evaluates at these places of the paths' times, and its error on them (`mean_error`).

    places: rising positions in `ReferencePath.times`, the first one 0.
    """
    times = [paths[0].times[place] for place in places]
    bases = [[path.latents[0]] for path in paths]
    rows: list[tuple[float, ...]] = []
    latents = [path.latents[0] for path in paths]
    for i, t in enumerate(times):
        for path, basis, y in zip(paths, bases, latents, strict=True):
            x0 = path.denoiser.x0(path.mu + y[None], t) * path.mask
            basis.append(((x0 - path.mu) * path.mask)[0])
        last = i + 1 == len(times)
        targets = [path.result[0] if last else path.latents[places[i + 1]] for path in paths]
        row = _least_squares(bases, targets)
        rows.append(row)
        latents = [weighted_sum(row, basis) for basis in bases]
    solver = FittedSolver(tuple(times), tuple(rows))
    return solver, _error(paths, latents)


def search_times(
    paths: Sequence[ReferencePath],
    steps: int,
    trials: int,
    seed: int = 0,
    report: Callable[[int, float], None] = lambda trial, error: None,
) -> tuple[FittedSolver, float]:
    """Search `trials` sets of times for the smallest error: first even steps in sqrt(t), warped in several ways, then
    neighbours of the best.

    report: called with the trial and its error whenever it is the best so far.

    Raises:
        ValueError: the paths have too few times for so many steps.
    """
    generator = random.Random(seed)
    best_places: list[int] = []
    best: tuple[FittedSolver, float] | None = None
    family = _families(paths[0].times, steps)
    tried = set()
    for trial in range(trials):
        places = family.pop(0) if family else _neighbour(best_places, len(paths[0].times), generator)
        if not places or tuple(places) in tried:
            continue
        tried.add(tuple(places))
        found = fit_weights(paths, places)
        if best is None or found[1] < best[1]:
            best, best_places = found, places
            report(trial, found[1])
    if best is None:
        raise ValueError(f"{steps} steps do not fit into a reference path of {len(paths[0].times)} times")
    return best


@torch.no_grad()
def mean_error(sampler: Sampler, paths: Sequence[ReferencePath], steps: int) -> float:
    """Mean absolute distance of a sampler's results from the reference's, over all valid cells.

    It starts from the same noise; a sampler that starts elsewhere in time scales it.
    """
    results = []
    for path in paths:
        schedule = path.denoiser.schedule
        noise = path.latents[:1] / schedule.sigma(path.times[0])
        x = path.mu + sampler.start_std(schedule) * noise
        results.append((sampler(path.denoiser, x, path.mu, path.mask, steps) - path.mu)[0])
    return _error(paths, results)


def _error(paths: Sequence[ReferencePath], results: Sequence[Tensor]) -> float:
    total = 0.0
    for path, result in zip(paths, results, strict=True):
        total += float(((result - path.result[0]).abs() * path.mask[0]).sum())
    return total / sum(float(path.mask.sum()) * path.mu.shape[1] for path in paths)


def _least_squares(bases: Sequence[Sequence[Tensor]], targets: Sequence[Tensor]) -> tuple[float, ...]:
    """Weights of the terms that come nearest to the targets; all are zero outside the masks."""
    count = len(bases[0])
    products = torch.zeros(count, count, dtype=torch.float64, device=targets[0].device)
    aims = torch.zeros(count, dtype=torch.float64, device=targets[0].device)
    for basis, target in zip(bases, targets, strict=True):
        terms = torch.stack([term.double().flatten() for term in basis])  # (terms, cells)
        products += terms @ terms.T
        aims += terms @ target.double().flatten()
    scale = products.diagonal().clamp(min=1e-12).sqrt()
    normed = products / (scale[:, None] * scale) + _RIDGE * torch.eye(
        count, dtype=torch.float64, device=products.device
    )
    return tuple((torch.linalg.solve(normed, aims / scale) / scale).tolist())


def _families(times: Sequence[float], steps: int) -> list[list[int] | None]:
    """Sets of times that thin out towards the end in different degrees, as places; None where two fall together."""
    found = []
    for t_min in (0.002, 0.005, 0.01, 0.02):
        for power in (0.5, 0.7, 1.0, 1.4):
            wanted = [
                times[0] * (1 + (i / max(steps - 1, 1)) ** power * (math.sqrt(t_min / times[0]) - 1)) ** 2
                for i in range(steps)
            ]
            places = [min(range(len(times)), key=lambda place, t=t: abs(times[place] - t)) for t in wanted]
            found.append(places if len(set(places)) == steps else None)
    return found


def _neighbour(places: Sequence[int], count: int, generator: random.Random) -> list[int] | None:
    """The places with one or two of them moved, never the first; None where they collide."""
    moved = list(places)
    for _ in range(generator.choice((1, 1, 2))):
        if len(moved) > 1:
            i = generator.randrange(1, len(moved))
            low, high = moved[i - 1] + 1, (moved[i + 1] if i + 1 < len(moved) else count) - 1
            reach = max(1, round(0.5 * min(moved[i] - low + 1, high - moved[i] + 1)))
            moved[i] += generator.choice((-1, 1)) * generator.randint(1, reach)
            if not low <= moved[i] <= high:
                return None
    return moved


KEPT = 200  # latents of a path at most


@torch.no_grad()
def text_denoiser(
    synthesiser: Synthesiser, request: Request, encoded: EncodedText
) -> tuple[Denoiser, torch.Tensor, torch.Tensor]:
    """The denoiser of a text in the request's style, with its mu (1, 80, T) and mask (1, 1, T)."""
    model, style = synthesiser.model, synthesiser.style_of(request)
    frames = model.spread(model.encode(*synthesiser.tensors(encoded), style))
    return model.denoiser(frames, style), frames.mu, frames.mask


@torch.no_grad()
def reference_paths(
    synthesiser: Synthesiser,
    texts: Iterable[str | TextLine],
    *,
    steps: int,
    seed: int,
    temperature: float | None = None,
) -> list[ReferencePath]:
    """One path for each piece of the texts, solved by the model's own sampler from noise that seed and place decide.

    The speakers take turns, where they have names. temperature: None for the checkpoint's.
    """
    if temperature is None:
        temperature = synthesiser.params.inference.temperature
    sampler = synthesiser.model.usual_sampler
    if sampler == "ml-sde":
        raise InputError("the checkpoint's own sampler, ml-sde, draws noise on its way, so there is no path to fit to")
    names = [None] if synthesiser.params.style.speaker_embedding_dim else synthesiser.speakers
    paths = []
    for number, text in enumerate(texts):
        (request,) = synthesiser.requests([text], names[number % len(names)], None, None)
        for place, encoded in enumerate(request.encoded):
            denoiser, mu, mask = text_denoiser(synthesiser, request, encoded)
            noise = frame_normal(mu, piece_generator(seed, number, place)).to(mu.device)
            kept = min(KEPT, steps)
            paths.append(reference_path(denoiser, sampler, noise, mu, mask, temperature, steps, kept))
    return paths
