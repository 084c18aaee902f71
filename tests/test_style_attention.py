from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.local_window import REACH, local_window
from model.style import CONTOUR_TYPES, TYPES, Style, StyleSource, TypedTokens
from model.style_attention import AttentionBlend, SiteCondition, StyleAttention, position_features
from tests.tiny_model import in_dtype, random_style, randomise, seeded, tiny_model, without

DOUBLE = torch.float64
ROWS, FRAMES, CHANNELS, WIDTH = 6, 8, 5, 12


def site_of(dtype: torch.dtype = DOUBLE, types: tuple[str, ...] = TYPES, bias: float | None = None) -> StyleAttention:
    site = StyleAttention(CHANNELS, WIDTH, 2, 3, types, 0.75)
    randomise(site, seeded(7))
    if bias is not None:
        torch.nn.init.constant_(site.project.bias, bias)
    return site.to(dtype)


def style_of(seed: int, dtype: torch.dtype = DOUBLE, frames: tuple[int, int] = (53, 22)) -> Style:
    source = in_dtype(random_style(list(frames), [40, 17], seed), dtype)
    with torch.no_grad():
        return tiny_model(dtype).style(source, 2)


def cells_of(seed: int, dtype: torch.dtype = DOUBLE) -> Tensor:
    return torch.randn(2, CHANNELS, ROWS, FRAMES, generator=seeded(seed), dtype=dtype)


def positions_of(frames: int = FRAMES, dtype: torch.dtype = DOUBLE) -> Tensor:
    """Item 0 fills the frames, item 1 three quarters of them."""
    index = torch.arange(frames, dtype=dtype) + 0.5
    return torch.stack([index / frames, index / (0.75 * frames)])


def random_field(dtype: torch.dtype = DOUBLE, rows: int = ROWS, frames: int = FRAMES) -> dict[str, Tensor]:
    generator = seeded(11)
    return {name: torch.rand(2, rows, frames, generator=generator).to(dtype) for name in TYPES}


# The window


def nearest_tokens(place: float, count: int) -> list[int]:
    """The 9 tokens nearest to the one at this place, or all if they are fewer."""
    centre = math.floor(place * count)
    return sorted(sorted(range(count), key=lambda token: abs(token - centre))[: 2 * REACH + 1])


def tokens_at(positions: Tensor, counts: list[int]) -> TypedTokens:
    batch, longest = positions.shape
    mask = torch.arange(longest) < torch.tensor(counts)[:, None]
    numbers = torch.arange(longest, dtype=DOUBLE)[None, :, None].expand(batch, -1, 1)
    return TypedTokens(numbers, positions, mask, torch.ones(batch, dtype=torch.bool), numbers)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 40), st.integers(0, 2**20))
def test_window_is_the_nearest_tokens(counts: list[int], frames: int, seed: int) -> None:
    generator = seeded(seed)
    positions = torch.rand(len(counts), max(counts), generator=generator, dtype=DOUBLE).sort(1).values
    place = torch.rand(len(counts), frames, generator=generator, dtype=DOUBLE)
    place[0, 0], place[-1, -1] = 0, 1
    window = local_window(tokens_at(positions, counts), place)
    for i, count in enumerate(counts):
        for t in range(frames):
            valid = window.valid[i, t]
            kept = window.index[i, t][valid].tolist()
            assert kept == nearest_tokens(float(place[i, t]), count)
            expected = (place[i, t] - positions[i, kept]) * count
            torch.testing.assert_close(window.distance[i, t][valid], expected)
    gathered = window.gather(tokens_at(positions, counts).tokens)
    assert torch.equal(gathered[..., 0].long(), window.index)


