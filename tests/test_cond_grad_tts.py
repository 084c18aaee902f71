from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS, CondLosses, crop
from model.cond_text_encoder import CondTextEncoding, LocalNetwork, round_durations
from model.style import LOG_F0_CENTRE, LOG_F0_SCALE, TYPES, StyleSource, draw_known_types
from model.text_to_mel import Frames, Sampling, Synthesis
from monotonic_align import alignment_durations
from params import Style
from tests.tiny_model import N_MELS, in_dtype, one_item, random_style, seeded, tiny_model, tiny_params, without

DOUBLE = torch.float64
IDS = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 0, 0, 0]])
ID_LENGTHS = torch.tensor([6, 3])
MEL_LENGTHS = torch.tensor([18, 9])
PER_TOKEN = ("mu", "content", "voicing", "log_durations", "log_f0", "energy")


def training_style(dtype: torch.dtype = DOUBLE) -> StyleSource:
    return in_dtype(random_style(MEL_LENGTHS.tolist(), [24, 15]), dtype)


def mels(dtype: torch.dtype = DOUBLE) -> Tensor:
    """(2, n_mels, 18), with noise in the padding too."""
    return torch.randn(2, N_MELS, 18, generator=seeded(3)).to(dtype)


def losses(model: CondGradTTS, dtype: torch.dtype = DOUBLE, **options: object) -> CondLosses:
    return model.losses(IDS, ID_LENGTHS, mels(dtype), MEL_LENGTHS, training_style(dtype), **options)


@pytest.fixture
def model() -> CondGradTTS:
    return tiny_model(DOUBLE)


# The text encoder


def test_mu_sees_the_speaker_and_durations_the_emotion_too(model: CondGradTTS) -> None:
    speaker, emotion = torch.tensor([0, 1]), torch.tensor([0, 1])
    with torch.no_grad():
        plain = model.encoder(IDS, ID_LENGTHS, speaker, emotion)
        other_emotion = model.encoder(IDS, ID_LENGTHS, speaker, emotion + 1)
        other_speaker = model.encoder(IDS, ID_LENGTHS, speaker + 1, emotion)
    for name in ("mu", "content", "voicing"):
        assert torch.equal(getattr(plain, name), getattr(other_emotion, name))
        assert (getattr(plain, name) - getattr(other_speaker, name)).abs().max() > 0.01
    for name in ("log_durations", "log_f0", "energy"):
        for other in (other_emotion, other_speaker):
            assert (getattr(plain, name) - getattr(other, name)).abs().amax(1).min() > 1e-4
    assert not any(getattr(plain, name)[1, ..., 3:].any() for name in PER_TOKEN)


def test_a_text_in_a_padded_batch_is_the_text_alone(model: CondGradTTS) -> None:
    label = torch.tensor([2, 1])
    with torch.no_grad():
        batch = model.encoder(IDS, ID_LENGTHS, label, label)
        alone = model.encoder(IDS[1:, :3], ID_LENGTHS[1:], label[1:], label[1:])
    for name in (*PER_TOKEN, "mask"):
        torch.testing.assert_close(getattr(batch, name)[1:, ..., :3], getattr(alone, name), atol=1e-10, rtol=0)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(1e-4, 20), min_size=1, max_size=30), st.integers(0, 4))
def test_rounded_durations_keep_every_running_sum(expected: list[float], padding: int) -> None:
    durations = round_durations(torch.tensor([expected + [0.0] * padding]))
    assert durations.dtype == torch.long and durations.min() >= 0
    assert not durations[0, len(expected) :].any()
    assert torch.equal(durations[:, : len(expected)], round_durations(torch.tensor([expected])))
    exact, ends = torch.tensor(expected).double().cumsum(0), durations[0, : len(expected)].cumsum(0)
    assert (ends - exact)[:-1].abs().le(0.5).all()
    total = float(exact[-1])
    assert int(ends[-1]) >= 1
    assert abs(int(ends[-1]) - total) <= (0.5 if total >= 0.5 else 1.0)


def test_a_text_of_no_length_gets_one_frame_on_its_last_token() -> None:
    expected = torch.tensor([[0.1, 0.1, 0.1, 0.0, 0.0], [1.0, 1.2, 3.0, 0.9, 0.1]])
    assert round_durations(expected).tolist() == [[0, 0, 1, 0, 0], [1, 1, 3, 1, 0]]


# The network of a symbol and its neighbours


