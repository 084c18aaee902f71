"""The benchmark of peers: durations that are said beforehand, and processes that speak or say why not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.errors import InputError
from speed.peer_speech import SYSTEMS, _FixedDurations
from speed.peers import SYSTEMS as EXPLAINED
from speed.peers import _System


class _Encoder(nn.Module):
    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return torch.zeros(1, 80, 5), torch.randn(1, 1, 5), torch.ones(1, 1, 5)


def test_both_peers_round_the_durations_that_are_said_up_to_themselves():
    encoder = _FixedDurations(_Encoder())
    encoder.durations = torch.tensor([0, 1, 7, 300, 2])
    _, log_durations, _ = encoder(torch.zeros(1, 5, dtype=torch.long))
    assert torch.equal(log_durations.exp().ceil(), encoder.durations[None, None].float())


def test_every_system_is_explained():
    assert EXPLAINED.keys() == SYSTEMS.keys()


def test_a_system_that_cannot_speak_says_why(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text('{"threads": 1, "texts": []}', encoding="utf-8")
    with pytest.raises(InputError, match="'nobody'"):
        _System("nobody", plan)