def test_window_at_both_ends_and_of_short_utterances() -> None:
    positions = (torch.arange(20, dtype=DOUBLE)[None] + 0.5) / 20
    place = torch.tensor([[0.0, 0.01, 0.24, 0.26, 0.5, 0.77, 0.99, 1.0, 1.3]], dtype=DOUBLE)
    window = local_window(tokens_at(positions, [20]), place)
    assert window.valid.all()
    assert window.index[0, :, 0].tolist() == [0, 0, 0, 1, 6, 11, 11, 11, 11]
    short = local_window(tokens_at(positions, [3]), place)
    assert short.valid.sum(-1).eq(3).all() and short.index[short.valid].max() == 2
    one = local_window(tokens_at(positions[:, :1], [1]), place)
    assert one.valid.sum(-1).eq(1).all() and not one.index.any()


def test_prior_is_a_parabola_in_tokens() -> None:
    positions = (torch.arange(20, dtype=DOUBLE)[None] + 0.5) / 20
    window = local_window(tokens_at(positions, [12]), torch.tensor([[0.25]], dtype=DOUBLE))
    bias = window.bias(torch.tensor(0.5, dtype=DOUBLE))[0, 0]
    expected = [-((0.25 - (n + 0.5) / 20) ** 2) * 12**2 / (2 * 0.5**2) for n in range(9)]
    torch.testing.assert_close(bias, torch.tensor(expected, dtype=DOUBLE))
    short = local_window(tokens_at(positions, [4]), torch.tensor([[0.25]])).bias(torch.tensor(0.5))
    assert (short[0, 0, 4:] < -9e3).all() and (short[0, 0, :4] > -9e3).all()


def test_position_features_are_sinusoids_from_half_a_turn() -> None:
    features = position_features(torch.tensor([0.3], dtype=DOUBLE))[0]
    turns = [0.5, 1, 2, 4, 8, 16, 32, 64]
    expected = [f(2 * math.pi * 0.3 * turn) for f in (math.sin, math.cos) for turn in turns]
    torch.testing.assert_close(features, torch.tensor(expected, dtype=DOUBLE))


# The plain attention


def logits_written_out(site: StyleAttention, x: Tensor, style: Style, place: Tensor, name: str) -> Tensor:
    """(B, heads, F, T, N) over all tokens, -inf where a token may not be seen."""
    tokens = style.bundled() if name == "bundled" else style.types[name]
    index, heads = site.types.index(name), site.heads
    rows = slice(index * site.inner, (index + 1) * site.inner)
    normed = F.layer_norm(x.movedim(1, -1), (x.shape[1],), site.norm.weight, site.norm.bias)  # (B, F, T, C)
    query = normed @ site.to_query.weight[rows].T + site.to_query.bias[rows]
    query = query + (position_features(place) @ site.position_query.weight[rows].T)[:, None]
    key = tokens.tokens @ site.to_key[name].weight.T + site.to_key[name].bias
    key = key + position_features(tokens.positions) @ site.position_key.weight.T
    query, key = query.unflatten(-1, (heads, -1)), key.unflatten(-1, (heads, -1))
    logits = torch.einsum("bfthd,bnhd->bhftn", query, key) / query.shape[-1] ** 0.5
    allowed = tokens.mask[:, None].expand(-1, place.shape[1], -1).clone()  # (B, T, N)
    if name in CONTOUR_TYPES:
        counts = tokens.mask.sum(1)
        for i, t in torch.cartesian_prod(torch.arange(len(place)), torch.arange(place.shape[1])).tolist():
            near = nearest_tokens(float(place[i, t]), int(counts[i]))
            allowed[i, t] &= torch.isin(torch.arange(allowed.shape[2]), torch.tensor(near))
        distance = (place[:, :, None] - tokens.positions[:, None]) * counts[:, None, None]  # (B, T, N), in tokens
        prior = -distance.square() / (2 * site.log_prior_width[name].exp().square())
        logits = logits + prior[:, None, None]
    return logits.masked_fill(~allowed[:, None, None], -math.inf)


