"""From symbols to the averaged mel of each, and to its duration."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

import params
from model.lengths import sequence_mask
from model.randomness import Dropout
from model.text_layers import LayerNorm, Prenet, Transformer


class DurationPredictor(nn.Module):
    """Two convolutions with ReLU, norm and dropout (Glow-TTS, arXiv 2005.11129, appendix A)."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size, padding=kernel_size // 2)
        self.norm_1 = LayerNorm(filter_channels)
        self.conv_2 = nn.Conv1d(filter_channels, filter_channels, kernel_size, padding=kernel_size // 2)
        self.norm_2 = LayerNorm(filter_channels)
        self.proj = nn.Conv1d(filter_channels, 1, 1)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Natural logarithm of the frames of each token; (B, C, T) and (B, 1, T) to (B, 1, T)."""
        x = self.drop(self.norm_1(self.conv_1(x * mask).relu()))
        x = self.drop(self.norm_2(self.conv_2(x * mask).relu()))
        return self.proj(x * mask) * mask


@dataclass(frozen=True)
class TextEncoding:
    """mu (B, n_mels, T), log_durations (B, 1, T), mask (B, 1, T), hidden (B, C, T); all are zero outside the mask."""

    mu: Tensor
    log_durations: Tensor
    mask: Tensor
    hidden: Tensor


class TextEncoder(nn.Module):
    """The official text encoder with its duration predictor (Grad-TTS, arXiv 2105.06337, section 3.4).

    `forward` knows no speaker, as in the official code. A model that wants one calls the parts: `embed`, `encoder`,
    `proj_m`, `proj_w`.

    Args:
        n_symbols: size of the symbol table, the blank included.
        n_mels: rows of mu.
        config: sizes.
    """

    def __init__(self, n_symbols: int, n_mels: int, config: params.Encoder) -> None:
        super().__init__()
        channels = config.channels
        self.channels = channels
        self.emb = nn.Embedding(n_symbols, channels)
        nn.init.normal_(self.emb.weight, 0.0, channels**-0.5)
        self.prenet = Prenet(channels, config.prenet_layers, config.prenet_dropout)
        self.encoder = Transformer(
            channels,
            config.filter_channels,
            config.layers,
            config.heads,
            config.kernel_size,
            config.window_size,
            config.dropout,
        )
        self.proj_m = nn.Conv1d(channels, n_mels, 1)
        self.proj_w = DurationPredictor(channels, config.filter_channels_duration, config.kernel_size, config.dropout)

    def embed(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Symbols through the embedding and the prenet.

        Args:
            ids: (B, T), padded with any valid id. lengths: (B,).

        Returns:
            (B, C, T), and the mask (B, 1, T).
        """
        x, mask = self.look_up(ids, lengths)
        return self.prenet(x, mask), mask

    def look_up(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Symbols through the embedding alone; as `embed`, but nothing is zero outside the mask."""
        x = self.emb(ids).transpose(1, 2) * math.sqrt(self.channels)
        return x, sequence_mask(lengths, ids.shape[1], x.dtype)

    def forward(self, ids: Tensor, lengths: Tensor) -> TextEncoding:
        """Encode symbols; arguments as for `embed`. The duration predictor's gradient stops at its input."""
        x, mask = self.embed(ids, lengths)
        hidden = self.encoder(x, mask)
        return TextEncoding(self.proj_m(hidden) * mask, self.proj_w(hidden.detach(), mask), mask, hidden)