def test_it_adds_nothing_until_it_has_learned() -> None:
    torch.manual_seed(0)
    encoder = CondGradTTS(tiny_params(), 11, 5, 3).eval().encoder
    labels = torch.tensor([0, 1])
    with torch.no_grad():
        before = encoder(IDS, ID_LENGTHS, labels, labels)
        encoder.local = None
        after = encoder(IDS, ID_LENGTHS, labels, labels)
    assert before.mu.std() > 0.1
    assert torch.equal(before.mu, after.mu) and torch.equal(before.content, after.content)


def test_it_sees_two_neighbours_to_either_side() -> None:
    torch.manual_seed(0)
    network = LocalNetwork(4, 6, (3, 2)).double()
    nn.init.normal_(network.to_parts.weight)
    x = torch.randn(1, 4, 9, dtype=torch.float64, requires_grad=True)
    mu, content = network(x, torch.ones(1, 1, 9, dtype=torch.float64))
    assert mu.shape == (1, 3, 9) and content.shape == (1, 2, 9)
    for part in (mu, content):
        (gradient,) = torch.autograd.grad(part[..., 4].sum(), x, retain_graph=True)
        assert gradient[0].any(0).nonzero().flatten().tolist() == [2, 3, 4, 5, 6]


# Losses


def test_losses_are_finite_and_about_right(model: CondGradTTS) -> None:
    found = losses(model, generator=seeded(0))
    for value in (getattr(found, name) for name in found.counts):
        assert value.dim() == 0 and value.isfinite() and value > 0
    assert found.durations.sum(1).equal(MEL_LENGTHS) and not found.durations[1, 3:].any()
    assert (found.durations[0] > 0).all() and (found.durations[1, :3] > 0).all()
    of_encoder = losses(model, train_decoder=False)
    assert of_encoder.diffusion == 0 and of_encoder.prior == found.prior
    torch.testing.assert_close(of_encoder.mean, found.mean)


def test_losses_are_the_written_out_ones(model: CondGradTTS) -> None:
    found = losses(model, train_decoder=False)
    style = training_style()
    with torch.no_grad():
        text = model.encoder(IDS, ID_LENGTHS, style.speaker, style.emotion)
    mel = (mels() - model.mel_mean) / model.mel_std
    prior, duration, length, voicing, pitch, energy, cells, tokens = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0
    for i in range(2):
        owner = torch.repeat_interleave(torch.arange(6), found.durations[i])  # (T,) the token of each frame
        frames = slice(int(MEL_LENGTHS[i]))
        prior += 0.5 * float((text.mu[i][:, owner] - mel[i, :, frames]).square().sum())
        cells += N_MELS * len(owner)
        for logit, voiced in zip(text.voicing[i, owner].tolist(), style.voicing[i, frames].tolist(), strict=True):
            voicing += math.log1p(math.exp(-logit if voiced else logit))
        for p, count in list(zip(text.log_durations[i].tolist(), found.durations[i].tolist(), strict=True))[
            : int(ID_LENGTHS[i])
        ]:
            duration += math.exp(p) - count * p - count + count * math.log(count)
            tokens += 1
        expected, frame_count = float(text.log_durations[i, : int(ID_LENGTHS[i])].exp().sum()), len(owner)
        length += expected - frame_count * math.log(expected / frame_count) - frame_count
        size, ends = int(ID_LENGTHS[i]), found.durations[i].cumsum(0).double()
        middles = (ends - found.durations[i] / 2)[:size].numpy()
        for frame in range(int(MEL_LENGTHS[i])):
            height, loudness = (
                np.interp(frame + 0.5, middles, values[i, :size].numpy()) for values in (text.log_f0, text.energy)
            )
            target = (float(style.log_f0[i, frame]) - LOG_F0_CENTRE) / LOG_F0_SCALE
            pitch += abs(height - target) * float(style.voicing[i, frame])
            energy += abs(loudness - float(style.energy[i, frame]))
    voiced_frames = sum(float(style.voicing[i, : int(MEL_LENGTHS[i])].sum()) for i in range(2))
    assert found.pitch.item() == pytest.approx(pitch / voiced_frames)
    assert found.energy.item() == pytest.approx(energy / 27)
    assert found.prior.item() == pytest.approx(prior / cells)
    assert found.voicing.item() == pytest.approx(voicing / 27)
    assert found.duration.item() == pytest.approx(duration / tokens)
    assert found.length.item() == pytest.approx(0.1 * length / 2)


