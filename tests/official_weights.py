"""An official-sized model in which no tensor is at its initial value."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from model.grad_tts import GradTTS, GradTTSConfig

LOG_FRAMES = 0.8  # about this is a token's log duration: two frames


def random_state(n_speakers: int, seed: int) -> dict[str, Tensor]:
    """State dict of a model with every tensor random: gates and zero-initialised projections would hide branches."""
    generator = torch.Generator().manual_seed(seed)
    state = GradTTS(GradTTSConfig(n_speakers=n_speakers)).state_dict()
    for name, tensor in state.items():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith((".gamma", ".block.1.weight")):  # norms
            state[name] = 1 + 0.3 * noise
        elif name.endswith("fn.fn.to_qkv.weight"):  # the attention is quadratic in its input: keep it from exploding
            state[name] = 0.1 * noise / math.sqrt(tensor[0].numel())
        elif name.endswith(".fn.g"):  # gates: none may be near 0, which would hide the attention
            state[name] = noise.sign() * (0.5 + 0.2 * noise.abs())
        elif tensor.dim() == 1:
            state[name] = 0.5 * noise
        else:
            state[name] = noise / math.sqrt(tensor[0].numel())
    state["encoder.emb.weight"] = torch.randn(state["encoder.emb.weight"].shape, generator=generator) / math.sqrt(192)
    state["encoder.proj_w.proj.weight"] *= 0.5
    state["encoder.proj_w.proj.bias"] += LOG_FRAMES
    return state
