"""The solver whose times and weights are fitted, and its file."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from common.errors import InputError
from model.fitted_solver import FittedSolver
from model.sampling import SAMPLERS, find_sampler
from model.schedule import Schedule, quadratic_times
from synthesis.options import SOLVERS, check_solver
from synthesis.solver_file import read_solver, write_solver
from tests.denoisers import WavyDenoiser

SCHEDULE = Schedule()
MU = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
NOISE = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
MASK = (torch.arange(6) < torch.tensor([[6], [4]]))[:, None].double()


def ddim_as_weights(steps: int) -> FittedSolver:
    """DDIM written out: y_i = (sigma_i / sigma_{i-1}) y_{i-1} - alpha_i (e^{-h} - 1) d_{i-1}; the last one is d_N."""
    times = quadratic_times(SCHEDULE, steps)
    rows, latent = [], [1.0]  # of the latent that the next evaluation sees, in terms of the start and the predictions
    for before, after in pairwise(times):
        shrink = SCHEDULE.sigma(after) / SCHEDULE.sigma(before)
        ratio = SCHEDULE.alpha(before) * SCHEDULE.sigma(after) / SCHEDULE.sigma(before)  # alpha_i e^{-h}
        latent = [shrink * weight for weight in latent] + [SCHEDULE.alpha(after) - ratio]
        rows.append(tuple(latent))
    return FittedSolver(tuple(times), (*rows, (*[0.0] * steps, 1.0)))


def test_a_known_solver_written_as_weights_is_that_solver():
    steps = 5
    ours, denoiser = ddim_as_weights(steps).sampler(), WavyDenoiser(MU)
    x = SAMPLERS["ddim"].start(SCHEDULE, MU, MASK, noise=NOISE)
    wanted = SAMPLERS["ddim"](WavyDenoiser(MU), x, MU, MASK, steps)
    seen = []
    found = ours(denoiser, x, MU, MASK, steps, callback=lambda i, t, x, x0: seen.append((i, t)))
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)
    assert [t for t, _ in denoiser.calls] == [t for _, t in seen] == quadratic_times(SCHEDULE, steps)
    assert (found[1, :, 4:] == 0).all()


def test_the_start_has_the_noise_of_the_first_time():
    solver = FittedSolver((0.5, 0.1), ((1.0, 0.0), (0.0, 0.0, 1.0)))
    x = solver.sampler().start(SCHEDULE, MU, torch.ones_like(MASK), 2.0, noise=NOISE)
    torch.testing.assert_close(x, MU + SCHEDULE.sigma(0.5) * NOISE / 2)


def test_it_cannot_change_its_number_of_steps_or_its_path():
    sampler = ddim_as_weights(3).sampler()
    with pytest.raises(ValueError, match="fitted for 3 steps, not 4"):
        sampler(WavyDenoiser(MU), MU, MU, MASK, 4)
    with pytest.raises(ValueError, match="none can be changed"):
        sampler(WavyDenoiser(MU), MU, MU, MASK, 3, tune=lambda i, t, x: None)


@pytest.mark.parametrize(
    ("times", "weights"),
    [
        ((), ()),
        ((0.5, 0.5), ((1.0, 0.0), (1.0, 0.0, 0.0))),
        ((1.5,), ((1.0, 0.0),)),
        ((0.5, 0.0), ((1.0, 0.0), (1.0, 0.0, 0.0))),
        ((0.5,), ((1.0,),)),
        ((0.5, 0.2), ((1.0, 0.0),)),
        ((float("nan"),), ((1.0, 0.0),)),
    ],
)
def test_nonsense_is_no_solver(times, weights):
    with pytest.raises(ValueError):
        FittedSolver(times, weights)


def test_a_solver_survives_its_file(tmp_path):
    solver = ddim_as_weights(4)
    write_solver(tmp_path / "a.json", solver, {"checkpoint": "x.pt"})
    assert read_solver(tmp_path / "a.json") == solver


@pytest.mark.parametrize(
    "content", ["", "[1]", "{}", '{"times": 3, "weights": []}', '{"times": ["a"], "weights": []}', '{"times": [2]}']
)
def test_other_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"a\.json is not (a fitted solver|JSON)") as error:
        read_solver(path)
    assert "\n" not in str(error.value)


def test_a_missing_solver_file(tmp_path):
    with pytest.raises(InputError, match=r"no\.json: No such file"):
        read_solver(tmp_path / "no.json")
    with pytest.raises(InputError, match=r"no\.json: no such solver file"):
        check_solver(str(tmp_path / "no.json"))
    (tmp_path / "there.json").write_text(json.dumps({}))
    check_solver(str(tmp_path / "there.json"))
    check_solver(tmp_path / "there.json")


def test_the_names_of_the_solvers():
    assert tuple(SAMPLERS) == SOLVERS
    sampler = SAMPLERS["ddim"]
    assert find_sampler("ddim") is find_sampler(sampler) is sampler
    with pytest.raises(ValueError, match="no sampler 'rk45'"):
        find_sampler("rk45")