def test_exact_durations_cost_nothing(model: CondGradTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = losses(model, train_decoder=False)
    encode = model.encoder.forward

    def scaled(factor: float) -> Callable[..., CondTextEncoding]:
        logs = (plain.durations.clamp(min=1) * factor).double().log()

        def forward(*arguments: Tensor) -> CondTextEncoding:
            encoding = encode(*arguments)
            return replace(encoding, log_durations=logs * encoding.mask.squeeze(1))

        return forward

    costs = []
    for factor in (1.0, 1.1, 1 / 1.1):
        monkeypatch.setattr(model.encoder, "forward", scaled(factor))
        found = losses(model, train_decoder=False)
        costs.append([float(found.duration), float(found.length)])
    assert costs[0] == pytest.approx([0, 0], abs=1e-12)
    assert min(costs[1] + costs[2]) > 1e-3


def test_padding_changes_no_loss(model: CondGradTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = torch.tensor([0.7, -0.4], dtype=DOUBLE)
    noise = torch.randn(2, N_MELS, 20, generator=seeded(5), dtype=DOUBLE)

    def draws(items: slice) -> Callable[..., Tensor]:
        def standard_normal(shape: tuple[int, ...], like: Tensor, generator: object = None) -> Tensor:
            return levels[items] if len(shape) == 1 else noise[items, :, : shape[2]]

        return standard_normal

    monkeypatch.setattr("model.diffusion.standard_normal", draws(slice(2)))
    batch = losses(model)
    alone = []
    for i in range(2):
        at, tokens, frames = slice(i, i + 1), int(ID_LENGTHS[i]), int(MEL_LENGTHS[i])
        monkeypatch.setattr("model.diffusion.standard_normal", draws(at))
        alone.append(
            model.losses(
                IDS[at, :tokens],
                ID_LENGTHS[at],
                mels()[at, :, :frames],
                MEL_LENGTHS[at],
                one_item(training_style(), i),
            )
        )
        assert torch.equal(batch.durations[i, :tokens], alone[i].durations[0])
    for name, weights in (
        ("prior", MEL_LENGTHS),
        ("voicing", MEL_LENGTHS),
        ("mean", MEL_LENGTHS),
        ("diffusion", MEL_LENGTHS),
        ("duration", ID_LENGTHS),
        ("length", torch.ones(2)),
    ):
        share = weights.double() / weights.sum()
        expected = sum(share[i] * getattr(alone[i], name) for i in range(2))
        torch.testing.assert_close(getattr(batch, name), expected, atol=1e-9, rtol=0)


def test_the_decoder_shapes_the_content_and_not_mu(model: CondGradTTS) -> None:
    found = losses(model, generator=seeded(0))
    names = {name: parameter for name, parameter in model.named_parameters() if name.startswith("encoder.")}

    def moved(loss: Tensor) -> set[str]:
        gradients = torch.autograd.grad(loss, list(names.values()), allow_unused=True, retain_graph=True)
        return {name for name, value in zip(names, gradients, strict=True) if value is not None and value.any()}

    by_decoder, by_durations = moved(found.diffusion), moved(found.duration) | moved(found.length)
    assert "encoder.content.weight" in by_decoder and "encoder.text.emb.weight" in by_decoder
    assert not any(name.startswith("encoder.text.proj_m") for name in by_decoder)
    allowed = ("encoder.text.proj_w.", "encoder.duration_speaker.", "encoder.duration_emotion.")
    assert by_durations and all(name.startswith(allowed) for name in by_durations)


def test_a_crop_and_low_precision_train(model: CondGradTTS) -> None:
    found = losses(model, crop_frames=8, generator=seeded(0))
    again = losses(model, crop_frames=8, generator=seeded(0))
    assert found.diffusion == again.diffusion and found.diffusion.isfinite()
    low = tiny_model()
    plain, rough = (losses(low, torch.float32, autocast=dtype, generator=seeded(1)) for dtype in (None, torch.bfloat16))
    for name in ("prior", "duration", "diffusion"):
        value, exact = getattr(rough, name), getattr(plain, name)
        assert value.dtype == torch.float32 and value != exact
        assert value.item() == pytest.approx(exact.item(), rel=0.05)


# Alignment


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    for cuts in itertools.combinations(range(1, total), parts - 1):
        edges = (0, *cuts, total)
        yield tuple(after - before for before, after in itertools.pairwise(edges))


def test_alignment_is_the_most_likely_one(model: CondGradTTS) -> None:
    style = training_style()
    with torch.no_grad():
        text = model.encoder(IDS, ID_LENGTHS, style.speaker, style.emotion)
        mel = model.normalise(mels())
        found = model.align(text, ID_LENGTHS, mel, MEL_LENGTHS, None)

    def likelihood(durations: tuple[int, ...]) -> float:
        owner = torch.repeat_interleave(torch.arange(len(durations)), torch.tensor(durations))
        return float(-0.5 * (mel[1, :, :9] - text.mu[1][:, owner]).square().sum())

    assert tuple(found[1, :3].tolist()) == max(compositions(9, 3), key=likelihood)


def test_known_spans_confine_the_alignment(model: CondGradTTS) -> None:
    generator = seeded(6)
    free = losses(model, train_decoder=False).durations
    for _ in range(10):
        cuts = torch.randperm(17, generator=generator)[:5].sort().values + 1
        edges = torch.cat([torch.tensor([0]), cuts, torch.tensor([18])])
        spans = torch.zeros(2, 6, 2, dtype=torch.long)
        spans[0, :, 0], spans[0, :, 1] = edges[:-1], edges[1:]
        spans[1, :3] = torch.tensor([[0, 9]])  # says nothing
        exact = losses(model, train_decoder=False, token_spans=spans).durations
        assert torch.equal(exact[0], edges.diff())
        assert torch.equal(exact[1], free[1])
        loose = spans.clone()
        loose[0, :, 0] -= 2
        loose[0, :, 1] += 2
        ends = losses(model, train_decoder=False, token_spans=loose).durations[0].cumsum(0)
        assert (ends - edges[1:]).abs().max() <= 2
    fractional = spans.to(torch.float32)
    fractional[0, :, 1] -= 0.5  # frame i begins at i
    assert torch.equal(losses(model, train_decoder=False, token_spans=fractional).durations, exact)


# Crops


def ramp(lengths: list[int]) -> tuple[Frames, Tensor]:
    """Frames whose every entry tells its own number, counted from 1 (100 more for the mel), and 0 past the end."""
    longest = max(lengths)
    number = torch.arange(1, longest + 1, dtype=DOUBLE)[None] * (torch.arange(longest) < torch.tensor(lengths)[:, None])
    batch = len(lengths)
    frames = Frames(
        mu=number[:, None].expand(-1, 4, -1),
        content=2 * number[:, None, None].expand(-1, 2, 4, -1),
        voicing=3 * number,
        log_f0=6 * number,
        energy=7 * number,
        mask=(number > 0).double()[:, None],
        position=number,
        alignment=4 * number[:, None].expand(-1, 5, -1),
        durations=torch.ones(batch, 5, dtype=torch.long),
        lengths=torch.tensor(lengths),
    )
    return frames, 5 * number[:, None].expand(-1, 4, -1)


def test_a_crop_takes_the_same_stretch_of_everything_at_every_offset() -> None:
    lengths, size = [13, 10, 8, 3], 8
    frames, mel = ramp(lengths)
    seen: dict[int, list[int]] = {i: [] for i in range(4)}
    for seed in range(300):
        cropped, cut = crop(frames, mel, size, seeded(seed))
        assert cut.shape == (4, 4, size) and cropped.content.shape == (4, 2, 4, size)
        for i, length in enumerate(lengths):
            first = int(cropped.mu[i, 0, 0])
            seen[i].append(first - 1)
            kept = min(length, size)
            expected = torch.zeros(size, dtype=DOUBLE)
            expected[:kept] = torch.arange(first, first + kept)
            for factor, part in (
                (1, cropped.mu[i]),
                (2, cropped.content[i]),
                (3, cropped.voicing[i]),
                (4, cropped.alignment[i]),
                (5, cut[i]),
                (6, cropped.log_f0[i]),
                (7, cropped.energy[i]),
            ):
                assert torch.equal(part, (factor * expected).expand_as(part))
            assert torch.equal(cropped.mask[i, 0], (expected > 0).double())
            torch.testing.assert_close(cropped.position[i, :kept], (expected[:kept] - 0.5) / length)
        assert torch.equal(cropped.lengths, frames.lengths) and torch.equal(cropped.durations, frames.durations)
    for i, slack in enumerate((5, 2, 0, 0)):
        counts = [seen[i].count(offset) for offset in range(slack + 1)]
        assert sum(counts) == 300  # no offset outside
        assert min(counts) > 0.6 * 300 / (slack + 1)  # and all about as likely


def test_no_size_keeps_everything_and_pads_to_a_multiple_of_4() -> None:
    frames, mel = ramp([13, 7])
    cropped, cut = crop(frames, mel, None, seeded(0))
    assert cut.shape == (2, 4, 16)
    assert torch.equal(cut[..., :13], mel) and not cut[..., 13:].any()
    assert torch.equal(cropped.mu[..., :13], frames.mu) and not cropped.mu[..., 13:].any()
    assert cropped.mask.sum(-1).squeeze(1).tolist() == [13, 7]


def test_a_crop_longer_than_the_batch_is_padded() -> None:
    frames, mel = ramp([5, 3])
    cropped, cut = crop(frames, mel, 12)
    assert cut.shape == (2, 4, 12)
    assert cropped.mask.sum(-1).squeeze(1).tolist() == [5, 3]
    assert torch.equal(cut[..., :5], mel)


def dropping(probability: float, contours: float, everything: float) -> Style:
    return Style(drop_probability=probability, drop_contours_probability=contours, drop_all_probability=everything)


# Synthesis

CONTOURS = random_style([33, 14], [40, 19], seed=8)


def spread_text(
    model: CondGradTTS, ids: Tensor, lengths: Tensor, style: StyleSource, length_scale: float = 1.0
) -> Frames:
    return model.spread(model.encode(ids, lengths, style), length_scale)


def spread(model: CondGradTTS, length_scale: float = 1.0, style: StyleSource | None = None) -> Frames:
    chosen = in_dtype(CONTOURS, model.mel_mean.dtype) if style is None else style
    return spread_text(model, IDS, ID_LENGTHS, chosen, length_scale)


def decode(
    model: CondGradTTS, frames: Frames, style: StyleSource, steps: int, guidance_scale: float = 1.0, **options
) -> Synthesis:
    return model.decode(frames, style, Sampling(steps, **options), guidance_scale)


def test_spread_text_is_consistent(model: CondGradTTS) -> None:
    frames = spread(model)
    with torch.no_grad():
        text = model.encoder(IDS, ID_LENGTHS, CONTOURS.speaker, CONTOURS.emotion)
    assert frames.mu.shape[2] % 4 == 0 and frames.mu.shape[2] - int(frames.lengths.max()) < 4
    assert torch.equal(frames.durations.sum(1), frames.lengths)
    assert torch.equal(frames.alignment.sum(2).long(), frames.durations)
    assert not frames.durations[1, 3:].any()
    for i, length in enumerate(frames.lengths.tolist()):
        owner = torch.repeat_interleave(torch.arange(6), frames.durations[i])
        torch.testing.assert_close(frames.mu[i, :, :length], text.mu[i][:, owner])
        torch.testing.assert_close(frames.content[i, 0, :, :length], text.content[i][:, owner])
        torch.testing.assert_close(frames.voicing[i, :length], text.voicing[i, owner].sigmoid())
        torch.testing.assert_close(frames.position[i, :length], (torch.arange(length) + 0.5).double() / length)
        assert frames.mask[i, 0].tolist() == [1] * length + [0] * (frames.mu.shape[2] - length)
        assert not any(part[i, ..., length:].any() for part in (frames.mu, frames.content, frames.voicing))


def test_length_scale_multiplies_durations(model: CondGradTTS) -> None:
    style = in_dtype(CONTOURS, DOUBLE)
    with torch.no_grad():
        text = model.encoder(IDS, ID_LENGTHS, style.speaker, style.emotion)
    for scale in (0.3, 1.0, 2.7):
        total = (text.log_durations.exp() * text.mask.squeeze(1)).sum(1) * scale
        assert (spread(model, scale).lengths - total).abs().max() <= 0.5
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="length_scale must be positive"):
            spread(model, wrong)


def test_the_shortest_texts_are_those_of_their_own(model: CondGradTTS) -> None:
    """Where everything is shorter than a frame, too, a padded text is the text alone."""
    style = in_dtype(CONTOURS, DOUBLE)
    batch = spread(model, 0.01)
    assert batch.lengths.tolist() == [1, 1]
    alone = spread_text(model, IDS[1:, :3], ID_LENGTHS[1:], one_item(style, 1), 0.01)
    torch.testing.assert_close(batch.mu[1:], alone.mu)
    assert alone.mu.abs().max() > 0.01
    assert torch.equal(batch.durations[1, :3], alone.durations[0])


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (DOUBLE, 1e-9)])
def test_an_item_in_a_batch_is_the_item_alone(dtype: torch.dtype, tolerance: float, guidance: float) -> None:
    model, style = tiny_model(dtype), in_dtype(CONTOURS, dtype)
    frames = spread(model)
    noise = torch.randn(frames.mu.shape, generator=seeded(2)).to(dtype)
    batch = decode(model, frames, style, 3, temperature=1.5, noise=noise, guidance_scale=guidance)
    for i in range(2):
        at, tokens = slice(i, i + 1), int(ID_LENGTHS[i])
        own = one_item(style, i)
        own_frames = spread_text(model, IDS[at, :tokens], ID_LENGTHS[at], own)
        own_noise = noise[at, :, : own_frames.mu.shape[2]]
        alone = decode(model, own_frames, own, 3, temperature=1.5, noise=own_noise, guidance_scale=guidance)
        length = int(alone.lengths)
        assert int(batch.lengths[i]) == length == alone.mel.shape[2]
        torch.testing.assert_close(batch.mel[at, :, :length], alone.mel, atol=tolerance, rtol=0)
        torch.testing.assert_close(batch.mu[at, :, :length], alone.mu, atol=tolerance, rtol=0)
        torch.testing.assert_close(batch.alignment[at, :tokens, :length], alone.alignment)


