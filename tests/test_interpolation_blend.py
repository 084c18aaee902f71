"""What the decoder reads between two styles: attention at every site, pictures, frames; and two latents joined."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import librosa
import pytest
import torch
from torch import Tensor

from model.interpolation import KINDS, Linear, SameTime, Staged, Temporal, TwoNoise
from model.interpolation.carry import crossing_by_token, spread_over_frames
from model.interpolation.joined import JoinedDenoiser, exchange_fine_structure, smoothing_matrix
from model.interpolation.plan import common_frames
from model.sampling import SAMPLERS
from model.style_pictures import FrameContours, Pictures, blend_pitch
from model.text_to_mel import Blend, Frames
from tests.denoisers import WavyDenoiser
from tests.tiny_model import N_MELS, seeded, tiny_model, without
from tests.two_styles import (
    DOUBLE,
    between,
    frames_of,
    plain,
    random_mask,
    readings,
    same_voice,
    sampling,
    spread,
    styles,
    text,
    transfer,
)


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["typed", "bundled"])
def test_left_of_the_crossing_everything_is_of_a_and_right_of_it_of_b(kind: str) -> None:
    model = tiny_model(DOUBLE, kind)
    estimator = model.decoder.estimator
    a, b = styles()
    share = crossing_by_token(text()[0][0], 0.5, 0)
    both = readings(model, *text(), a, b)
    frames_a, frames_b = common_frames(model, *both, share, 1.0)
    size = frames_a.mask.shape[2]
    assert size != N_MELS
    by_frame = spread_over_frames(share, frames_a.alignment[0], int(frames_a.lengths[0]))
    at = int(by_frame.sum())
    assert 4 <= at <= size - 8
    same(by_frame, (torch.arange(size) < at).double())
    plan = Temporal(0.5, cross_width=0).plan(model, *both)
    frames = plan.frames
    for name in ("mu", "content", "voicing"):
        mixed, of_a, of_b = (getattr(each, name) for each in (frames, frames_a, frames_b))
        same(mixed[..., :at], of_a[..., :at])
        same(mixed[..., at:], of_b[..., at:])
        assert (of_a - of_b).abs().max() > 1e-3

    seen: dict[str, tuple[Tensor, Tensor]] = {}
    sites = estimator.attention_sites()
    handles = [
        site.register_forward_hook(lambda _, given, out, name=name: seen.update({name: (given[0], out)}))
        for name, (_, site) in sites.items()
    ]
    blended = plan.blended(model)
    noise = torch.randn(frames.mu.shape, generator=seeded(0), dtype=DOUBLE)
    blended.x0(frames.mu + noise, 0.4)
    for handle in handles:
        handle.remove()

    of_a, of_b = (model.condition(frames, model.style(style, 1)) for style in (a, b))
    pictures_a, pictures_b = of_a.pictures.stacked(), of_b.pictures.stacked()
    same(blended.condition.pictures.stacked()[..., :at], pictures_a[..., :at])
    same(blended.condition.pictures.stacked()[..., at:], pictures_b[..., at:])
    assert ((pictures_a - pictures_b).abs().amax((0, 2, 3)) > 1e-3).tolist() == [False, True, True, False]
    for name, (level, site) in sites.items():
        x, output = seen[name]
        plain_a, plain_b = (site(x, condition.sites[name]) for condition in (of_a, of_b))
        left, right = at // 2**level, math.ceil(at / 2**level)
        same(output[..., :left], plain_a[..., :left])
        same(output[..., right:], plain_b[..., right:])
        assert (plain_a - plain_b).abs().max() > 1e-3


def test_common_durations_lie_between_and_end_on_the_plain_ones() -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    both = readings(model, *text(), a, b)

    def common(weight: float, scale: float) -> tuple[Frames, Frames]:
        return common_frames(model, *both, torch.full((both[0].text.mu.shape[2],), weight), scale)

    for weight, style in ((1.0, a), (0.0, b)):
        own = common(weight, 1.4)[0]
        assert torch.equal(own.durations, spread(model, *text(), style, 1.4).durations)
    middle = common(0.5, 30.0)[0].durations.double()
    ends = [common(weight, 30.0)[0].durations.double() for weight in (0.0, 1.0)]
    assert (ends[0] - ends[1]).abs().max() > 5
    torch.testing.assert_close(middle, (ends[0] * ends[1]).sqrt(), atol=1.5, rtol=0)  # rounded to frames
    first, second = common(0.5, 1.0)
    assert torch.equal(first.durations, second.durations) and not torch.equal(first.mu, second.mu)


def test_interpolations_use_the_common_frames() -> None:
    model, (a, b) = tiny_model(DOUBLE), styles()
    linear = between(model, *text(), a, b, Linear(0.3), sampling())
    share = torch.full((len(text()[0][0]),), 0.3)
    frames_a, frames_b = common_frames(model, *readings(model, *text(), a, b), share, 1.0)
    assert torch.equal(linear.plan.frames.durations, frames_a.durations)
    torch.testing.assert_close(linear.plan.frames.mu, 0.3 * frames_a.mu + 0.7 * frames_b.mu, atol=1e-6, rtol=0)
    torch.testing.assert_close(linear.field, torch.full_like(frames_a.mu, 0.3), atol=1e-6, rtol=0)
    temporal = between(model, *text(), a, b, Temporal(0.5, cross_width=0.6), sampling())
    field = temporal.field[0, 0, : int(temporal.plan.frames.lengths[0])]
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
    of_a, of_b = (pictures.contours(model.style(style, 1), frames.mu, frames.position) for style in (a, b))
    even = torch.full_like(frames.mu, 0.3)

    def drawn(weight: dict[str, Tensor], style: object = a) -> Pictures:
        return model.denoiser(frames, style, Blend(b, weight)).condition.pictures

    one_comb = pictures.draw_pitch(blend_pitch(of_a, of_b, even[:, 0])) * frames.mask
    pitch_a, pitch_b = (pictures.draw_pitch(contours) * frames.mask for contours in (of_a, of_b))
    energy_a, energy_b = (pictures.draw_energy(contours) * frames.mask for contours in (of_a, of_b))
    two_combs = 0.3 * pitch_a + 0.7 * pitch_b
    same(drawn({"pitch": even}).pitch, one_comb)
    assert (one_comb - two_combs).abs().max() > 0.02
    uneven = even.clone()
    uneven[:, 3, 2] = 0.9
    expected = two_combs.clone()
    expected[:, 3, 2] = 0.9 * pitch_a[:, 3, 2] + 0.1 * pitch_b[:, 3, 2]
    same(drawn({"pitch": uneven}).pitch, expected)
    # Energy's picture is the same in all rows: both ways are one.
    same(drawn({"energy": even}).energy, 0.3 * energy_a + 0.7 * energy_b)
    same(drawn({"energy": uneven}).energy[:, 4], (0.3 * energy_a + 0.7 * energy_b)[:, 4])
    # A type that is left out is b's, in pictures as in attention; the others do not move.
    only_b = drawn({})
    same(only_b.pitch, pitch_b)
    same(only_b.energy, energy_b)
    for name in ("mu", "energy", "content"):
        same(getattr(drawn({"pitch": even}), name), getattr(only_b, name))
    # Unknown on one side: no contour to blend with, so the pictures do.
    unknown = model.style(without(a, "pitch"), 1)
    of_unknown = pictures.draw_pitch(pictures.contours(unknown, frames.mu, frames.position)) * frames.mask
    same(drawn({"pitch": even}, unknown).pitch, 0.3 * of_unknown + 0.7 * pitch_b)


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
    for settings in (SameTime(), Staged(decided_by="attention", epoch=0)):
        mel = transfer(model, frames, b, b, mask, settings, sampling()).synthesis.mel
        torch.testing.assert_close(mel, expected, atol=1e-5, rtol=0)


# Two latents


def joint(envelopes: bool = False) -> tuple[JoinedDenoiser, WavyDenoiser, WavyDenoiser]:
    mu = 0.3 * torch.randn(1, N_MELS, 6, generator=seeded(0), dtype=DOUBLE)
    a, b = WavyDenoiser(mu), WavyDenoiser(mu + 0.5)
    mask = torch.rand(1, N_MELS, 6, generator=seeded(1), dtype=DOUBLE)
    smoothing = torch.full((N_MELS, N_MELS), 1 / N_MELS, dtype=DOUBLE) if envelopes else None
    mean = torch.randn(N_MELS, 1, generator=seeded(2), dtype=DOUBLE)
    deviation = 1 + torch.rand(N_MELS, 1, generator=seeded(3), dtype=DOUBLE)
    return JoinedDenoiser(a, b, mu, mask, smoothing, mean, deviation), a, b


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_reads_each_pitch_once_a_step(sampler: str) -> None:
    denoiser, a, b = joint()
    ones = torch.ones(1, 1, 6, dtype=DOUBLE)
    start = SAMPLERS[sampler].start(denoiser.schedule, denoiser.mu, ones, generator=seeded(4))
    SAMPLERS[sampler](denoiser, start, denoiser.mu, ones, 5, generator=seeded(5))
    assert len(a.calls) == len(b.calls) == 5
    assert all(torch.equal(one[1], other[1]) for one, other in zip(a.calls, b.calls, strict=True))


def test_the_joint_prediction_has_bs_envelope_and_as_fine_structure() -> None:
    denoiser, a, b = joint(envelopes=True)
    x = torch.randn(1, N_MELS, 6, generator=seeded(6), dtype=DOUBLE)
    mask = denoiser.mask
    for predicted in (lambda each: each.x0(x, 0.3), lambda each: each.expected()):
        mel_a, mel_b = (predicted(each) * denoiser.mel_std + denoiser.mel_mean for each in (a, b))
        level_a, level_b = mel_a.mean(1, keepdim=True), mel_b.mean(1, keepdim=True)  # this smoothing's envelopes
        expected = level_b + mask * (mel_a - level_a) + (1 - mask) * (mel_b - level_b)
        same(predicted(denoiser) * denoiser.mel_std + denoiser.mel_mean, expected)
    raw, a, b = joint()
    same(raw.x0(x, 0.3), raw.mask * a.x0(x, 0.3) + (1 - raw.mask) * b.x0(x, 0.3))
    score = raw.score(x, 0.3)
    alpha, sigma = raw.schedule.alpha(0.3), raw.schedule.sigma(0.3)
    same(score, (alpha * (raw.x0(x, 0.3) - raw.mu) - (x - raw.mu)) / sigma**2)


@torch.no_grad()
def test_one_evaluation_joins_the_two_plain_mels() -> None:
    model, (_, b) = tiny_model(DOUBLE), styles()
    frames, once = frames_of(model, b), replace(sampling(), steps=1)
    a = replace(b, log_f0=b.log_f0 + 0.3 * torch.randn(b.log_f0.shape, generator=seeded(1), dtype=DOUBLE))
    mask = random_mask(frames)
    mel_a, mel_b = (model.decode(frames, style, replace(once, generator=sampling().generator)).mel for style in (a, b))
    run = transfer(model, frames, a, b, mask, TwoNoise(), once)
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
        return transfer(model, frames, style, b, mask, KINDS[method](), sampling()).synthesis.mel

    only_pitch, _ = same_voice(a, b)
    only_pitch = replace(only_pitch, energy=a.energy + 1, reference_mel=b.reference_mel)
    only_pitch = replace(only_pitch, reference_lengths=b.reference_lengths)
    for method in ("two-noise", "same-time"):
        same(run(only_pitch, method), run(a, method))
        assert (run(a, method) - plain(model, frames, b).mel).abs().max() > 1e-3
