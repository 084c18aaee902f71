"""Solvers that are fitted to a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from model.sampling import SAMPLERS
from model.schedule import Schedule
from synthesis.fit_solver import main
from synthesis.solver_file import read_solver
from synthesis.solver_search import ReferencePath, fit_weights, mean_error, reference_path, search_times
from tests.denoisers import GaussianDenoiser, WavyDenoiser
from tests.official_weights import random_state
from tests.tiny_synthesiser import write_tiny_checkpoint

SCHEDULE = Schedule()
MASK = torch.ones(1, 1, 12, dtype=torch.float64)


def normal(seed: int) -> torch.Tensor:
    return torch.randn(1, 6, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wavy_paths(seeds: range, sampler: str = "edm-2m", steps: int = 120) -> list[ReferencePath]:
    paths = []
    for seed in seeds:
        mu = normal(100 + seed)
        paths.append(reference_path(WavyDenoiser(mu), sampler, normal(seed), mu, MASK, 1.0, steps, 60))
    return paths


@pytest.fixture(scope="module")
def paths() -> list[ReferencePath]:
    return wavy_paths(range(6))


@pytest.mark.parametrize("sampler", ["edm-2m", "euler", "euler-quad"])
def test_a_reference_keeps_the_path_it_took(sampler):
    mu, mean = normal(1), normal(2)
    denoiser = GaussianDenoiser(mean, 0.2, mu)
    path = reference_path(denoiser, sampler, normal(3), mu, MASK, 1.5, 1000, 50)
    start = path.latents[0] + mu[0]
    for t, y in zip(path.times, path.latents, strict=True):
        exact = denoiser.flow(start, path.times[0], t)
        torch.testing.assert_close(y + mu[0], exact.squeeze(0), atol=5e-3, rtol=0)
    assert list(path.times) == sorted(path.times, reverse=True) and 40 <= len(path.times) <= 50
    x = SAMPLERS[sampler].start(SCHEDULE, mu, MASK, 1.5, noise=normal(3))
    torch.testing.assert_close(path.latents[0], (x - mu)[0])
    torch.testing.assert_close(path.result, SAMPLERS[sampler](denoiser, x, mu, MASK, 1000) - mu)


def test_fitted_weights_beat_taylors_at_the_same_times(paths):
    """dpm++2m's own solution lies among those that the fit can choose, for the last latent at least."""
    places = [0, 12, 24, 36, 46, 55]
    solver, error = fit_weights(paths, places)
    assert solver.times == tuple(paths[0].times[place] for place in places)
    assert error < 0.5 * mean_error(SAMPLERS["edm-2m"], paths, len(places))
    # What was fitted is what the sampler does.
    assert mean_error(solver.sampler(), paths, len(places)) == pytest.approx(error, rel=1e-6)


def test_a_linear_problem_is_solved_exactly():
    """With Gaussian data every latent is the start and mu in fixed shares, which one prediction already tells apart."""
    found = []
    for seed in range(3):
        mu = normal(10 + seed)
        denoiser = GaussianDenoiser(mu + 0.7 * normal(20 + seed), 0.2, mu)
        found.append(reference_path(denoiser, "edm-2m", normal(seed), mu, MASK, 1.0, 400, 60))
    _, error = fit_weights(found, [0, 30, 50])
    assert error < 1e-3


def test_search_finds_better_times_that_hold_for_other_texts(paths):
    seen = []
    solver, error = search_times(paths, 5, 60, report=lambda trial, value: seen.append(value))
    assert seen == sorted(seen, reverse=True) and seen[-1] == error and len(seen) > 2
    assert len(solver.times) == 5 and solver.times[0] == paths[0].times[0]
    others = wavy_paths(range(50, 54))
    assert mean_error(solver.sampler(), others, 5) < 0.5 * mean_error(SAMPLERS["edm-2m"], others, 5)


def test_too_many_steps_for_a_path():
    with pytest.raises(ValueError, match="do not fit"):
        search_times(wavy_paths(range(1), steps=10), 20, 30)


@pytest.mark.parametrize("official", [False, True])
def test_the_command_tunes_a_checkpoint(tmp_path: Path, official: bool, capsys):
    checkpoint = tmp_path / "a.pt"
    if official:
        torch.save(random_state(1, 3), checkpoint)
    else:
        write_tiny_checkpoint(checkpoint)
    (tmp_path / "texts.txt").write_text("Oh.\n")
    given = ["-c", checkpoint, "-f", tmp_path / "texts.txt", "--held-out", tmp_path / "texts.txt"]
    given += ["-t", 2, 1, "-o", tmp_path / "solver_{steps}.json", "--reference-steps", 8, "--trials", 17]
    assert main([str(argument) for argument in given]) == 0
    assert [len(read_solver(tmp_path / f"solver_{steps}.json").times) for steps in (1, 2)] == [1, 2]
    about = json.loads((tmp_path / "solver_2.json").read_text())["about"]
    assert {"checkpoint", "error", "held_out_error"} <= about.keys()
    assert "not seen: error" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"-o": "solver.txt"}, "ends in .json"),
        ({"-t": 0}, "is not a whole number from 1"),
        ({"-t": 30}, "too few for a solver of 30"),
        ({"-t": 18, "--reference-steps": 100, "--trials": 1}, "do not fit into a reference path"),
        ({"-t": "2 3"}, "several solvers need {steps}"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(tmp_path, capsys, changes, message):
    checkpoint = write_tiny_checkpoint(tmp_path / "a.pt")
    (tmp_path / "texts.txt").write_text("Oh.\n")
    given = {"-c": checkpoint, "-f": tmp_path / "texts.txt", "-t": 2, "-o": tmp_path / "solver.json"} | changes
    try:
        assert main([part for name, value in given.items() for part in (name, *str(value).split())]) == 2
    except SystemExit as end:
        assert end.code == 2
    assert message in capsys.readouterr().err