def test_seeds_decide(model: CondGradTTS) -> None:
    frames, style = spread(model), in_dtype(CONTOURS, DOUBLE)
    first, again, other = (decode(model, frames, style, 2, generator=seeded(s)).mel for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    whole = model.synthesise(IDS, ID_LENGTHS, style, Sampling(2, generator=seeded(1)))
    assert torch.equal(whole.mel, first)
    assert whole.mel.shape == whole.mu.shape == (2, N_MELS, int(whole.lengths.max()))
    torch.testing.assert_close(whole.mu, (frames.mu * model.mel_std + model.mel_mean)[..., : whole.mu.shape[2]])


def test_guidance_moves_away_from_no_style_at_twice_the_cost(model: CondGradTTS) -> None:
    frames, style = spread(model), in_dtype(CONTOURS, DOUBLE)
    calls = []
    handle = model.decoder.estimator.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))

    def guided(scale: float, given: StyleSource = style) -> Tensor:
        calls.clear()
        result = decode(model, frames, given, 1, guidance_scale=scale, generator=seeded(0))
        assert (result.nfe, calls) == ((1, [2]) if scale == 1 else (2, [4]))  # items of every call
        return result.mel

    plain, nothing, strong = guided(1.0), guided(0.0), guided(2.5)
    handle.remove()
    torch.testing.assert_close(decode(model, frames, style, 1, generator=seeded(0)).mel, plain)
    no_contours = dict.fromkeys(("pitch", "energy"), torch.zeros(2, dtype=torch.bool))
    free = decode(model, frames, StyleSource(known=no_contours), 1, generator=seeded(0)).mel
    torch.testing.assert_close(nothing, free)
    # With one step the result is the prediction itself.
    torch.testing.assert_close(strong, free + 2.5 * (plain - free))
    assert (plain - free).abs().max() > 0.01