def written_out(site: StyleAttention, x: Tensor, style: Style, place: Tensor) -> Tensor:
    outputs = []
    for name in site.types:
        tokens = style.bundled() if name == "bundled" else style.types[name]
        value = tokens.tokens @ site.to_value[name].weight.T + site.to_value[name].bias
        value = value.unflatten(-1, (site.heads, -1))
        weights = logits_written_out(site, x, style, place, name).softmax(-1)
        outputs.append(torch.einsum("bhftn,bnhd->bfthd", weights, value).flatten(-2))
    projected = torch.cat(outputs, -1) @ site.project.weight.T + site.project.bias
    return x + site.gate * projected.movedim(-1, 1)


@pytest.mark.parametrize("frames", [(53, 22), (30, 9), (3, 2)])
@pytest.mark.parametrize("types", [TYPES, ("bundled",)])
def test_attention_is_the_written_out_one(types: tuple[str, ...], frames: tuple[int, int]) -> None:
    site, style, x, place = site_of(types=types), style_of(0, frames=frames), cells_of(1), positions_of()
    with torch.no_grad():
        output = site(x, site.prepare(style, place))
        torch.testing.assert_close(output, written_out(site, x, style, place), atol=1e-10, rtol=0)
    assert (output - x).abs().mean() > 0.1


def test_attention_of_unknown_types_is_the_written_out_one() -> None:
    known = {name: torch.tensor([True, False]) for name in ("pitch", "timbre", "speaker")}
    source = without(replace(in_dtype(random_style([53, 22], [40, 17]), DOUBLE), known=known), "energy")
    site, x, place = site_of(), cells_of(1), positions_of()
    with torch.no_grad():
        style = tiny_model(DOUBLE).style(source, 2)
        output = site(x, site.prepare(style, place))
        torch.testing.assert_close(output, written_out(site, x, style, place), atol=1e-10, rtol=0)
        # What is unknown for one item only is there as unknown as what is unknown for all.
        fewer = tiny_model(DOUBLE).style(without(source, "pitch", "timbre", "speaker"), 2)
        torch.testing.assert_close(output[1], site(x, site.prepare(fewer, place))[1], atol=1e-12, rtol=0)
        assert (output[0] - site(x, site.prepare(fewer, place))[0]).abs().max() > 0.01


def extended(tokens: TypedTokens, extra: int) -> TypedTokens:
    """The tokens, followed by masked ones full of nonsense."""
    batch, generator = len(tokens.tokens), seeded(9)
    shape = (batch, extra)
    return TypedTokens(
        tokens=torch.cat([tokens.tokens, 50 * torch.randn(*shape, WIDTH, generator=generator, dtype=DOUBLE)], 1),
        positions=torch.cat([tokens.positions, 3 * torch.rand(shape, generator=generator, dtype=DOUBLE)], 1),
        mask=torch.cat([tokens.mask, torch.zeros(shape, dtype=torch.bool)], 1),
        known=tokens.known,
        values=torch.cat([tokens.values, tokens.values.new_full((*shape, tokens.values.shape[2]), 99.0)], 1),
    )


@pytest.mark.parametrize("types", [TYPES, ("bundled",)])
def test_padding_tokens_change_nothing(types: tuple[str, ...]) -> None:
    site, style, x, place = site_of(types=types), style_of(0), cells_of(1), positions_of()
    padded = Style({name: extended(tokens, 5) for name, tokens in style.types.items()})
    with torch.no_grad():
        output = site(x, site.prepare(style, place))
        torch.testing.assert_close(site(x, site.prepare(padded, place)), output, atol=1e-12, rtol=0)


def test_a_single_token_takes_the_short_way_to_the_same_place() -> None:
    site, x, place = site_of(), cells_of(1), positions_of()
    with torch.no_grad():
        style = tiny_model(DOUBLE).style(StyleSource(), 2)
        padded = Style({name: extended(tokens, 1) for name, tokens in style.types.items()})
        short, general = site.prepare(style, place), site.prepare(padded, place)
        for name in TYPES:
            assert short.keys[name].single and not general.keys[name].single
            assert general.keys[name].local == (name in CONTOUR_TYPES)
        torch.testing.assert_close(site(x, short), site(x, general), atol=1e-12, rtol=0)


# Blending


