"""Dropout that several processes with one batch draw alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.batch_share import drawn, is_shared


class Dropout(nn.Dropout):
    """torch's own; of a shared batch (`model.batch_share`), the rows of the mask that the whole batch would get.

    That takes the same sizes in all processes, so their shares are padded alike.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0 or not is_shared():
            return super().forward(x)
        kept = 1 - self.p
        mask = drawn(lambda shape: torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(kept), x.shape)
        return x * mask.div_(kept)