def test_what_a_style_leaves_open_is_predicted(model: CondGradTTS) -> None:
    frames, style = spread(model), in_dtype(CONTOURS, DOUBLE)
    nothing = without(style, "pitch", "energy")
    completed = model.complete(nothing, frames)
    assert completed.log_f0 is frames.log_f0 and completed.energy is frames.energy
    assert torch.equal(completed.contour_lengths, frames.lengths)
    assert torch.equal(completed.voicing, (frames.voicing > 0.5).double())
    plain = decode(model, frames, nothing, 1, generator=seeded(0)).mel
    torch.testing.assert_close(decode(model, frames, completed, 1, generator=seeded(0)).mel, plain)

    given = replace(nothing, log_f0=frames.log_f0 + 0.3, voicing=completed.voicing, contour_lengths=frames.lengths)
    assert model.complete(given, frames).log_f0 is given.log_f0
    assert model.complete(given, frames).energy is frames.energy
    # A contour at its own length is carried by attention; a predicted one beside it would be at another length.
    elsewhere = without(style, "energy")
    assert model.complete(elsewhere, frames).energy is None
    assert model.complete(style, frames) is style


@pytest.mark.parametrize("missing", ["pitch", "energy"])
def test_an_item_is_completed_whatever_the_lengths_of_the_others_contours(model: CondGradTTS, missing: str) -> None:
    lengths = spread(model).lengths.tolist()
    for contours in ([lengths[0], lengths[1] + 4], [lengths[0] + 3, lengths[1]], [lengths[0] - 1, lengths[1] + 40]):
        style = in_dtype(random_style(contours, [24, 15]), DOUBLE)
        style = replace(style, speaker=CONTOURS.speaker, emotion=CONTOURS.emotion)
        frames = spread(model)
        noise = torch.randn(frames.mu.shape, generator=seeded(1), dtype=DOUBLE)
        together = decode(model, frames, without(style, missing), 1, noise=noise).mel
        for i, length in enumerate(lengths):
            own = one_item(style, i)
            alone = spread_text(model, IDS[i : i + 1, : ID_LENGTHS[i]], ID_LENGTHS[i : i + 1], own)
            given = without(own, missing)
            mel = decode(model, alone, given, 1, noise=noise[i : i + 1, :, : alone.mu.shape[2]]).mel
            torch.testing.assert_close(together[i : i + 1, :, :length], mel)


