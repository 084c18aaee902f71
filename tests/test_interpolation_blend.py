"""What the decoder reads between two styles: attention at every site, pictures, frames; and two latents joined."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import librosa
import pytest
import torch
from torch import Tensor

from model.interpolation import Frequency, Linear, Temporal, interpolate_frequency, interpolate_linear
from model.interpolation.blend import blend_frames, blend_pitch, blend_styles
from model.interpolation.common_durations import encode_both, spread_both
from model.interpolation.envelope import exchange_fine_structure, smoothing_matrix
from model.interpolation.fields import constant_over_rows, crossing_by_token, spread_over_frames
from model.interpolation.run import interpolate_temporal
from model.interpolation.two_noise import TwoNoiseDenoiser
from model.sampling import SAMPLERS
from model.style import TYPES
from model.style_pictures import FrameContours
from tests.denoisers import WavyDenoiser
from tests.tiny_model import N_MELS, seeded, tiny_model
from tests.two_styles import DOUBLE, frames_of, plain, random_mask, same_voice, sampling, styles, text


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["typed", "bundled"])
def test_left_of_the_crossing_everything_is_of_a_and_right_of_it_of_b(kind: str) -> None:
    model = tiny_model(DOUBLE, kind)
    estimator = model.decoder.estimator
    a, b = styles()
    share = crossing_by_token(text()[0][0], 0.5, 0)
    frames_a, frames_b = spread_both(model, *encode_both(model, *text(), a, b), share, 1.0)
    size = frames_a.mask.shape[2]
    assert size != N_MELS
    by_frame = spread_over_frames(share, frames_a.durations[0], size)
    at = int(by_frame.sum())
    assert 4 <= at <= size - 8
    same(by_frame, (torch.arange(size) < at).float())
    frames = blend_frames(frames_a, frames_b, by_frame)
    for name in ("mu", "content", "voicing"):
        mixed, of_a, of_b = (getattr(each, name) for each in (frames, frames_a, frames_b))
        same(mixed[..., :at], of_a[..., :at])
        same(mixed[..., at:], of_b[..., at:])
        assert (of_a - of_b).abs().max() > 1e-3

    encoded = [model.style(style, 1) for style in (a, b)]
    field = constant_over_rows(by_frame.to(frames.mu), N_MELS)
    blended = blend_styles(model, frames, *encoded, dict.fromkeys(TYPES, field))
    of_a, of_b = (
        estimator.prepare(frames.mu, frames.mask, style, frames.position, frames.content) for style in encoded
    )
    same(blended.condition.pictures[..., :at], of_a.pictures[..., :at])
    same(blended.condition.pictures[..., at:], of_b.pictures[..., at:])
    assert ((of_a.pictures - of_b.pictures).abs().amax((0, 2, 3)) > 1e-3).tolist() == [False, True, True, False]

    seen: dict[str, tuple[Tensor, Tensor]] = {}
    sites = estimator.attention_sites()
    handles = [
        site.register_forward_hook(lambda _, given, out, name=name: seen.update({name: (given[0], out)}))
        for name, (_, site) in sites.items()
    ]
    noise = torch.randn(frames.mu.shape, generator=seeded(0), dtype=DOUBLE)
    model.decoder.x0(frames.mu + noise, 0.4, blended.condition, blended.attention)
    for handle in handles:
        handle.remove()
    for name, (level, site) in sites.items():
        x, output = seen[name]
        plain_a, plain_b = (site(x, condition.sites[name]) for condition in (of_a, of_b))
        left, right = at // 2**level, math.ceil(at / 2**level)
        same(output[..., :left], plain_a[..., :left])
        same(output[..., right:], plain_b[..., right:])
        assert (plain_a - plain_b).abs().max() > 1e-3


def test_common_durations_lie_between_and_end_on_the_plain_ones() -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    texts = encode_both(model, *text(), a, b)
    size = texts[0].mu.shape[2]
    for weight, style in ((1.0, a), (0.0, b)):
        own = spread_both(model, *texts, torch.full((size,), weight), 1.4)[0]
        assert torch.equal(own.durations, model.spread(*text(), style, 1.4).durations)
    middle = spread_both(model, *texts, torch.full((size,), 0.5), 30.0)[0].durations.double()
    ends = [spread_both(model, *texts, torch.full((size,), w), 30.0)[0].durations.double() for w in (0.0, 1.0)]
    assert (ends[0] - ends[1]).abs().max() > 5
    torch.testing.assert_close(middle, (ends[0] * ends[1]).sqrt(), atol=1.5, rtol=0)  # rounded to frames
    first, second = spread_both(model, *texts, torch.full((size,), 0.5), 1.0)
    assert torch.equal(first.durations, second.durations) and not torch.equal(first.mu, second.mu)


def test_interpolations_use_the_common_frames() -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    linear = interpolate_linear(model, *text(), a, b, Linear(0.3), sampling())
    share = torch.full((len(text()[0][0]),), 0.3)
    frames_a, frames_b = spread_both(model, *encode_both(model, *text(), a, b), share, 1.0)
    assert torch.equal(linear.frames.durations, frames_a.durations)
    torch.testing.assert_close(linear.frames.mu, 0.3 * frames_a.mu + 0.7 * frames_b.mu, atol=1e-6, rtol=0)
    torch.testing.assert_close(linear.field, torch.full_like(frames_a.mu, 0.3), atol=1e-6, rtol=0)
    temporal = interpolate_temporal(model, *text(), a, b, Temporal(0.5, cross_width=0.6), sampling())
    field = temporal.field[0, 0, : int(temporal.frames.lengths[0])]
    assert field[0] == 1 and field[-1] == 0 and (field.diff() <= 0).all() and ((field > 0) & (field < 1)).any()


# Pitch


def contours(log_f0: list[float], voicing: list[float]) -> FrameContours:
    known = torch.tensor([True])
    values, voiced = torch.tensor([log_f0], dtype=DOUBLE), torch.tensor([voicing], dtype=DOUBLE)
    return FrameContours(values, voiced, torch.zeros_like(values), known, known)


def test_pitch_in_between_is_the_mean_of_log_f0_over_what_is_voiced() -> None:
    a, b = contours([5.0, 5.0, 5.0, 5.0], [1, 1, 0, 0]), contours([5.8, 5.8, 5.8, 5.8], [1, 0, 1, 0])
    middle = blend_pitch(a, b, torch.full((1, 4), 0.25, dtype=DOUBLE))
    torch.testing.assert_close(middle.log_f0, torch.tensor([[5.6, 5.0, 5.8, 0.0]], dtype=DOUBLE))
    torch.testing.assert_close(middle.voicing, torch.tensor([[1.0, 0.25, 0.75, 0.0]], dtype=DOUBLE))
    soft = contours([4.9, 5.1], [1e-7, 0.6])
    for share, style in ((1.0, soft), (0.0, contours([5.5, 5.3], [1e-6, 0.9]))):
        ends = (soft, style) if share == 0 else (style, a)
        if share == 1:
            ends = (soft, contours([5.5, 5.3], [1.0, 0.9]))
        mixed = blend_pitch(*ends, torch.full((1, 2), share, dtype=DOUBLE))
        torch.testing.assert_close(mixed.log_f0, style.log_f0)  # however little is voiced
        torch.testing.assert_close(mixed.voicing, style.voicing)


@torch.no_grad()
def test_a_field_that_is_equal_in_all_rows_draws_one_comb_and_any_other_blends_pictures() -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    pictures = model.decoder.estimator.pictures
    frames = frames_of(model, b)
    encoded = [model.style(style, 1) for style in (a, b)]
    of_a, of_b = (pictures.contours(style, frames.mu, frames.position) for style in encoded)
    even = torch.full_like(frames.mu, 0.3)

    def drawn(weight: dict[str, Tensor], of: list = encoded) -> Tensor:
        return blend_styles(model, frames, *of, weight).condition.pictures

    one_comb = pictures.draw(blend_pitch(of_a, of_b, even[:, 0])) * frames.mask
    two_combs = (0.3 * pictures.draw(of_a) + 0.7 * pictures.draw(of_b)) * frames.mask[:, None]
    same(drawn({"pitch": even})[:, 1], one_comb[:, 0])
    assert (one_comb[:, 0] - two_combs[:, 0]).abs().max() > 0.02
    uneven = even.clone()
    uneven[:, 3, 2] = 0.9
    both = drawn({"pitch": uneven})[:, 1]
    expected = two_combs[:, 0].clone()
    expected[:, 3, 2] = (0.9 * pictures.draw(of_a) + 0.1 * pictures.draw(of_b))[:, 0, 3, 2]
    same(both, expected)
    # Energy's picture is the same in all rows: both ways are one.
    same(drawn({"energy": even})[:, 2], two_combs[:, 1])
    same(drawn({"energy": uneven})[:, 2, 4], two_combs[:, 1, 4])
    # A type that is left out is b's, in pictures as in attention; the others do not move.
    only_b = drawn({})
    same(only_b[:, 1:3], pictures.draw(of_b) * frames.mask[:, None])
    same(drawn({"pitch": even})[:, [0, 2, 3]], only_b[:, [0, 2, 3]])
    # Unknown on one side: no contour to blend with, so the pictures do.
    unknown = model.style(a.without("pitch"), 1)
    of_unknown = pictures.draw(pictures.contours(unknown, frames.mu, frames.position))
    mixed = (0.3 * of_unknown + 0.7 * pictures.draw(of_b)) * frames.mask[:, None]
    same(drawn({"pitch": even}, [unknown, encoded[1]])[:, 1], mixed[:, 0])


# Bias and residual


@torch.no_grad()
def test_bias_and_residual_enter_once_at_every_site() -> None:
    model = copy.deepcopy(tiny_model(DOUBLE))
    for _, site in model.decoder.estimator.attention_sites().values():
        site.project.bias.fill_(100.0)
    _, b = styles()
    frames = frames_of(model, b)
    expected = plain(model, frames, b).mel
    mask = random_mask(frames)
    for settings in (Frequency(method="same-time"), Frequency(method="staged", epoch=0)):
        mel = interpolate_frequency(model, frames, b, b, mask, settings, sampling()).synthesis.mel
        torch.testing.assert_close(mel, expected, atol=1e-5, rtol=0)


# Two latents


def joint(envelopes: bool = False) -> tuple[TwoNoiseDenoiser, WavyDenoiser, WavyDenoiser]:
    mu = 0.3 * torch.randn(1, N_MELS, 6, generator=seeded(0), dtype=DOUBLE)
    a, b = WavyDenoiser(mu), WavyDenoiser(mu + 0.5)
    mask = torch.rand(1, N_MELS, 6, generator=seeded(1), dtype=DOUBLE)
    smoothing = torch.full((N_MELS, N_MELS), 1 / N_MELS, dtype=DOUBLE) if envelopes else None
    mean = torch.randn(N_MELS, 1, generator=seeded(2), dtype=DOUBLE)
    deviation = 1 + torch.rand(N_MELS, 1, generator=seeded(3), dtype=DOUBLE)
    return TwoNoiseDenoiser(a, b, mu.repeat(2, 1, 1), mask, smoothing, mean, deviation), a, b


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("envelopes", [False, True])
def test_both_latents_end_on_the_same_prediction(envelopes: bool, sampler: str) -> None:
    denoiser, a, b = joint(envelopes)
    noise = torch.randn(1, N_MELS, 6, generator=seeded(4), dtype=DOUBLE).repeat(2, 1, 1)
    ones = torch.ones(2, 1, 6, dtype=DOUBLE)
    start = SAMPLERS[sampler].start(denoiser.schedule, denoiser.mu, ones, noise=noise)
    ends = SAMPLERS[sampler](denoiser, start, denoiser.mu, ones, 5, generator=seeded(5))
    same(ends[0], ends[1])
    assert len(a.calls) == len(b.calls) == 5


def test_the_joint_prediction_has_bs_envelope_and_as_fine_structure() -> None:
    denoiser, a, b = joint(envelopes=True)
    x = torch.randn(2, N_MELS, 6, generator=seeded(6), dtype=DOUBLE)
    mel_a, mel_b = (
        each.x0(latent, 0.3) * denoiser.mel_std + denoiser.mel_mean for each, latent in ((a, x[:1]), (b, x[1:]))
    )
    level_a, level_b = mel_a.mean(1, keepdim=True), mel_b.mean(1, keepdim=True)  # this smoothing's envelopes
    mask = denoiser.mask
    expected = level_b + mask * (mel_a - level_a) + (1 - mask) * (mel_b - level_b)
    same(denoiser.x0(x, 0.3)[:1] * denoiser.mel_std + denoiser.mel_mean, expected)
    raw, a, b = joint()
    same(raw.x0(x, 0.3)[1:], raw.mask * a.x0(x[:1], 0.3) + (1 - raw.mask) * b.x0(x[1:], 0.3))
    score = raw.score(x, 0.3)
    alpha, sigma = raw.schedule.alpha(0.3), raw.schedule.sigma(0.3)
    same(score, (alpha * (raw.x0(x, 0.3) - raw.mu) - (x - raw.mu)) / sigma**2)


@torch.no_grad()
def test_one_evaluation_joins_the_two_plain_mels() -> None:
    model, (_, b) = tiny_model(DOUBLE), styles()
    frames, once = frames_of(model, b), replace(sampling(), steps=1)
    a = replace(b, log_f0=b.log_f0 + 0.3 * torch.randn(b.log_f0.shape, generator=seeded(1), dtype=DOUBLE))
    mask = random_mask(frames)
    mel_a, mel_b = (
        model.decode(frames, style, 1, temperature=once.temperature, generator=sampling().generator).mel
        for style in (a, b)
    )
    run = interpolate_frequency(model, frames, a, b, mask, Frequency(method="two-noise"), once)
    row_hz = torch.from_numpy(librosa.mel_frequencies(N_MELS + 2, fmin=0, fmax=8000)[1:-1])
    expected = exchange_fine_structure(mel_a, mel_b, mask[..., : mel_a.shape[2]], smoothing_matrix(row_hz))
    same(run.synthesis.mel, expected)
    assert (expected - mel_b).abs().max() > 1e-3
    assert run.synthesis.mel.shape[0] == run.synthesis.mu.shape[0] == 1 and run.synthesis.nfe == 2


def test_two_noise_takes_the_pitch_alone_from_a() -> None:
    """What else differs between the styles does not reach the result."""
    model, (a, b) = tiny_model(DOUBLE), styles()
    frames = frames_of(model, b)
    mask = random_mask(frames)

    def run(style: object, method: str) -> Tensor:
        return interpolate_frequency(model, frames, style, b, mask, Frequency(method=method), sampling()).synthesis.mel

    only_pitch, _ = same_voice(a, b)
    only_pitch = replace(only_pitch, energy=a.energy + 1, reference_mel=b.reference_mel)
    only_pitch = replace(only_pitch, reference_lengths=b.reference_lengths)
    for method in ("two-noise", "same-time"):
        same(run(only_pitch, method), run(a, method))
        assert (run(a, method) - plain(model, frames, b).mel).abs().max() > 1e-3
