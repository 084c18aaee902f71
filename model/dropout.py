"""Dropout that several processes with one batch draw alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.batch_share import drawn


class Dropout(nn.Dropout):
    """torch's own, but what is dropped depends on the sizes alone, not on the memory layout.

    Of a shared batch (`model.batch_share`) it drops what the whole batch's would in these rows; all processes must have
    the same sizes then, so their shares are padded alike.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = 1 - self.p
        mask = drawn(lambda shape: torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(kept), x.shape)
        return x * mask.div_(kept)
