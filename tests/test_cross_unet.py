from __future__ import annotations

from copy import deepcopy as copy
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from model.cond_grad_tts import CondGradTTS
from model.estimators.cross_unet import (
    CellNorm,
    CrossUNetCondition,
    Downsample,
    LinearAttention,
    ResidualBlock,
    Upsample,
)
from model.lengths import padded_length, sequence_mask
from model.sampling import SAMPLERS
from model.style import TYPES, StyleSource
from model.style_attention import AttentionBlend
from tests.tiny_model import (
    N_MELS,
    in_dtype,
    one_item,
    random_style,
    randomise,
    seeded,
    tiny_model,
    tiny_params,
    total,
    without,
)

DOUBLE = torch.float64
LENGTHS = [28, 13, 8, 6]  # odd ones, and some whose last frame the coarser levels share with padding
SITES = {"frames": 0, "down0": 0, "down1": 1, "down2": 2, "middle": 2, "up1": 1, "up2": 2}
KINDS = {"typed": TYPES, "bundled": ("bundled",)}


def style_of(seed: int, dtype: torch.dtype = DOUBLE) -> StyleSource:
    """Contours and references of lengths that have nothing to do with the text's."""
    return in_dtype(random_style([17, 45, 9, 26], [9, 40, 23, 16], seed), dtype)


def prepare(
    model: CondGradTTS, mu: Tensor, content: Tensor, lengths: list[int], source: StyleSource
) -> CrossUNetCondition:
    mask = sequence_mask(torch.tensor(lengths), mu.shape[2], mu.dtype)
    position = (torch.arange(mu.shape[2]) + 0.5).to(mu.dtype) / torch.tensor(lengths)[:, None]
    return model.decoder.estimator.prepare(mu, mask, model.style(source, len(mu)), position, content)


