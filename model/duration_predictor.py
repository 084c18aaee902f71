"""Predicts how long every token is spoken."""

from __future__ import annotations

from torch import Tensor, nn

from model.dropout import Dropout
from model.text_layers import LayerNorm


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
