from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import params
from model.estimators.unet import UNet
from model.grad_tts import GradTTS, GradTTSConfig, crop_starts, cut, log_likelihood
from model.style import Style, StyleSource
from model.text_to_mel import Frames, Sampling, Synthesis

SMALL = {
    "n_symbols": 11,
    "speaker_channels": 6,
    "encoder": params.Encoder(
        channels=16, filter_channels=24, filter_channels_duration=12, layers=1, heads=2, prenet_layers=1
    ),
    "estimator": params.Estimator(name="unet", channels=8),
}
IDS = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 0, 0]])
LENGTHS = torch.tensor([5, 3])


def build(n_speakers: int) -> GradTTS:
    torch.manual_seed(0)
    model = GradTTS(GradTTSConfig(n_speakers=n_speakers, **SMALL)).eval()
    for name, parameter in model.named_parameters():
        if not parameter.any() and not name.endswith(".g"):  # attention without training explodes
            torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.constant_(model.encoder.proj_w.proj.bias, math.log(3.2))
    return model


@pytest.fixture(scope="module")
def single() -> GradTTS:
    return build(1)


@pytest.fixture(scope="module")
def several() -> GradTTS:
    return build(4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def mels() -> Tensor:
    return torch.randn(2, 80, 24, generator=seeded(3))


# Synthesis


def synthesise(model: GradTTS, steps: int, speaker: Tensor | None = None, **options) -> Synthesis:
    return model.synthesise(
        IDS, LENGTHS, StyleSource(speaker=speaker), Sampling(steps, **{"sampler": "euler", **options})
    )


def spread(model: GradTTS, length_scale: float = 1.0) -> Frames:
    return model.spread(model.encode(IDS, LENGTHS), length_scale)


def test_result_is_consistent(single: GradTTS) -> None:
    result = synthesise(single, 2, generator=seeded())
    longest = int(result.lengths.max())
    assert result.mel.shape == result.mu.shape == (2, 80, longest)
    assert result.alignment.shape == (2, 5, longest)
    assert torch.equal(result.alignment.sum(-1), result.durations)
    assert torch.equal(result.durations.sum(-1).long(), result.lengths)
    assert result.durations[1, 3:].tolist() == [0, 0]
    for i, length in enumerate(result.lengths.tolist()):
        assert (result.alignment[i, :, :length].sum(0) == 1).all()
        assert (result.mel[i, :, length:] == 0).all()
    with torch.no_grad():
        encoded = single.encoder(IDS, LENGTHS)
    first_token = result.mu[0, :, : int(result.durations[0, 0])]
    torch.testing.assert_close(first_token, encoded.mu[0, :, :1].expand_as(first_token))


def test_length_scale_multiplies_durations(single: GradTTS) -> None:
    plain, slow = spread(single), spread(single, 1.7)
    torch.testing.assert_close(slow.durations, 1.7 * plain.durations)
    assert torch.equal(slow.lengths, (1.7 * plain.durations).sum(1).long())
    assert slow.mu.shape[-1] % 4 == 0
    for wrong in (0.0, -1.0):
        with pytest.raises(ValueError, match="length_scale must be positive"):
            spread(single, wrong)


def test_seed_and_given_noise(single: GradTTS) -> None:
    first, again, other = (synthesise(single, 2, generator=seeded(s)).mel for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    noise = torch.randn(2, 80, spread(single).mu.shape[-1], generator=seeded(4))
    still = synthesise(single, 2, noise=noise, temperature=1.5).mel
    hotter = synthesise(single, 2, noise=noise / 2, temperature=0.75).mel
    torch.testing.assert_close(still, hotter)


@pytest.mark.parametrize("sampler", ["euler-quad", "ddim", "dpm++2m", "ml-sde"])
def test_samplers_are_chosen_by_name(single: GradTTS, sampler: str) -> None:
    chosen = synthesise(single, 3, sampler=sampler, generator=seeded()).mel
    assert chosen.isfinite().all()
    assert not torch.allclose(chosen, synthesise(single, 3, generator=seeded()).mel)


def test_what_samplers_refuse(single: GradTTS) -> None:
    with pytest.raises(ValueError, match="no sampler 'heun'; there are euler, "):
        synthesise(single, 3, sampler="heun")
    with pytest.raises(ValueError, match="at least 1 step"):
        synthesise(single, 0)


# Speakers


def test_speaker_changes_the_mel_but_neither_mu_nor_durations(several: GradTTS) -> None:
    """As in the official model of several speakers."""
    a, b = (synthesise(several, 2, speaker=torch.tensor([s, s]), generator=seeded()) for s in (0, 3))
    assert torch.equal(a.mu, b.mu)
    assert torch.equal(a.durations, b.durations)
    assert not torch.allclose(a.mel, b.mel, atol=1e-3)


def test_embeddings_can_be_given_for_ids(several: GradTTS) -> None:
    ids = torch.tensor([1, 2])
    by_id = synthesise(several, 2, speaker=ids, generator=seeded()).mel
    embedding = several.speaker_embedding(ids)
    assert torch.equal(synthesise(several, 2, speaker=embedding, generator=seeded()).mel, by_id)


def test_speakers_that_do_not_fit_are_refused(single: GradTTS, several: GradTTS) -> None:
    with pytest.raises(ValueError, match="one speaker"):
        synthesise(single, 1, speaker=torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="4 speakers: give the id"):
        synthesise(several, 1)
    for wrong in (4, -1):
        with pytest.raises(ValueError, match=r"0\.\.3"):
            synthesise(several, 1, speaker=torch.tensor([0, wrong]))


# Losses


def test_log_likelihood_is_that_of_a_unit_gaussian(mels: Tensor) -> None:
    mu = torch.randn(2, 80, 5, generator=seeded(1))
    gaussian = torch.distributions.Normal(mu[:, :, :, None], 1.0)
    expected = gaussian.log_prob(mels[:, :, None]).sum(1)  # (B, T_text, T)
    torch.testing.assert_close(log_likelihood(mu, mels), expected, rtol=1e-5, atol=1e-3)


def test_losses_are_what_they_say(single: GradTTS, mels: Tensor) -> None:
    frames = torch.tensor([24, 17])
    with torch.no_grad():
        losses = single.losses(IDS, LENGTHS, mels, frames, generator=seeded())
        encoded = single.encoder(IDS, LENGTHS)
    durations = losses.alignment.sum(-1)
    assert durations.sum(-1).tolist() == frames.tolist()
    errors = [(encoded.log_durations[i, 0, :n] - durations[i, :n].log()) ** 2 for i, n in enumerate(LENGTHS)]
    torch.testing.assert_close(losses.duration, torch.cat(errors).mean())
    nll = []
    for i, n in enumerate(frames):
        mu = torch.repeat_interleave(encoded.mu[i], durations[i].long(), dim=1)
        nll.append(-torch.distributions.Normal(mu, 1.0).log_prob(mels[i, :, :n]).flatten())
    torch.testing.assert_close(losses.prior, torch.cat(nll).mean())
    assert losses.diffusion > 0
    torch.testing.assert_close(losses.total, losses.duration + losses.prior + losses.diffusion)


def test_every_part_learns(several: GradTTS, mels: Tensor) -> None:
    losses = several.losses(IDS, LENGTHS, mels, torch.tensor([24, 17]), speaker=torch.tensor([0, 1]), crop_frames=8)
    parameters = dict(several.named_parameters())
    gradients = torch.autograd.grad(losses.total, list(parameters.values()), allow_unused=True)
    assert [name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None] == []


@torch.no_grad()
def test_crops_are_of_the_right_frames(single: GradTTS, mels: Tensor) -> None:
    """The prior loss of a crop is the likelihood of that crop's frames."""
    frames = torch.tensor([24, 6])
    whole = single.losses(IDS, LENGTHS, mels, frames, generator=seeded())
    cropped = single.losses(IDS, LENGTHS, mels, frames, crop_frames=8, generator=seeded(8))
    start = int(crop_starts(frames, 8, seeded(8))[0])
    assert start > 0
    mu = single.encoder(IDS, LENGTHS).mu @ whole.alignment
    nll = -torch.distributions.Normal(mu, 1.0).log_prob(mels)
    expected = torch.cat([nll[0, :, start : start + 8].flatten(), nll[1, :, :6].flatten()]).mean()
    torch.testing.assert_close(cropped.prior, expected)
    assert torch.equal(cropped.alignment, whole.alignment)
    assert torch.equal(cropped.duration, whole.duration)


@torch.no_grad()
def test_crop_longer_than_every_clip(single: GradTTS, mels: Tensor) -> None:
    losses = single.losses(IDS, LENGTHS, mels[:, :, :21], torch.tensor([21, 17]), crop_frames=32, generator=seeded())
    whole = single.losses(IDS, LENGTHS, mels, torch.tensor([21, 17]), generator=seeded())
    torch.testing.assert_close(losses.prior, whole.prior)
    assert losses.diffusion.isfinite()


def test_crop_starts_are_uniform_and_reach_the_last_one() -> None:
    starts = crop_starts(torch.tensor([12] * 3000 + [8, 3]), 8, seeded())
    counts = torch.bincount(starts[:3000], minlength=5)
    assert len(counts) == 5
    assert (counts > 500).all()
    assert starts[3000:].tolist() == [0, 0]


def test_cut() -> None:
    track = torch.arange(10.0).view(1, 1, 10).repeat(2, 1, 1)
    cropped = cut(track, torch.tensor([2, 8]), 4)
    assert cropped[:, 0].tolist() == [[2, 3, 4, 5], [8, 9, 0, 0]]


def test_more_symbols_than_frames_are_refused(single: GradTTS, mels: Tensor) -> None:
    with pytest.raises(ValueError, match="5 tokens but only 4 frames"):
        single.losses(IDS, LENGTHS, mels, torch.tensor([4, 17]))


# The U-Net by itself


def test_unet_refuses_what_it_cannot_use() -> None:
    network = UNet(8, speaker_channels=6)
    mu, mask = torch.zeros(1, 80, 6), torch.ones(1, 1, 6)
    speaker = Style.of_speaker(torch.zeros(1, 6))
    with pytest.raises(ValueError, match="multiple of 4, not 6"):
        network.prepare(mu, mask, speaker)
    with pytest.raises(ValueError, match="takes a speaker embedding"):
        network.prepare(mu[:, :, :4], mask[:, :, :4], Style.of_speaker(None))
    with pytest.raises(ValueError, match="takes no speaker"):
        UNet(8).prepare(mu[:, :, :4], mask[:, :, :4], speaker)
    condition = network.prepare(mu[:, :, :4], mask[:, :, :4], speaker)
    with pytest.raises(ValueError, match="no style attention"):
        network(mu[:, :, :4], torch.zeros(1), condition, attention=object())


@torch.no_grad()
def test_unet_is_zero_outside_the_mask() -> None:
    torch.manual_seed(0)
    network = UNet(8)
    mask = (torch.arange(8) < torch.tensor([[8], [5]]))[:, None].float()
    output = network(
        torch.randn(2, 80, 8), torch.tensor([0.1, 0.9]), network.prepare(torch.randn(2, 80, 8), mask, Style({}))
    )
    assert output.shape == (2, 80, 8)
    assert (output[1, :, 5:] == 0).all()
    assert (output[1, :, :5] != 0).all()