def prepared(site: StyleAttention, dtype: torch.dtype = DOUBLE) -> tuple[SiteCondition, SiteCondition]:
    place = positions_of(dtype=dtype)
    with torch.no_grad():
        return tuple(site.prepare(style_of(seed, dtype), place) for seed in (0, 1))


@torch.no_grad()
def blended(
    site: StyleAttention, x: Tensor, a: SiteCondition, b: SiteCondition, weight: dict[str, Tensor], keep: bool = False
) -> Tensor:
    return site(x, a, AttentionBlend(None, weight, keep), b, "here")


def test_equal_references_give_the_plain_output_for_any_field() -> None:
    site = site_of(torch.float32)
    a, _ = prepared(site, torch.float32)
    x = cells_of(1, torch.float32)
    for weight in (random_field(torch.float32), {name: torch.tensor(0.3) for name in TYPES}, {}):
        torch.testing.assert_close(blended(site, x, a, a, weight), site(x, a), atol=1e-5, rtol=0)


@pytest.mark.parametrize("types", [TYPES, ("bundled",)])
def test_weight_one_is_a_and_weight_zero_is_b(types: tuple[str, ...]) -> None:
    site, x = site_of(types=types), cells_of(1)
    a, b = prepared(site)
    plain_a, plain_b = site(x, a), site(x, b)
    assert (plain_a - plain_b).abs().max() > 0.1
    for one in (torch.tensor(1.0), torch.ones(1, ROWS, FRAMES), torch.ones(2, ROWS, FRAMES)):
        ones = dict.fromkeys(types, one)
        zeros = dict.fromkeys(types, 0 * one)
        torch.testing.assert_close(blended(site, x, a, b, ones), plain_a, atol=1e-12, rtol=0)
        torch.testing.assert_close(blended(site, x, a, b, zeros), plain_b, atol=1e-12, rtol=0)
        torch.testing.assert_close(blended(site, x, b, a, ones), plain_b, atol=1e-12, rtol=0)


def test_types_left_out_are_bs() -> None:
    site, x, place = site_of(), cells_of(1), positions_of()
    style_a, style_b = style_of(0), style_of(1)
    for name in TYPES:
        mixed = Style({**style_b.types, name: style_a.types[name]})
        with torch.no_grad():
            a, b, expected = (site.prepare(style, place) for style in (style_a, style_b, mixed))
            output = blended(site, x, a, b, {name: torch.tensor(1.0)})
            torch.testing.assert_close(output, site(x, expected), atol=1e-12, rtol=0)
            assert (output - site(x, b)).abs().max() > 1e-3


def test_a_field_blends_outputs_cell_by_cell_and_type_by_type() -> None:
    """The output is affine in each type's share, so it is made of the outputs at shares 0 and 1."""
    site, x = site_of(), cells_of(1)
    a, b = prepared(site)
    field = random_field()
    base = site(x, b).detach()
    expected = base.clone()
    for name in TYPES:
        expected += field[name][:, None] * (blended(site, x, a, b, {name: torch.tensor(1.0)}) - base)
    torch.testing.assert_close(blended(site, x, a, b, field), expected, atol=1e-12, rtol=0)


def test_bias_and_residual_enter_once() -> None:
    site, x = site_of(bias=100.0), cells_of(1)
    a, b = prepared(site)
    plain = site(x, a)
    assert (plain - x).abs().min() > 30
    for weight in (random_field(), dict.fromkeys(TYPES, torch.tensor(0.5)), {}):
        torch.testing.assert_close(blended(site, x, a, a, weight), plain, atol=1e-10, rtol=0)
    unbiased = site_of(bias=0.0)
    # Whatever is blended, the bias adds gate * 100 to every cell.
    difference = blended(site, x, a, b, random_field()) - blended(unbiased, x, a, b, random_field())
    torch.testing.assert_close(difference, (100 * site.gate).expand_as(difference), atol=1e-10, rtol=0)


