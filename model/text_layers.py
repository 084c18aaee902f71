"""Layers of the text encoder (Glow-TTS, arXiv 2005.11129, appendix A), named as in official state dicts.

Sequences are (B, C, T); masks (B, 1, T) of 0 and 1 in the sequences' dtype.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.randomness import Dropout

PRENET_KERNEL = 5


class LayerNorm(nn.Module):
    """Normalises over channels at every position."""

    def __init__(self, channels: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, self.eps).transpose(1, 2)


class Prenet(nn.Module):
    """Convolutions with norm, ReLU and dropout, and a residual whose projection starts at zero."""

    def __init__(self, channels: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(
            nn.Conv1d(channels, channels, PRENET_KERNEL, padding=PRENET_KERNEL // 2) for _ in range(layers)
        )
        self.norm_layers = nn.ModuleList(LayerNorm(channels) for _ in range(layers))
        self.drop = Dropout(dropout)
        self.proj = nn.Conv1d(channels, channels, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden = x
        for conv, norm in zip(self.conv_layers, self.norm_layers, strict=True):
            hidden = self.drop(norm(conv(hidden * mask)).relu())
        return (x + self.proj(hidden)) * mask


class RelativeAttention(nn.Module):
    """Self-attention with learned embeddings of relative positions up to `window` to each side, shared by the heads.

    Source: Shaw et al., arXiv 1803.02155. Positions further apart get no embedding.

    Raises:
        ValueError: if the channels do not divide into the heads.
    """

    def __init__(self, channels: int, heads: int, window: int, dropout: float) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads = heads
        self.window = window
        width = channels // heads
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.emb_rel_k = nn.Parameter(torch.empty(1, 2 * window + 1, width))
        self.emb_rel_v = nn.Parameter(torch.empty(1, 2 * window + 1, width))
        self.conv_o = nn.Conv1d(channels, channels, 1)
        self.drop = Dropout(dropout)
        for embedding in (self.emb_rel_k, self.emb_rel_v):
            nn.init.normal_(embedding, std=width**-0.5)
        for conv in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(conv.weight)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (self._split(conv(x)) for conv in (self.conv_q, self.conv_k, self.conv_v))  # (B, H, T, W)
        position = torch.arange(x.shape[-1], device=x.device)
        offset = position[None, :] - position[:, None] + self.window  # (T, T): row of the embedding of key - query
        near = (offset >= 0) & (offset <= 2 * self.window)
        offset = offset.clamp(0, 2 * self.window)

        relative = query @ self.emb_rel_k.transpose(-1, -2)  # (B, H, T, 2w + 1)
        index = offset.expand(relative.shape[0], self.heads, -1, -1)  # (B, H, T, T)
        scores = query @ key.transpose(-1, -2) + relative.gather(-1, index) * near
        scores = scores / math.sqrt(query.shape[-1])
        # Not -inf: the rows of padded queries have no key at all, and a finite value keeps them free of NaN.
        weights = self.drop(scores.masked_fill(mask[:, None] * mask[:, :, :, None] == 0, -1e4).softmax(-1))
        near_weights = torch.zeros_like(relative).scatter_add(-1, index, weights * near)  # (B, H, T, 2w + 1)
        out = weights @ value + near_weights @ self.emb_rel_v  # (B, H, T, W)
        return self.conv_o(out.transpose(2, 3).flatten(1, 2))

    def _split(self, x: Tensor) -> Tensor:
        """(B, C, T) to (B, heads, T, C / heads)."""
        return x.view(x.shape[0], self.heads, -1, x.shape[-1]).transpose(2, 3)


class FeedForward(nn.Module):
    """Convolution, ReLU, dropout, convolution."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size, padding=kernel_size // 2)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel_size, padding=kernel_size // 2)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden = self.drop(self.conv_1(x * mask).relu())
        return self.conv_2(hidden * mask) * mask


class Transformer(nn.Module):
    """Post-norm transformer encoder with relative attention and convolutional feed-forward layers."""

    def __init__(
        self,
        channels: int,
        filter_channels: int,
        layers: int,
        heads: int,
        kernel_size: int,
        window: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.attn_layers = nn.ModuleList(RelativeAttention(channels, heads, window, dropout) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(LayerNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(
            FeedForward(channels, filter_channels, kernel_size, dropout) for _ in range(layers)
        )
        self.norm_layers_2 = nn.ModuleList(LayerNorm(channels) for _ in range(layers))
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        layers = zip(self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True)
        for attend, norm_1, feed_forward, norm_2 in layers:
            x = x * mask
            x = norm_1(x + self.drop(attend(x, mask)))
            x = norm_2(x + self.drop(feed_forward(x, mask)))
        return x * mask
