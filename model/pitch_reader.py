"""A small net that looks at a noisy mel and at two drawn pitches, and says which of the two the mel has.

It scores one side's picture at a time, cell by cell, and the two sides' scores go through one softmax. With one
reference both scores are the same, so that they cancel exactly, whatever the weights are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FORMAT = "pitch reader 1"
_KERNELS = ((5, 5), (7, 5), (7, 5))  # (rows, frames) of the convolutions before the last


@dataclass(frozen=True)
class PitchReading:
    """Log-odds of side a against side b in every cell, (B, n_mels, T), and what a frame's mean is multiplied by."""

    log_odds: Tensor
    gain: Tensor

    @property
    def mass(self) -> Tensor:
        """m_a, a's part of the softmax over both sides' scores, (B, n_mels, T); b's is 1 - m_a."""
        return self.log_odds.sigmoid()

    def by_frame(self, cells: Tensor) -> Tensor:
        """a's part of every frame, (B, T), by the mean log-odds of its cells, weighted by `cells` (1 or B, n_mels, T).

        Log-odds are averaged and not m_a: evidence adds up, and a cell that cannot tell (m_a = 1/2) takes none away.
        Where a frame has no weight at all, all its rows count.
        """
        weight = torch.where(cells.sum(1, keepdim=True) > 0, cells, 1.0)
        return (self.gain * (self.log_odds * weight).sum(1) / weight.sum(1)).sigmoid()


class PitchReader(nn.Module):
    """Four convolutions over (c_in y~, a side's source picture), which also know the noise level and the row.

    It sees neither mu nor the voice, or the register that a voice usually has would decide, and not the latent.
    """

    def __init__(self, n_mels: int, channels: int = 16) -> None:
        super().__init__()
        self.n_mels = n_mels
        self.channels = channels
        self.convs = nn.ModuleList(
            nn.Conv2d(2 if i == 0 else channels, channels, kernel, padding=(kernel[0] // 2, kernel[1] // 2))
            for i, kernel in enumerate(_KERNELS)
        )
        self.level = nn.ModuleList(nn.Linear(1, channels) for _ in _KERNELS)
        self.row = nn.Parameter(torch.zeros(channels, n_mels, 1))
        self.score = nn.Conv2d(channels, 1, 1)
        self.log_gain = nn.Parameter(torch.tensor(math.log(4.0)))

    def scores(self, x: Tensor, log_s: Tensor, picture: Tensor) -> Tensor:
        """x, picture (B, n_mels, T), log_s (B,) -> one side's score of every cell, (B, n_mels, T)."""
        hidden = torch.stack([x, picture], 1)  # (B, 2, n_mels, T)
        for i, (conv, level) in enumerate(zip(self.convs, self.level, strict=True)):
            hidden = conv(hidden) + level(log_s[:, None])[:, :, None, None]  # (B, C, n_mels, T)
            hidden = F.silu(hidden + self.row if i == 0 else hidden)
        return self.score(hidden)[:, 0]

    def forward(self, x: Tensor, log_s: Tensor, picture_a: Tensor, picture_b: Tensor) -> PitchReading:
        """x (B, n_mels, T): c_in y~, as the estimator gets it; log_s (B,); both sides' pictures (B, n_mels, T)."""
        log_odds = self.scores(x, log_s, picture_a) - self.scores(x, log_s, picture_b)
        return PitchReading(log_odds, self.log_gain.exp())


def pack_reader(reader: PitchReader) -> dict[str, Any]:
    """What a reader's file holds, in half precision: plain values and tensors."""
    weights = {name: value.detach().half() for name, value in reader.state_dict().items()}
    return {"format": FORMAT, "n_mels": reader.n_mels, "channels": reader.channels, "weights": weights}


def unpack_reader(payload: Mapping[str, Any]) -> PitchReader:
    """The reader of a file, in evaluation mode, its weights frozen. Raises ValueError, one line, for anything else."""
    if payload.get("format") != FORMAT:
        raise ValueError(f"not a pitch reader ({FORMAT!r})")
    try:
        reader = PitchReader(payload["n_mels"], payload["channels"])
        reader.load_state_dict(payload["weights"])
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"its weights are no reader's ({' '.join(str(error).split())[:100]})") from error
    return reader.eval().requires_grad_(False)