def test_a_known_contour_blends_with_an_unknown_one() -> None:
    site, x, place = site_of(), cells_of(1), positions_of()
    with torch.no_grad():
        nothing = site.prepare(tiny_model(DOUBLE).style(StyleSource(), 2), place)
        something = site.prepare(style_of(0), place)
        for a, b in ((nothing, something), (something, nothing)):
            ones = dict.fromkeys(TYPES, torch.tensor(1.0))
            torch.testing.assert_close(blended(site, x, a, b, ones, True), site(x, a), atol=1e-12, rtol=0)
            torch.testing.assert_close(blended(site, x, a, b, {}, True), site(x, b), atol=1e-12, rtol=0)


@pytest.mark.parametrize("crossing", [12, 16])
def test_a_temporal_field_of_zero_width_has_a_on_the_left_and_b_on_the_right(crossing: int) -> None:
    estimator = tiny_model(DOUBLE).decoder.estimator
    rows, frames = 16, 28  # a cut in frequency cannot pass for one in time
    field = (torch.arange(frames) < crossing).to(DOUBLE).expand(1, rows, frames)
    place = positions_of(frames)
    for name, (level, site) in estimator.attention_sites().items():
        here = place[:, :: 2**level]
        with torch.no_grad():
            a, b = (site.prepare(style_of(seed), here) for seed in (0, 1))
            x = torch.randn(
                2, site.norm.normalized_shape[0], rows >> level, frames >> level, generator=seeded(3), dtype=DOUBLE
            )
            output = blended(site, x, a, b, dict.fromkeys(TYPES, field))
            at = crossing >> level
            plain_a, plain_b = site(x, a), site(x, b)
        assert (plain_a - plain_b).abs().amax((0, 1, 2)).min() > 1e-3, name
        torch.testing.assert_close(output[..., :at], plain_a[..., :at], atol=1e-12, rtol=0)
        torch.testing.assert_close(output[..., at:], plain_b[..., at:], atol=1e-12, rtol=0)


def test_a_cell_that_the_crossing_cuts_is_shared_by_area() -> None:
    blend = AttentionBlend(None, {"pitch": (torch.arange(28) < 10).double().expand(1, 16, 28)})
    like = torch.zeros((), dtype=DOUBLE)
    assert blend.share("pitch", 4, 7, like)[0, 0].tolist() == [1, 1, 0.5, 0, 0, 0, 0]
    assert blend.share("pitch", 16, 28, like).equal(blend.weight["pitch"])


@pytest.mark.parametrize("shape", [(1, 16, 28), (3, 16, 28)])
def test_pooling_keeps_the_mean(shape: tuple[int, int, int]) -> None:
    field = torch.rand(shape, generator=seeded(2), dtype=DOUBLE)
    blend = AttentionBlend(None, {"pitch": field})
    for level in range(3):
        share = blend.share("pitch", 16 >> level, 28 >> level, field)
        assert share.shape == (shape[0], 16 >> level, 28 >> level)
        torch.testing.assert_close(share.mean((1, 2)), field.mean((1, 2)))
    # Rows stay rows: a field of the lower half is one at every level.
    lower = AttentionBlend(None, {"pitch": (torch.arange(16) < 8).double()[:, None].expand(1, 16, 28)})
    assert lower.share("pitch", 4, 7, field)[0].tolist() == [[1] * 7] * 2 + [[0] * 7] * 2


@pytest.mark.parametrize("shape", [(1, 16, 26), (1, 15, 28), (16, 28), (28,)])
def test_a_field_of_another_size_is_refused(shape: tuple[int, ...]) -> None:
    blend = AttentionBlend(None, {"pitch": torch.ones(shape)})
    with pytest.raises(ValueError, match="the weight of pitch must be"):
        blend.share("pitch", 16, 28, torch.zeros(()))


# Mass


def mass_of(site: StyleAttention, x: Tensor, a: SiteCondition, b: SiteCondition) -> dict[tuple[str, str], Tensor]:
    blend = AttentionBlend(None, {}, keep_mass=True)
    site(x, a, blend, b, "here")
    return blend.mass