def test_options_are_checked(model: CondGradTTS) -> None:
    frames, style = spread(model), in_dtype(CONTOURS, DOUBLE)
    with pytest.raises(ValueError, match="no sampler 'heun'; there are euler, "):
        decode(model, frames, style, 2, sampler="heun")
    with pytest.raises(ValueError, match="temperature must be positive"):
        decode(model, frames, style, 2, temperature=0.0)
    with pytest.raises(ValueError, match="at least 1 step"):
        decode(model, frames, style, 0)


def test_temperature_divides_the_noise(model: CondGradTTS) -> None:
    frames, style = spread(model), in_dtype(CONTOURS, DOUBLE)
    noise = torch.randn(frames.mu.shape, generator=seeded(4), dtype=DOUBLE)
    one = decode(model, frames, style, 2, temperature=2.0, noise=noise).mel
    two = decode(model, frames, style, 2, temperature=1.0, noise=noise / 2).mel
    torch.testing.assert_close(one, two)


# Default timbre


def test_a_speaker_without_a_reference_has_the_default_one(model: CondGradTTS) -> None:
    labels = StyleSource(speaker=torch.tensor([3, 1]), emotion=torch.tensor([0, 2]))
    explicit = replace(
        labels,
        reference_mel=model.default_reference[[3, 1]],
        reference_lengths=torch.tensor([90, 50]),
    )
    frames = spread(model, style=labels)
    given, default = (decode(model, frames, style, 2, generator=seeded(0)).mel for style in (explicit, labels))
    torch.testing.assert_close(given, default)
    assert explicit.reference_mel.shape == (2, N_MELS, REFERENCE_FRAMES)
    unknown = replace(explicit, known={"timbre": torch.tensor([False, False])})
    assert (decode(model, frames, unknown, 2, generator=seeded(0)).mel - given).abs().max() > 1e-3


