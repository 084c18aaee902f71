"""Both parametrisations: their losses, and the score and data prediction that follow from the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from model.denoiser import score_from_x0, x0_from_score
from model.diffusion import TIME_OFFSET, Diffusion, NoiseDiffusion, ResidualDiffusion, masked_mean
from model.schedule import Schedule

SCHEDULE = Schedule()
STD = 0.45


@dataclass(frozen=True)
class Condition:
    mu: Tensor
    mask: Tensor


class Network(nn.Module):
    """Calls a function, and remembers with what."""

    def __init__(self, function=lambda x, t: torch.sin(x + t[:, None, None])) -> None:
        super().__init__()
        self.function = function
        self.calls: list[tuple[Tensor, Tensor, Condition, object]] = []
        self.completions: list[tuple[Condition, object]] = []

    def forward(self, x: Tensor, t: Tensor, condition: Condition, attention: object = None) -> Tensor:
        self.calls.append((x, t, condition, attention))
        return self.function(x, t)

    def completed(self, condition: Condition, attention: object = None) -> Condition:
        self.completions.append((condition, attention))
        return replace(condition, mask=condition.mask.clone())


def noise_diffusion(network: nn.Module) -> NoiseDiffusion:
    return NoiseDiffusion(network, SCHEDULE)


def residual_diffusion(network: nn.Module) -> ResidualDiffusion:
    return ResidualDiffusion(network, SCHEDULE, STD, -0.2, 1.2)


KINDS = [noise_diffusion, residual_diffusion]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["noise", "residual"])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


@pytest.fixture
def condition() -> Condition:
    mask = (torch.arange(12) < torch.tensor([[12], [7], [9]]))[:, None].double()
    return Condition(normal(3, 80, 12, seed=1) * mask, mask)


@pytest.fixture
def x() -> Tensor:
    return normal(3, 80, 12, seed=2)


@kinds
@pytest.mark.parametrize("t", [1.0, 0.5, 0.01])
def test_score_and_x0_are_one_prediction(kind, t: float, x: Tensor, condition: Condition) -> None:
    diffusion = kind(Network())
    score, x0 = diffusion.score(x, t, condition), diffusion.x0(x, t, condition)
    torch.testing.assert_close(x0_from_score(SCHEDULE, score, x, condition.mu, t) * condition.mask, x0)
    torch.testing.assert_close(score_from_x0(SCHEDULE, x0, x, condition.mu, t) * condition.mask, score)


@kinds
def test_times_may_differ_by_item(kind, x: Tensor, condition: Condition) -> None:
    diffusion = kind(Network())
    times = [0.9, 0.3, 0.02]
    together = diffusion.x0(x, torch.tensor(times, dtype=x.dtype), condition)
    scores = diffusion.score(x, torch.tensor(times, dtype=x.dtype), condition)
    for i, t in enumerate(times):
        torch.testing.assert_close(diffusion.x0(x, t, condition)[i], together[i])
        torch.testing.assert_close(diffusion.score(x, t, condition)[i], scores[i])


@kinds
def test_outside_the_mask_all_is_zero_and_changes_nothing(kind, x: Tensor, condition: Condition) -> None:
    network = Network()
    diffusion, outside = kind(network), (condition.mask == 0).expand_as(x)
    results = [diffusion.score(x, 0.4, condition), diffusion.x0(x, 0.4, condition)]
    for tensor in [*results, *(call[0] for call in network.calls)]:
        assert (tensor[outside] == 0).all()
    noisier = torch.where(outside, x + 50, x)
    assert torch.equal(diffusion.score(noisier, 0.4, condition), results[0])
    assert torch.equal(diffusion.x0(noisier, 0.4, condition), results[1])


@kinds
def test_denoiser_fixes_condition_and_attention(kind, x: Tensor, condition: Condition) -> None:
    network, attention = Network(), object()
    diffusion = kind(network)
    denoiser = diffusion.denoiser(condition, attention)
    assert denoiser.schedule is SCHEDULE
    assert torch.equal(denoiser.score(x, 0.4), diffusion.score(x, 0.4, condition))
    assert torch.equal(denoiser.x0(x, 0.4), diffusion.x0(x, 0.4, condition))
    assert [call[3] for call in network.calls] == [attention, None, attention, None]
    assert network.completions == [(condition, attention)]  # once
    assert network.calls[0][2] is network.calls[2][2] is not condition


def test_what_the_networks_are_called_with(x: Tensor, condition: Condition) -> None:
    network = Network()
    noise_diffusion(network).score(x, 0.4, condition)
    residual_diffusion(network).score(x, 0.4, condition)
    (seen, t, *_), (scaled, log_s, *_) = network.calls
    assert torch.equal(seen, x * condition.mask)
    assert t.tolist() == [0.4] * 3
    s = SCHEDULE.sigma(0.4) / SCHEDULE.alpha(0.4)
    expected = (x - condition.mu) / SCHEDULE.alpha(0.4) / math.sqrt(STD**2 + s**2) * condition.mask
    torch.testing.assert_close(scaled, expected)
    assert log_s.tolist() == pytest.approx([math.log(s)] * 3)


@pytest.mark.parametrize("t", [1.0, 0.3, 0.01])
def test_residual_network_of_zero_is_exact_for_gaussian_residuals(t: float, x: Tensor, condition: Condition) -> None:
    diffusion = residual_diffusion(Network(lambda x, t: torch.zeros_like(x)))
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    exact = -(x - condition.mu) / (alpha**2 * STD**2 + sigma**2) * condition.mask
    torch.testing.assert_close(diffusion.score(x, t, condition), exact)


# Losses


def test_the_true_noise_has_no_loss(x: Tensor, condition: Condition) -> None:
    def true_score(noisy: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = SCHEDULE.alpha(t)[:, None, None], SCHEDULE.sigma(t)[:, None, None]
        return (alpha * x + (1 - alpha) * condition.mu - noisy) / sigma**2

    assert noise_diffusion(Network(true_score)).loss(x, condition, seeded()) < 1e-20
    halved = noise_diffusion(Network(lambda noisy, t: 0.5 * true_score(noisy, t))).loss(x, condition, seeded())
    assert 0.2 < halved < 0.3  # half of a noise of unit variance


def test_the_true_residual_has_no_loss(x: Tensor, condition: Condition) -> None:
    residual = (x - condition.mu) * condition.mask

    def true_output(scaled: Tensor, log_s: Tensor) -> Tensor:
        s = log_s.exp()[:, None, None]
        root = (STD**2 + s**2).sqrt()
        return (residual - STD**2 / root**2 * (scaled * root)) / (s * STD / root)

    assert residual_diffusion(Network(true_output)).loss(x, condition, seeded()) < 1e-20


def test_residual_targets_have_unit_variance() -> None:
    """For residuals of the assumed standard deviation: the point of the preconditioning."""
    mu = normal(400, 8, 16, seed=1)
    condition = Condition(mu, torch.ones(400, 1, 16, dtype=mu.dtype))
    x0 = mu + STD * normal(400, 8, 16, seed=2)
    diffusion = residual_diffusion(Network(lambda x, t: torch.zeros_like(x)))
    assert diffusion.loss(x0, condition, seeded()).item() == pytest.approx(1, abs=0.03)


def test_trained_noise_levels_and_times() -> None:
    mu = torch.zeros(20000, 1, 1, dtype=torch.float64)
    condition = Condition(mu, torch.ones_like(mu))
    network = Network(lambda x, t: torch.zeros_like(x))
    residual_diffusion(network).loss(mu, condition, seeded())
    noise_diffusion(network).loss(mu, condition, seeded())
    (scaled, log_s, *_), (_, t, *_) = network.calls
    assert log_s.mean().item() == pytest.approx(math.log(STD) - 0.2, abs=0.03)
    assert log_s.std().item() == pytest.approx(1.2, abs=0.03)
    # The data are 0 here, so what the network sees is the scaled noise alone.
    assert (scaled.flatten() / (log_s.exp() / (STD**2 + log_s.exp() ** 2).sqrt())).std().item() == pytest.approx(
        1, abs=0.03
    )
    assert t.mean().item() == pytest.approx(0.5, abs=0.01)
    assert t.min() >= TIME_OFFSET
    assert t.max() <= 1 - TIME_OFFSET


@kinds
def test_loss_is_a_mean_over_valid_cells(kind, x: Tensor, condition: Condition) -> None:
    """Cells outside the mask count for nothing, whatever is in them."""
    network = Network(lambda x, t: torch.ones_like(x))
    diffusion = kind(network)
    loss = diffusion.loss(x, condition, seeded())
    assert torch.equal(network.calls[0][0] != 0, (condition.mask == 1).expand_as(x))
    beyond = torch.where(condition.mask == 0, x + 30, x)
    torch.testing.assert_close(diffusion.loss(beyond, condition, seeded()), loss)
    wild_mu = Condition(torch.where(condition.mask == 0, 30.0, condition.mu), condition.mask)
    torch.testing.assert_close(diffusion.loss(x, wild_mu, seeded()), loss)


def test_masked_mean(x: Tensor, condition: Condition) -> None:
    valid = condition.mask.expand_as(x) == 1
    torch.testing.assert_close(masked_mean(x, condition.mask), x[valid].mean())


@kinds
def test_loss_draws_from_the_generator(kind, x: Tensor, condition: Condition) -> None:
    diffusion: Diffusion = kind(Network())
    first, again, other = (diffusion.loss(x, condition, seeded(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    torch.manual_seed(1)
    assert diffusion.loss(x, condition) == first


@kinds
def test_networks_of_lower_precision_do_not_lower_that_of_the_rest(kind, x: Tensor, condition: Condition) -> None:
    diffusion = kind(Network(lambda x, t: x.bfloat16()))
    assert diffusion.x0(x, 0.5, condition).dtype == x.dtype
    assert diffusion.score(x, 0.5, condition).dtype == x.dtype
    assert diffusion.loss(x, condition, seeded()).dtype == x.dtype


@pytest.mark.parametrize(("residual_std", "noise_std"), [(0.0, 1.0), (0.5, 0.0)])
def test_impossible_noise_is_refused(residual_std: float, noise_std: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        ResidualDiffusion(Network(), SCHEDULE, residual_std, 0.0, noise_std)
