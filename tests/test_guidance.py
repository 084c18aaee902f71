from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from model.denoiser import BatchGuidedDenoiser, GuidedDenoiser, x0_from_score
from model.sampling import SAMPLERS
from model.style import StyleSource
from tests.denoisers import GaussianDenoiser, WavyDenoiser
from tests.tiny_model import N_MELS, in_dtype, random_style, seeded, tiny_model, without

MU = torch.randn(2, 80, 12, generator=seeded(0), dtype=torch.float64)
X = torch.randn(2, 80, 12, generator=seeded(1), dtype=torch.float64)
MASK = torch.ones(2, 1, 12, dtype=torch.float64)


def pair(scale: float) -> tuple[GaussianDenoiser, WavyDenoiser, GuidedDenoiser]:
    conditional, free = GaussianDenoiser(MU + 1, 0.2, MU), WavyDenoiser(MU)
    return conditional, free, GuidedDenoiser(conditional, free, scale)


def test_scale_is_written_out() -> None:
    for t in (0.9, 0.3):
        for scale in (0.5, 1.0, 3.0):
            conditional, free, guided = pair(scale)
            for name in ("score", "x0"):
                a, b = getattr(conditional, name)(X, t), getattr(free, name)(X, t)
                torch.testing.assert_close(getattr(guided, name)(X, t), (1 - scale) * b + scale * a)
            mixed = (1 - scale) * free.expected() + scale * conditional.expected()
            torch.testing.assert_close(guided.expected(), mixed)


def test_at_scale_1_the_condition_is_left_alone_and_at_0_there_is_none() -> None:
    for t in (0.8, 0.2):
        conditional, free, guided = pair(1.0)
        torch.testing.assert_close(guided.x0(X, t), conditional.x0(X, t))
        torch.testing.assert_close(pair(0.0)[2].x0(X, t), free.x0(X, t))


@pytest.mark.parametrize("t", [0.95, 0.4, 0.05])
def test_score_and_data_prediction_are_one_prediction(t: float) -> None:
    guided = pair(2.5)[2]
    from_score = x0_from_score(guided.schedule, guided.score(X, t), X, MU, t)
    torch.testing.assert_close(guided.x0(X, t), from_score, rtol=1e-6, atol=1e-6)


def test_equal_denoisers_are_not_changed_by_any_scale() -> None:
    one = GaussianDenoiser(MU + 1, 0.2, MU)
    torch.testing.assert_close(GuidedDenoiser(one, one, 7.0).x0(X, 0.5), one.x0(X, 0.5))


@pytest.mark.parametrize("sampler", ["edm-2m", "euler"])
def test_a_step_asks_each_of_the_two_once(sampler: str) -> None:
    conditional, free, guided = pair(1.5)
    SAMPLERS[sampler](guided, X, MU, MASK, 4)
    assert len(conditional.calls) == 4
    assert len(free.calls) == 4
    assert [t for t, _ in conditional.calls] == [t for t, _ in free.calls]
    for (_, seen), (_, too) in zip(conditional.calls, free.calls, strict=True):
        assert torch.equal(seen, too)


def test_both_predictions_out_of_one_batch():
    conditional, free, guided = pair(2.5)
    both = SimpleNamespace(
        schedule=conditional.schedule,
        score=lambda x, t: torch.cat([conditional.score(x[: len(X)], t), free.score(x[len(X) :], t)]),
        x0=lambda x, t: torch.cat([conditional.x0(x[: len(X)], t), free.x0(x[len(X) :], t)]),
        expected=lambda: torch.cat([conditional.expected(), free.expected()]),
    )
    batched = BatchGuidedDenoiser(both, 2.5)
    assert batched.schedule is conditional.schedule
    torch.testing.assert_close(batched.score(X, 0.4), guided.score(X, 0.4))
    torch.testing.assert_close(batched.x0(X, 0.4), guided.x0(X, 0.4))
    torch.testing.assert_close(batched.expected(), guided.expected())


@pytest.mark.parametrize("kind", ["typed", "bundled"])
def test_a_style_beside_nothing_is_the_style_and_no_style(kind):
    model = tiny_model(torch.float64, kind)
    style = in_dtype(random_style([20, 12], [24, 30]), torch.float64)
    style = replace(style, known={"pitch": torch.tensor([True, False])})
    for source in (style, without(style, "pitch", "timbre"), StyleSource(speaker=torch.tensor([1, 2]))):
        mu = torch.randn(2, N_MELS, 24, generator=seeded(1), dtype=torch.float64)
        mask = (torch.arange(24) < torch.tensor([[24], [17]]))[:, None].double()
        position = (torch.arange(24) + 0.5)[None] / torch.tensor([[24], [17]])
        content = torch.randn(2, 1, N_MELS, 24, generator=seeded(2), dtype=torch.float64)
        inputs = mu, mask, position.double(), content

        def predict(source: StyleSource, mu: Tensor, mask: Tensor, position: Tensor, content: Tensor) -> Tensor:
            encoded = model.style(source, len(mu))
            condition = model.decoder.estimator.prepare(mu, mask, encoded, position, content)
            return model.decoder.x0(mu + 0.3, 0.2, model.decoder.estimator.completed(condition))

        both = predict(source.beside_nothing(2), *(torch.cat([x, x]) for x in inputs))
        apart = torch.cat([predict(source, *inputs), predict(StyleSource(), *inputs)])
        torch.testing.assert_close(both, apart, atol=1e-10, rtol=0)