def test_defaults_do_not_replace_what_is_given(model: CondGradTTS) -> None:
    style = in_dtype(CONTOURS, DOUBLE)
    assert model.with_default_timbre(style) is style
    embeddings = StyleSource(speaker=torch.randn(2, 5))
    assert model.with_default_timbre(embeddings) is embeddings
    nothing = StyleSource()
    assert model.with_default_timbre(nothing) is nothing
    dropped = StyleSource(speaker=torch.tensor([0, 1]), known={"timbre": torch.tensor([True, False])})
    assert model.with_default_timbre(dropped).known["timbre"].tolist() == [True, False]


def test_a_speaker_without_a_default_stays_unknown_and_harms_no_other() -> None:
    model = copy.deepcopy(tiny_model(DOUBLE))
    model.default_reference_lengths[0] = 0
    style = StyleSource(speaker=torch.tensor([3, 0]), emotion=torch.tensor([0, 2]))
    frames = spread(model, style=style)
    noise = torch.randn(frames.mu.shape, generator=seeded(4), dtype=DOUBLE)
    batch = decode(model, frames, style, 2, noise=noise)
    assert batch.mel.isfinite().all()
    for i in range(2):
        at = slice(i, i + 1)
        own = StyleSource(speaker=style.speaker[at], emotion=style.emotion[at])
        own_frames = spread_text(model, IDS[at, : int(ID_LENGTHS[i])], ID_LENGTHS[at], own)
        alone = decode(model, own_frames, own, 2, noise=noise[at, :, : own_frames.mu.shape[2]]).mel
        torch.testing.assert_close(batch.mel[at, :, : alone.shape[2]], alone, atol=1e-9, rtol=0)
    model.default_reference_lengths.zero_()
    assert model.with_default_timbre(style) is style


# Condition dropout