def test_equal_references_have_half_the_mass_each() -> None:
    site, x = site_of(), cells_of(1)
    a, _ = prepared(site)
    mass = mass_of(site, x, a, a)
    assert set(mass) == {("here", name) for name in TYPES}
    for value in mass.values():
        torch.testing.assert_close(value, torch.full((2, ROWS, FRAMES), 0.5, dtype=DOUBLE), atol=1e-12, rtol=0)


def test_twice_as_many_keys_do_not_weigh_more() -> None:
    site, x, place = site_of(), cells_of(1), positions_of()
    style = style_of(0)
    timbre = style.types["timbre"]
    doubled = TypedTokens(
        torch.cat([timbre.tokens] * 2, 1),
        torch.cat([timbre.positions] * 2, 1),
        torch.cat([timbre.mask] * 2, 1),
        timbre.known,
        torch.cat([timbre.values] * 2, 1),
    )
    a, b = site.prepare(style, place), site.prepare(Style({**style.types, "timbre": doubled}), place)
    mass = mass_of(site, x, a, b)["here", "timbre"]
    torch.testing.assert_close(mass, torch.full_like(mass, 0.5), atol=1e-12, rtol=0)


def test_mass_is_as_part_of_the_joint_softmax() -> None:
    site, x, place = site_of(), cells_of(1), positions_of()
    style_a, style_b = style_of(0), style_of(1, frames=(20, 30))
    mass = mass_of(site, x, site.prepare(style_a, place), site.prepare(style_b, place))
    for name in TYPES:
        sides = []
        for style in (style_a, style_b):
            logits = logits_written_out(site, x, style, place, name)  # (B, h, F, T, N)
            sides.append(logits - logits.isfinite().sum(-1, keepdim=True).double().log())
        joint = torch.cat(sides, -1).softmax(-1)
        expected = joint[..., : sides[0].shape[-1]].sum(-1).mean(1)
        torch.testing.assert_close(mass["here", name], expected, atol=1e-10, rtol=0)
        assert (expected - 0.5).abs().max() > 0.01


def test_the_mass_of_one_reference_has_no_gradient_and_the_joint_one_has() -> None:
    site, x = site_of(), cells_of(1).requires_grad_()
    a, b = prepared(site)
    inside = torch.rand(ROWS, FRAMES, generator=seeded(5)) < 0.3
    # With ones for values, a type's attention output is the sum of its attention over all keys.
    ones = {name: replace(keys, value=torch.ones_like(keys.value)) for name, keys in a.keys.items()}
    single = (site(x, replace(a, keys=ones)) - x)[..., inside].sum()
    (gradient,) = torch.autograd.grad(single, x)
    assert gradient.abs().max() < 1e-13
    for name, mass in mass_of(site, x, a, b).items():
        (gradient,) = torch.autograd.grad(mass[:, inside].sum(), x, retain_graph=True)
        assert gradient[..., inside].abs().amax() > 1e-3, name
        assert not gradient[..., ~inside].any(), name


def test_a_step_along_the_gradient_moves_mass_to_a() -> None:
    site, x = site_of(), cells_of(1).requires_grad_()
    a, b = prepared(site)
    for name in TYPES:
        before = mass_of(site, x, a, b)["here", name]
        (gradient,) = torch.autograd.grad(-before.log().mean(), x)
        after = mass_of(site, x - 0.1 * gradient / gradient.norm(), a, b)["here", name]
        assert after.log().mean() > before.log().mean()