def images(dtype: torch.dtype = DOUBLE, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, mu (B, n_mels, T), content (B, 1, n_mels, T), log noise level (B,)."""
    generator = seeded(seed)
    shape = (len(LENGTHS), N_MELS, max(LENGTHS))
    x, mu = (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))
    content = torch.randn(len(LENGTHS), 1, N_MELS, max(LENGTHS), generator=generator).to(dtype)
    return x, mu, content, torch.tensor([-1.5, 0.3, 1.8, -0.4], dtype=dtype)


def evaluated(
    model: CondGradTTS, x: Tensor, t: Tensor, condition: CrossUNetCondition, attention: AttentionBlend | None = None
) -> Tensor:
    estimator = model.decoder.estimator
    return estimator(x, t, estimator.completed(condition, attention), attention)


@torch.no_grad()
def run(model: CondGradTTS, source: StyleSource, dtype: torch.dtype = DOUBLE) -> Tensor:
    x, mu, content, t = images(dtype)
    return evaluated(model, x, t, prepare(model, mu, content, LENGTHS, source))


# The network along the frames


@torch.no_grad()
def test_the_network_along_the_frames_adds_nothing_until_it_has_learned() -> None:
    torch.manual_seed(0)
    model = CondGradTTS(tiny_params(), 11, 5, 3).double().eval()
    nn.init.normal_(model.decoder.estimator.conv_out.weight)
    before = run(model, style_of(0))
    assert before.std() > 0.1
    model.decoder.estimator.frames = None
    torch.testing.assert_close(run(model, style_of(0)), before)


@torch.no_grad()
def test_what_it_expects_is_found_alone_too() -> None:
    model = tiny_model(DOUBLE)
    _, mu, content, _ = images()
    source = style_of(0)
    condition = model.decoder.estimator.completed(prepare(model, mu, content, LENGTHS, source))
    position = (torch.arange(mu.shape[2]) + 0.5).to(mu.dtype) / torch.tensor(LENGTHS)[:, None]
    style = model.style(source, len(mu))
    alone = model.decoder.estimator.mean(mu, condition.mask, style, position, content)
    assert alone.std() > 0.1 and not (alone * (1 - condition.mask)).any()
    torch.testing.assert_close(alone, condition.mean)


@pytest.mark.parametrize("t", [0.05, 0.5, 1.0])
@torch.no_grad()
def test_where_the_u_net_says_nothing_a_normal_residual_about_the_mean_is_denoised(t: float) -> None:
    """Of r ~ N(mean, sd^2) and y = r + s z the posterior mean is (sd^2 y + s^2 mean) / (sd^2 + s^2)."""
    model = copy(tiny_model(DOUBLE))
    for parameter in model.decoder.estimator.conv_out.parameters():
        parameter.zero_()
    x, mu, content, _ = images()
    condition = model.decoder.estimator.completed(prepare(model, mu, content, LENGTHS, style_of(0)))
    schedule, variance = model.decoder.schedule, model.decoder.residual_std**2
    noisy, s = (x - mu) / schedule.alpha(t), schedule.noise_level(t)
    expected = (mu + (variance * noisy + s**2 * condition.mean) / (variance + s**2)) * condition.mask
    torch.testing.assert_close(model.decoder.denoiser(condition).x0(x, t), expected)


# Padding


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (DOUBLE, 1e-9)])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_an_item_in_a_padded_batch_is_the_item_alone(kind: str, dtype: torch.dtype, tolerance: float) -> None:
    model = tiny_model(dtype, kind)
    known = {"pitch": torch.tensor([True, False, True, True]), "timbre": torch.tensor([False, True, True, False])}
    source = replace(style_of(0, dtype), known=known)
    x, mu, content, t = images(dtype)
    batch = run(model, source, dtype)
    assert batch.std() > 0.1
    for i, length in enumerate(LENGTHS):
        at, frames = slice(i, i + 1), slice(padded_length(length, 4))
        condition = prepare(model, mu[at, :, frames], content[at, ..., frames], [length], one_item(source, i))
        alone = evaluated(model, x[at, :, frames], t[at], condition)
        torch.testing.assert_close(batch[at, :, frames], alone, atol=tolerance, rtol=0)


@torch.no_grad()
def test_without_padding_no_mask_is_needed() -> None:
    """The same item with whole masks, which are skipped, and in a batch where another item is padded."""
    model = tiny_model(DOUBLE)
    x, mu, content, t = images()
    source = style_of(0)
    alone = prepare(model, mu[:1], content[:1], LENGTHS[:1], one_item(source, 0))
    assert not alone.padded and prepare(model, mu, content, LENGTHS, source).padded
    expected = evaluated(model, x[:1], t[:1], replace(alone, padded=True))
    torch.testing.assert_close(evaluated(model, x[:1], t[:1], alone), expected, atol=1e-12, rtol=0)


@torch.no_grad()
def test_what_lies_in_the_padding_does_not_matter() -> None:
    model = tiny_model(DOUBLE)
    x, mu, content, t = images()
    source = style_of(0)
    plain = run(model, source)
    mask = sequence_mask(torch.tensor(LENGTHS), max(LENGTHS), DOUBLE)
    assert not (plain * (1 - mask)).any()
    assert (plain * mask).abs().amax((1, 2)).min() > 0.1
    nonsense = 100 * torch.randn(x.shape, generator=seeded(9), dtype=DOUBLE) * (1 - mask)
    condition = prepare(model, mu + nonsense, content - nonsense[:, None], LENGTHS, source)
    torch.testing.assert_close(evaluated(model, x + nonsense, t, condition), plain, atol=1e-12, rtol=0)


def test_frames_must_be_a_multiple_of_4() -> None:
    model = tiny_model(DOUBLE)
    _, mu, content, _ = images()
    for frames in (25, 26, 27):
        with pytest.raises(ValueError, match=f"must be a multiple of 4, not {frames}"):
            prepare(model, mu[..., :frames], content[..., :frames], [9, 9, 6, 5], style_of(0))


@torch.no_grad()
def test_coarser_levels_are_at_every_second_and_fourth_frame() -> None:
    model = tiny_model(DOUBLE)
    _, mu, content, _ = images()
    condition = prepare(model, mu, content, LENGTHS, style_of(0))
    style = model.style(style_of(0), len(mu))
    sites = model.decoder.estimator.attention_sites()
    assert {name: level for name, (level, _) in sites.items()} == SITES
    for name, (level, site) in sites.items():
        first = torch.arange(0, max(LENGTHS), 2**level, dtype=DOUBLE)
        expected = site.prepare(style, (first + 0.5) / torch.tensor(LENGTHS)[:, None])
        torch.testing.assert_close(condition.sites[name].frame_query, expected.frame_query)
        torch.testing.assert_close(condition.sites[name].keys["pitch"].bias, expected.keys["pitch"].bias)


def test_a_residual_block_is_the_written_out_one() -> None:
    block = ResidualBlock(5, 7).double()
    randomise(block, seeded(0))
    x = torch.randn(2, 5, 6, 8, generator=seeded(1), dtype=DOUBLE)
    embedding = torch.randn(2, 7, generator=seeded(2), dtype=DOUBLE)
    mask = sequence_mask(torch.tensor([8, 5]), 8, DOUBLE)[:, None]

    def norm(layer: CellNorm, cells: Tensor) -> Tensor:
        centred = cells - cells.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + layer.norm.eps).sqrt()
        return scaled * layer.norm.weight[:, None, None] + layer.norm.bias[:, None, None]

    scale, shift = block.modulation(embedding)[:, :, None, None].split(5, 1)
    hidden = block.conv1(F.silu(norm(block.norm1, x)) * mask)
    hidden = block.conv2(F.silu(norm(block.norm2, hidden) * (1 + scale) + shift) * mask)
    torch.testing.assert_close(block(x, embedding, mask), x + hidden)


# What moves the output


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TYPES)
def test_every_type_moves_the_output(kind: str, name: str) -> None:
    model, source, other = tiny_model(DOUBLE, kind), style_of(0), style_of(1)
    other = replace(other, speaker=(source.speaker + 1) % 5, emotion=(source.emotion + 1) % 3)
    kept = without(other, name)
    swapped = {
        field: getattr(other, field)
        for field in ("log_f0", "voicing", "energy", "reference_mel", "speaker", "emotion")
        if getattr(kept, field) is None
    }
    assert swapped
    plain = run(model, source)
    for changed in (replace(source, **swapped), without(source, name)):
        assert (run(model, changed) - plain).abs().amax((1, 2)).min() > 1e-3


@pytest.mark.parametrize("name", TYPES)
@torch.no_grad()
def test_every_type_moves_the_output_at_every_site(name: str) -> None:
    model = tiny_model(DOUBLE)
    x, mu, content, t = images()
    one = prepare(model, mu, content, LENGTHS, style_of(0))
    other = prepare(model, mu, content, LENGTHS, without(style_of(1), "speaker", "emotion"))
    plain = evaluated(model, x, t, one)
    assert set(one.sites) == set(SITES)
    for site_name, site in one.sites.items():
        mixed = replace(site, keys={**site.keys, name: other.sites[site_name].keys[name]})
        changed = replace(one, sites={**one.sites, site_name: mixed})
        moved = evaluated(model, x, t, changed)
        assert (moved - plain).abs().max() > 1e-4, site_name


@torch.no_grad()
def test_every_image_and_the_noise_level_move_the_output() -> None:
    model = tiny_model(DOUBLE)
    x, mu, content, t = images()
    condition = prepare(model, mu, content, LENGTHS, style_of(0))
    plain = evaluated(model, x, t, condition)
    assert condition.pictures.stacked().shape == (4, 4, N_MELS, 28)
    assert torch.equal(condition.pictures.mu, mu * condition.mask)
    assert torch.equal(condition.pictures.content, content * condition.mask[:, None])
    for field in fields(condition.pictures):
        picture = getattr(condition.pictures, field.name)
        shifted = picture + (0.5 * condition.mask).view(4, *(1,) * (picture.dim() - 2), 28)
        pictures = replace(condition.pictures, **{field.name: shifted})
        changed = replace(condition, pictures=pictures)
        assert (evaluated(model, x, t, changed) - plain).abs().max() > 0.01
    assert (evaluated(model, x, t + 0.1, condition) - plain).abs().amax((1, 2)).min() > 1e-3
    assert (evaluated(model, x + 0.1, t, condition) - plain).abs().amax((1, 2)).min() > 1e-3


def loss_gradients(model: CondGradTTS, style: StyleSource) -> dict[str, Tensor | None]:
    generator = seeded(4)
    ids = torch.randint(11, (3, 6), generator=generator)
    mel = torch.randn(3, N_MELS, 17, generator=generator)
    losses = model.losses(ids, torch.tensor([6, 5, 3]), mel, torch.tensor([17, 14, 9]), style, generator=generator)
    gradients = torch.autograd.grad(total(losses), list(model.parameters()), allow_unused=True)
    return dict(zip((name for name, _ in model.named_parameters()), gradients, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns(kind: str) -> None:
    model = tiny_model(kind=kind)
    style = random_style([17, 14, 9], [40, 23, 9])
    everyone = torch.ones(3, dtype=torch.bool)
    gradients = loss_gradients(model, replace(style, known=dict.fromkeys(TYPES, everyone)))
    still = {name for name, gradient in gradients.items() if gradient is None or not gradient.any()}
    # Null tokens and the pictures of the unknown stand for types that are not there.
    expected = {f"style.null.{name}" for name in TYPES}
    expected |= {f"decoder.estimator.pictures.unknown.{name}" for name in ("pitch", "energy")}
    if kind == "typed":
        # A softmax over the one token of a label is 1, whatever its key and the query.
        sites = ["frames.attention", "down_attention.0", "down_attention.1", "down_attention.2"]
        sites += ["middle_attention", "up_attention.1", "up_attention.2"]
        expected |= {
            f"decoder.estimator.{site}.to_key.{name}.{part}"
            for site in sites
            for name in ("speaker", "emotion")
            for part in ("weight", "bias")
        }
    assert still == expected
    gradients = loss_gradients(model, replace(style, known=dict.fromkeys(TYPES, torch.tensor([True, False, True]))))
    still = {name for name, gradient in gradients.items() if gradient is None or not gradient.any()}
    assert still == {name for name in expected if "to_key" in name}


# Blending


def field_of(seed: int, types: tuple[str, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    generator = seeded(seed)
    return {name: torch.rand(1, N_MELS, max(LENGTHS), generator=generator).to(dtype) for name in types}


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_blending_a_style_with_itself_changes_nothing(kind: str) -> None:
    model = tiny_model(kind=kind)
    x, mu, content, t = images(torch.float32)
    condition = prepare(model, mu, content, LENGTHS, style_of(0, torch.float32))
    plain = evaluated(model, x, t, condition)
    for weight in (field_of(1, KINDS[kind], torch.float32), dict.fromkeys(KINDS[kind], torch.tensor(0.3)), {}):
        blend = AttentionBlend(condition, weight)
        output = evaluated(model, x, t, condition, blend)
        torch.testing.assert_close(output, plain, atol=1e-5, rtol=0)
        assert not blend.mass


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_weight_one_is_a_and_weight_zero_is_b(kind: str) -> None:
    model = tiny_model(DOUBLE, kind)
    x, mu, content, t = images()
    a, b = (prepare(model, mu, content, LENGTHS, style_of(seed)) for seed in (0, 1))
    with_bs_keys = replace(a, sites=b.sites)  # pictures are the condition's own, whatever attention blends
    plain_a, plain_b = (evaluated(model, x, t, condition) for condition in (a, with_bs_keys))
    assert (plain_a - plain_b).abs().max() > 0.01
    one = dict.fromkeys(KINDS[kind], torch.tensor(1.0))
    zero = dict.fromkeys(KINDS[kind], torch.zeros(1, N_MELS, max(LENGTHS)))

    torch.testing.assert_close(evaluated(model, x, t, a, AttentionBlend(b, one)), plain_a, atol=1e-10, rtol=0)
    for nothing in (zero, {}):
        torch.testing.assert_close(evaluated(model, x, t, a, AttentionBlend(b, nothing)), plain_b, atol=1e-10, rtol=0)
    between = evaluated(model, x, t, a, AttentionBlend(b, field_of(2, KINDS[kind], DOUBLE)))
    assert (between - plain_a).abs().max() > 1e-3 and (between - plain_b).abs().max() > 1e-3
    assert torch.equal(evaluated(model, x, t, a), plain_a)  # nothing stays behind


@torch.no_grad()
def test_the_whole_sampler_keeps_both_ends() -> None:
    model = tiny_model(DOUBLE)

    x, mu, content, _ = images()
    a, b = (prepare(model, mu, content, LENGTHS, style_of(seed)) for seed in (0, 1))
    b = replace(b, pictures=a.pictures)
    sampler = SAMPLERS["edm-2m"]

    def sample(condition: CrossUNetCondition, attention: AttentionBlend | None = None) -> Tensor:
        start = sampler.start(model.decoder.schedule, mu, a.mask, 1.5, noise=x)
        denoiser = model.decoder.denoiser(condition, attention)
        return sampler(denoiser, start, mu, a.mask, 3)

    plain_a, plain_b = sample(a), sample(b)
    assert (plain_a - plain_b).abs().max() > 0.01
    for condition, other, weight, expected in (
        (a, a, field_of(3, TYPES, DOUBLE), plain_a),
        (a, b, dict.fromkeys(TYPES, torch.tensor(1.0)), plain_a),
        (a, b, {}, plain_b),
    ):
        torch.testing.assert_close(sample(condition, AttentionBlend(other, weight)), expected, atol=1e-5, rtol=0)


def test_mass_has_every_site_and_type_at_the_sites_size_and_a_gradient() -> None:
    model = tiny_model(DOUBLE)
    x, mu, content, t = images()
    x.requires_grad_()
    a, b = (prepare(model, mu, content, LENGTHS, style_of(seed)) for seed in (0, 1))
    blend = AttentionBlend(b, {}, keep_mass=True)
    evaluated(model, x, t, a, blend)
    assert set(blend.mass) == {(site, name) for site in SITES for name in TYPES}
    for (site, _), mass in blend.mass.items():
        rows = 1 if site == "frames" else N_MELS >> SITES[site]
        assert mass.shape == (4, rows, max(LENGTHS) >> SITES[site])
        assert mass.min() > 0 and mass.max() < 1
        if site != "frames":  # which sees no latent
            (gradient,) = torch.autograd.grad(mass.sum(), x, retain_graph=True)
            assert gradient.abs().max() > 1e-6
    equal = AttentionBlend(a, {}, keep_mass=True)
    evaluated(model, x, t, a, equal)
    for mass in equal.mass.values():
        torch.testing.assert_close(mass, torch.full_like(mass, 0.5), atol=1e-12, rtol=0)


@torch.no_grad()
def test_a_call_leaves_the_model_as_it_was() -> None:
    model = tiny_model(DOUBLE)
    x, mu, content, t = images()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    a, b = (prepare(model, mu, content, LENGTHS, style_of(seed)) for seed in (0, 1))
    evaluated(model, x, t, a, AttentionBlend(b, field_of(5, TYPES, DOUBLE), keep_mass=True))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes


@torch.no_grad()
def test_bfloat16_autocast_stays_near() -> None:
    model, source = tiny_model(), style_of(0, torch.float32)
    plain = run(model, source, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = run(model, source, torch.float32)
    assert (low.float() - plain).abs().mean() < 0.05 * plain.abs().mean()


# Blocks


@pytest.mark.parametrize("lengths", [[7, 7], [7, 3]])
@torch.no_grad()
def test_linear_attention_is_the_written_out_one(lengths: list[int]) -> None:
    heads, width, rows, frames = 2, 3, 4, 7
    attention = LinearAttention(5, heads, width).to(DOUBLE)
    randomise(attention, seeded(2))
    x = torch.randn(2, 5, rows, frames, generator=seeded(3), dtype=DOUBLE)
    mask = sequence_mask(torch.tensor(lengths), frames, DOUBLE)[:, None]
    output = attention(x, mask)
    if lengths == [7, 7]:
        torch.testing.assert_close(attention(x, None), output, atol=1e-12, rtol=0)
    for i, length in enumerate(lengths):
        cells = x[i].permute(1, 2, 0).reshape(-1, 5)  # (rows * frames, C)
        normed = F.layer_norm(cells, (5,), attention.norm.norm.weight, attention.norm.norm.bias)
        qkv = normed @ attention.to_qkv.weight[:, :, 0, 0].T + attention.to_qkv.bias
        query, key, value = qkv.view(-1, 3, heads, width).unbind(1)  # (rows * frames, heads, width)
        valid = (torch.arange(frames) < length).repeat(rows)
        heard = []
        for head in range(heads):
            share = key[valid, head].softmax(0)  # of each cell, for each channel of the key
            context = sum(torch.outer(share[n], v) for n, v in enumerate(value[valid, head]))  # (key, value)
            heard.append(query[:, head].softmax(1) @ context)
        projected = torch.cat(heard, 1) @ attention.project.weight[:, :, 0, 0].T + attention.project.bias
        expected = (cells + projected).view(rows, frames, 5).permute(2, 0, 1)
        torch.testing.assert_close(output[i], expected, atol=1e-12, rtol=0)


def test_attention_over_all_cells_is_normalised_in_single_precision_at_least() -> None:
    seen = []

    class Softmaxes(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function is torch.Tensor.softmax and args[1] == -1:
                seen.append(args[0].dtype)
            return function(*args, **(kwargs or {}))

    for dtype in (torch.bfloat16, torch.float32, DOUBLE):
        with Softmaxes():
            LinearAttention(4, 1, 2).to(dtype)(torch.zeros(1, 4, 2, 4, dtype=dtype), None)
    assert seen == [torch.float32, torch.float32, DOUBLE]


@pytest.mark.parametrize("block", [Downsample, Upsample])
@torch.no_grad()
def test_resampling_does_not_see_past_the_end(block: type[Downsample | Upsample]) -> None:
    resample = block(3, 2).to(DOUBLE)
    randomise(resample, seeded(2))
    x = torch.randn(2, 3, 4, 8, generator=seeded(3), dtype=DOUBLE)
    mask = sequence_mask(torch.tensor([8, 5]), 8, DOUBLE)[:, None]
    output = resample(x, mask)
    torch.testing.assert_close(output, resample(x * mask, None))
    assert (output - resample(x, None))[1].abs().max() > 0.1
    assert torch.equal(output[0], resample(x, None)[0])