def test_types_are_dropped_as_often_as_told() -> None:
    count = 40000
    known = draw_known_types(dropping(0.2, 0.25, 0.05), count, seeded(0))
    assert set(known) == set(TYPES)
    for name in TYPES:
        assert known[name].shape == (count,) and known[name].dtype == torch.bool
        expected = 0.8 * 0.95 * (0.75 if name in ("pitch", "energy") else 1)
        assert known[name].float().mean() == pytest.approx(expected, abs=0.01)
    stacked = torch.stack([known[name] for name in TYPES])
    alone = 0.95 * 0.2**3 * (0.75 * 0.2**2 + 0.25)
    assert (~stacked).all(0).float().mean() == pytest.approx(0.05 + alone, abs=0.005)
    neither = (~known["pitch"] & ~known["energy"]).float().mean()
    assert neither == pytest.approx(0.05 + 0.95 * (0.25 + 0.75 * 0.04), abs=0.01)
    timbre_and_speaker = (~known["timbre"] & ~known["speaker"]).float().mean()  # by themselves, but for everything
    assert timbre_and_speaker == pytest.approx(0.05 + 0.95 * 0.04, abs=0.01)


def test_the_generator_decides_what_is_dropped() -> None:
    one, same, other = (draw_known_types(dropping(0.2, 0.2, 0.05), 64, seeded(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in TYPES)
    assert any(not torch.equal(one[name], other[name]) for name in TYPES)
    assert all(known.all() for known in draw_known_types(dropping(0, 0, 0), 9).values())
    assert not any(known.any() for known in draw_known_types(dropping(0, 0, 1), 9).values())


# Details of the exact parts


def test_alignment_is_that_of_the_likelihood_written_out(model: CondGradTTS) -> None:
    """Means of very different size, so that every part of the likelihood decides."""
    lengths, mel_lengths = torch.tensor([5, 7]), torch.tensor([19, 26])
    for seed in range(20):
        generator = seeded(seed)
        size = 4 * torch.rand(2, 1, 7, generator=generator, dtype=DOUBLE)
        mu = size * torch.randn(2, N_MELS, 7, generator=generator, dtype=DOUBLE)
        mel = 2 * torch.randn(2, N_MELS, 26, generator=generator, dtype=DOUBLE)
        nothing = mu.new_zeros(2, 7)
        text = CondTextEncoding(mu, nothing, nothing, nothing, nothing, mu, torch.ones(2, 1, 7, dtype=DOUBLE))
        found = model.align(text, lengths, mel, mel_lengths, None)
        likelihood = -0.5 * (mel[:, :, None] - mu[..., None]).square().sum(1)  # (2, 7, 26)
        assert torch.equal(found, alignment_durations(likelihood, lengths, mel_lengths))


def test_the_search_gets_no_graph(model: CondGradTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def search(value: Tensor, *lengths: Tensor) -> Tensor:
        given.append(value)
        return alignment_durations(value, *lengths)

    monkeypatch.setattr("model.cond_grad_tts.alignment_durations", search)
    assert losses(model, train_decoder=False).prior.requires_grad
    assert not given[0].requires_grad


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_the_decoder_runs_in_the_precision_that_is_asked_for(dtype: torch.dtype | None) -> None:
    model, seen = tiny_model(), []
    handle = model.decoder.estimator.register_forward_hook(
        lambda *_: seen.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None)
    )
    losses(model, torch.float32, autocast=dtype, generator=seeded(1))
    handle.remove()
    assert seen == [dtype]


def test_a_crop_longer_than_the_batch_is_empty_past_every_length() -> None:
    frames, mel = ramp([5, 3])
    cropped, cut = crop(frames, mel, 12)
    for part in (cropped.mu, cropped.content, cropped.voicing, cropped.alignment, cut):
        assert part[0, ..., :5].all() and not part[0, ..., 5:].any()
        assert part[1, ..., :3].all() and not part[1, ..., 3:].any()


def test_a_probability_of_zero_never_drops_and_one_of_a_half_drops_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda *shape, generator=None: torch.zeros(shape))
    assert all(known.all() for known in draw_known_types(dropping(0, 0, 0), 3).values())
    monkeypatch.setattr(torch, "rand", lambda *shape, generator=None: torch.full(shape, 0.5))
    assert all(known.all() for known in draw_known_types(dropping(0.5, 0.5, 0.5), 3).values())


def test_long_texts_are_rounded_without_loss() -> None:
    """The end of the second token, 100001.498, has no neighbour that near in single precision."""
    assert round_durations(torch.tensor([[100001.0, 0.498]])).tolist() == [[100001, 0]]
