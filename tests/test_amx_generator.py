"""The vocoder by the matrix unit: what it computes, in one piece, in stretches, in chunks and in threads."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hifigan import V1, V2, V3, AmxGenerator, Generator, VocoderConfig, amx_generator, load_vocoder, quickest, vocode
from hifigan.generator import LAST_SLOPE, SLOPE
from params import Audio
from synthesis.synthesiser import Synthesiser

from .test_hifigan import TINY, random_mel, randomised
from .tiny_synthesiser import tiny_loaded

CPU = torch.device("cpu")
# As small as it computes, with unequal kernels, dilations and numbers of pairs.
SMALL = VocoderConfig(
    resblock="1",
    upsample_rates=(16, 16),
    upsample_kernel_sizes=(32, 32),
    upsample_initial_channel=128,
    resblock_kernel_sizes=(3, 7, 5),
    resblock_dilation_sizes=((1, 3), (5,), (1, 2, 4)),
)
pytestmark = pytest.mark.skipif(
    amx_generator.amx is None or not amx_generator.amx.AVAILABLE,
    reason="this processor has no matrix unit for bfloat16 (AMX), or the kernel is not built",
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return randomised(SMALL)


@pytest.fixture(scope="module")
def quick(generator) -> AmxGenerator:
    return AmxGenerator(generator)


def rounded(x: Tensor) -> Tensor:
    return x.bfloat16().float()


def as_it_rounds(generator: Generator, mel: Tensor) -> Tensor:
    """torch's layers in float32, with weights and what one hands to the next rounded to bfloat16."""

    def layer(conv, x: Tensor, slope: float = 1.0) -> Tensor:
        weight = rounded(conv.weight)
        if isinstance(conv, torch.nn.ConvTranspose1d):
            x = functional.conv_transpose1d(x, weight, conv.bias, conv.stride, conv.padding)
        else:
            x = functional.conv1d(x, weight, conv.bias, conv.stride, conv.padding, conv.dilation)
        return functional.leaky_relu(x, slope)

    def undone(x: Tensor) -> Tensor:
        return torch.where(x < 0, x / SLOPE, x)

    x = rounded(layer(generator.conv_pre, rounded(mel), SLOPE))
    for number, up in enumerate(generator.ups):
        x, outputs = rounded(layer(up, x, SLOPE)), []
        for block in generator.resblocks[3 * number : 3 * number + 3]:
            value, pairs = x, list(zip(block.convs1, block.convs2, strict=True))
            for inner, outer in pairs:
                total = layer(outer, rounded(layer(inner, value, SLOPE))) + undone(value)
                value = rounded(functional.leaky_relu(total, SLOPE))
            outputs.append(total)
        mean = (rounded(outputs[0]) + rounded(outputs[1]) + outputs[2]) / 3
        x = rounded(functional.leaky_relu(mean, SLOPE if up is not generator.ups[-1] else LAST_SLOPE))
    return torch.tanh(layer(generator.conv_post, x))


def snr(wanted: Tensor, found: Tensor) -> float:
    return float(10 * torch.log10(wanted.square().sum() / (wanted - found).square().sum()))


@pytest.mark.parametrize("frames", [1, 2, 9, 70])
def test_it_says_what_the_generator_says(generator, quick, frames):
    mel = random_mel(2, frames)
    with torch.no_grad():
        same = as_it_rounds(generator, mel)
        exact, torchs = generator(mel), vocode(generator, mel, precision="bf16")[:, None]
        found = quick(mel)
    assert found.shape == exact.shape and found.dtype == torch.float32
    assert snr(same, found) > 45  # sums in another order now and then round to the other side
    assert snr(exact, found) > snr(exact, torchs) - 1


def test_it_says_what_the_universal_vocoder_says():
    universal = load_vocoder(expect=Audio())
    mel = random_mel(1, 12)
    exact = vocode(universal, mel)
    assert (
        snr(exact, vocode(AmxGenerator(universal), mel)) > snr(exact, vocode(universal, mel, precision="bf16")) - 1 > 10
    )


@pytest.mark.parametrize("stretch", [2**9, 2**12, 2**15])
@pytest.mark.parametrize("threads", [1, 3])
def test_stretches_and_threads_change_nothing(quick, monkeypatch, stretch, threads):
    mel, before = random_mel(1, 21), torch.get_num_threads()
    wanted = quick(mel)
    monkeypatch.setattr(amx_generator, "STRETCH", stretch)
    try:
        torch.set_num_threads(threads)
        assert torch.equal(quick(mel), wanted)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("chunk_frames", [1, 7, 16, 200])
def test_chunks_leave_no_seam(quick, chunk_frames):
    mel = random_mel(2, 50)
    assert torch.equal(vocode(quick, mel, chunk_frames=chunk_frames), vocode(quick, mel))


def test_an_item_of_a_batch_is_the_item_alone(quick):
    mel = random_mel(3, 11)
    together = vocode(quick, mel)
    assert all(torch.equal(together[item], vocode(quick, mel[item])[0]) for item in range(3))


def test_where_it_is_taken(generator, monkeypatch):
    assert isinstance(quickest(generator, CPU, "bf16"), AmxGenerator)
    assert not isinstance(quickest(generator, CPU, "fp32"), AmxGenerator)
    other = randomised(TINY)
    assert quickest(other, CPU, "bf16") is other
    monkeypatch.setattr(amx_generator, "amx", None)
    assert quickest(generator, CPU, "bf16") is generator


def test_which_sizes_it_computes():
    assert amx_generator.fits(V1) and amx_generator.fits(SMALL)
    others = [
        dataclasses.replace(SMALL, upsample_kernel_sizes=(32, 16)),
        dataclasses.replace(SMALL, resblock_kernel_sizes=(3, 7), resblock_dilation_sizes=((1,), (1,))),
        dataclasses.replace(SMALL, resblock_dilation_sizes=((1,) * 9, (1,), (1,))),
    ]
    assert not any(amx_generator.fits(config) for config in (V2, V3, TINY, *others))


def test_a_synthesiser_in_bfloat16_speaks_by_it(generator):
    plain, quick = (Synthesiser(tiny_loaded(), generator, CPU, precision) for precision in ("fp32", "bf16"))
    wanted, found = (box.synthesise(["Good night."], steps=1)[0].audio for box in (plain, quick))
    assert isinstance(quick._vocoder, AmxGenerator)
    assert wanted.shape == found.shape
    assert snr(torch.from_numpy(wanted), torch.from_numpy(found)) > 10
