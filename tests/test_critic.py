"""The critic that tells recordings' mels from made ones."""

from __future__ import annotations

import pytest
import torch

from model.critic import Critic
from model.lengths import sequence_mask

LENGTHS = torch.tensor([41, 24, 9])


def judged(critic: Critic, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mel, mu = torch.randn(2, 3, 80, 44, generator=generator)
    return mel, mu, sequence_mask(LENGTHS, 44, mel.dtype)


@pytest.fixture
def critic() -> Critic:
    torch.manual_seed(0)
    return Critic(channels=4)


@torch.no_grad()
def test_an_item_in_a_padded_batch_is_the_item_alone(critic):
    mel, mu, mask = judged(critic)
    batch = critic(mel, mu, mask)
    other = critic(*judged(critic, 1)[:2], mask)
    for i, length in enumerate(LENGTHS.tolist()):
        at = (slice(i, i + 1), slice(None), slice(length))
        alone = critic(mel[at], mu[at], mask[at])
        torch.testing.assert_close(batch.scores[i : i + 1, ..., : alone.scores.shape[3]], alone.scores)
        for wanted in (0.0, 1.0):
            torch.testing.assert_close(batch.distance(wanted)[i : i + 1], alone.distance(wanted))
        beside = critic(judged(critic, 1)[0][at], judged(critic, 1)[1][at], mask[at])
        torch.testing.assert_close(batch.unlike(other)[i : i + 1], alone.unlike(beside))


@torch.no_grad()
def test_what_lies_in_the_padding_does_not_matter(critic):
    mel, mu, mask = judged(critic)
    one, two = (critic(mel + 5 * noise * (1 - mask), mu, mask) for noise in (0, 1))
    assert torch.equal(one.distance(1), two.distance(1))
    assert torch.equal(one.unlike(one), torch.zeros(3))


@torch.no_grad()
def test_a_score_sees_35_frames_and_both_pictures(critic):
    mel, mu, _ = (part[:1].repeat(1, 1, 3) for part in judged(critic))
    mask = torch.ones(1, 1, mel.shape[2])
    before = critic(mel, mu, mask).scores
    place = 64  # under score 16
    for changed in ((torch.arange(132) == place).float(), (torch.arange(132) == 64 - 17).float()):
        assert not torch.equal(critic(mel + changed, mu, mask).scores[..., 16], before[..., 16])
        assert not torch.equal(critic(mel, mu + changed, mask).scores[..., 16], before[..., 16])
    for frame in (place - 18, place + 18):
        far = (torch.arange(132) == frame).float()
        torch.testing.assert_close(critic(mel + far, mu + far, mask).scores[..., 16], before[..., 16])


def test_it_learns_to_tell_noise_from_what_is_smooth(critic):
    optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(50):
        rough = torch.randn(4, 80, 32, generator=generator)
        smooth = torch.nn.functional.avg_pool1d(rough, 5, 1, 2)
        mu, mask = torch.zeros_like(rough), torch.ones(4, 1, 32)
        loss = (critic(smooth, mu, mask).distance(1) + critic(rough, mu, mask).distance(0)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 < 0.4 < losses[0]