def test_nothing_stays_behind_after_a_call() -> None:
    site, x = site_of(), cells_of(1)
    a, b = prepared(site)
    plain = site(x, a)
    attributes, weights = set(vars(site)), {key: value.clone() for key, value in site.state_dict().items()}
    quiet, first = AttentionBlend(None, random_field()), AttentionBlend(None, {}, keep_mass=True)
    site(x, a, quiet, b, "here")
    site(x, a, first, b, "here")
    assert not quiet.mass
    assert torch.equal(site(x, a), plain)
    kept = {key: value.clone() for key, value in first.mass.items()}
    second = AttentionBlend(None, {}, keep_mass=True)
    assert not second.mass
    site(cells_of(2), a, second, b, "here")
    assert all(torch.equal(first.mass[key], kept[key]) for key in kept)
    assert not torch.equal(second.mass["here", "pitch"], kept["here", "pitch"])
    site(x, a, second, b, "here")  # used again, it holds the latest call alone
    assert all(torch.equal(second.mass[key], kept[key]) for key in kept)
    assert set(vars(site)) == attributes
    assert all(torch.equal(value, weights[key]) for key, value in site.state_dict().items())


def test_mass_of_a_known_reference_against_an_unknown_one() -> None:
    """The unknown one is a single token, which has no prior."""
    site, x, place = site_of(), cells_of(1), positions_of()
    known, unknown = style_of(0), tiny_model(DOUBLE).style(StyleSource(), 2)
    with torch.no_grad():
        mass = mass_of(site, x, site.prepare(known, place), site.prepare(unknown, place))
        for name in TYPES:
            logits = logits_written_out(site, x, known, place, name)
            evidence = logits.logsumexp(-1) - logits.isfinite().sum(-1).double().log()
            alone = logits_written_out(site, x, unknown, place, name)[..., 0]
            if name in CONTOUR_TYPES:
                width = site.log_prior_width[name].exp()
                alone = alone + ((place - 0.5).square() / (2 * width.square()))[:, None, None]
            expected = torch.sigmoid(evidence - alone).mean(1)
            torch.testing.assert_close(mass["here", name], expected, atol=1e-10, rtol=0)


def test_a_reference_without_any_token_has_no_mass() -> None:
    site, x, place = site_of(), cells_of(1), positions_of()
    style = style_of(0)
    timbre = replace(style.types["timbre"], mask=torch.zeros_like(style.types["timbre"].mask))
    empty = Style({**style.types, "timbre": timbre})
    a, b = site.prepare(style, place), site.prepare(empty, place)
    torch.testing.assert_close(mass_of(site, x, a, b)["here", "timbre"], torch.ones(2, ROWS, FRAMES, dtype=DOUBLE))
    torch.testing.assert_close(mass_of(site, x, b, a)["here", "timbre"], torch.zeros(2, ROWS, FRAMES, dtype=DOUBLE))


def test_a_key_that_its_bias_excludes_does_not_count() -> None:
    """From -1e3 down: such a key has no weight, so it must not lower the mean over the keys either."""
    site, x = site_of(), cells_of(1)
    condition, _ = prepared(site)
    timbre = condition.keys["timbre"]
    sides = []
    for excluded in (-1e3, -1e4):
        bias = timbre.bias.clone()
        bias[..., 0] = excluded
        sides.append(replace(condition, keys={**condition.keys, "timbre": replace(timbre, bias=bias)}))
    mass = mass_of(site, x, *sides)["here", "timbre"]
    torch.testing.assert_close(mass, torch.full_like(mass, 0.5), atol=1e-12, rtol=0)


def test_shares_are_what_they_are_shared_in() -> None:
    """The dtype is that of the cells; what is the same for all cells and items has one."""
    blend = AttentionBlend(None, {"pitch": torch.ones(3, 4, 8, dtype=DOUBLE), "energy": torch.tensor(1)})
    like = torch.zeros((), dtype=torch.float32)
    for name, shape in (("pitch", (3, 2, 4)), ("energy", (1, 1, 1)), ("timbre", (1, 1, 1))):
        share = blend.share(name, 2, 4, like)
        assert share.dtype == torch.float32
        assert share.shape == shape


def test_mass_is_kept_by_the_name_of_the_site() -> None:
    site, x = site_of(), cells_of(1)
    a, b = prepared(site)
    blend = AttentionBlend(None, {}, keep_mass=True)
    site(x, a, blend, b)
    assert set(blend.mass) == {("", name) for name in TYPES}
