"""Convolutions over time, computed as those of an image with one row and its channels innermost in memory.

The numbers are those of `nn.Conv1d`. oneDNN has its faster kernels for such images; for what `nn.Conv1d` gives it, it
rearranges every input and output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def channels_innermost(x: Tensor) -> Tensor:
    """(B, C, T) laid out in memory as (B, T, C), on a CPU; the layers below and what acts on single values keep it."""
    if torch.onnx.is_in_onnx_export() or x.device.type != "cpu":
        return x
    return x.transpose(1, 2).contiguous().transpose(1, 2)


class Conv1d(nn.Conv1d):
    """`nn.Conv1d` of one group, padded with zeros."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():  # other runtimes choose their own layouts
            return super().forward(x)
        sizes = {name: (1, getattr(self, name)[0]) for name in ("stride", "dilation")}
        weight = self.weight.unsqueeze(2)  # (C_out, C_in, 1, K)
        x = functional.conv2d(x.unsqueeze(2), weight, self.bias, padding=(0, self.padding[0]), **sizes)
        return x.squeeze(2)


class ConvTranspose1d(nn.ConvTranspose1d):
    """`nn.ConvTranspose1d` of one group, without output padding or dilation."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return super().forward(x)
        weight = self.weight.unsqueeze(2)  # (C_in, C_out, 1, K)
        stride, padding = (1, self.stride[0]), (0, self.padding[0])
        return functional.conv_transpose2d(x.unsqueeze(2), weight, self.bias, stride=stride, padding=padding).squeeze(2)
