"""The vocoder in the frequency domain: what it computes, in one piece, in stretches, in chunks and in threads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hifigan import (
    V1,
    V2,
    V3,
    FourierGenerator,
    Generator,
    VocoderConfig,
    fourier_generator,
    load_vocoder,
    quickest,
    vocode,
)
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
    upsample_initial_channel=64,
    resblock_kernel_sizes=(3, 11, 7),
    resblock_dilation_sizes=((1, 3), (5,), (1, 2, 4)),
)
pytestmark = pytest.mark.skipif(
    fourier_generator.fourier is None or not fourier_generator.fourier.AVAILABLE,
    reason="this processor has no AVX2 and FMA instructions, or the kernel is not built",
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return randomised(SMALL)


@pytest.fixture(scope="module")
def quick(generator) -> FourierGenerator:
    return FourierGenerator(generator)


def same(found: Tensor, wanted: Tensor) -> bool:
    """But for the rounding of float32."""
    return found.shape == wanted.shape and float((found - wanted).abs().max()) < 2e-5 * float(wanted.abs().max())


@pytest.mark.parametrize("frames", [1, 2, 9, 70])
def test_it_says_what_the_generator_says(generator, quick, frames):
    mel = random_mel(2, frames)
    with torch.no_grad():
        wanted, found = generator(mel), quick(mel)
    assert float(wanted.abs().max()) > 1e-3
    assert same(found, wanted) and found.dtype == torch.float32


@settings(max_examples=30, deadline=None)
@given(
    blocks=st.lists(
        st.tuples(
            st.integers(0, 15).map(lambda half: 2 * half + 1), st.lists(st.integers(1, 7), min_size=1, max_size=3)
        ),
        min_size=1,
        max_size=3,
    ),
    frames=st.integers(1, 12),
    channels=st.sampled_from([32, 96]),
)
def test_kernels_dilations_and_channels(blocks, frames, channels):
    kernels, dilations = zip(*blocks, strict=True)
    config = VocoderConfig(
        resblock="1",
        upsample_rates=(256,),
        upsample_kernel_sizes=(512,),
        upsample_initial_channel=channels,
        resblock_kernel_sizes=kernels,
        resblock_dilation_sizes=tuple(map(tuple, dilations)),
    )
    other, mel = randomised(config), random_mel(1, frames)
    with torch.no_grad():
        assert same(FourierGenerator(other)(mel), other(mel))


def test_it_says_what_the_universal_vocoder_says():
    universal = load_vocoder(expect=Audio())
    mel = random_mel(1, 12)
    quick = FourierGenerator(universal)
    assert same(vocode(quick, mel), vocode(universal, mel))
    assert torch.equal(vocode(quick, mel, precision="bf16"), vocode(quick, mel))


@pytest.mark.parametrize("stretch", [2**9, 2**12, 2**15])
@pytest.mark.parametrize("threads", [1, 3])
def test_stretches_and_threads_change_no_more_than_the_rounding(quick, monkeypatch, stretch, threads):
    mel, before = random_mel(1, 21), torch.get_num_threads()
    wanted = vocode(quick, mel)
    monkeypatch.setattr(fourier_generator, "STRETCH", stretch)
    try:
        torch.set_num_threads(threads)
        found = vocode(quick, mel)
        assert same(found, wanted)
        assert torch.equal(vocode(quick, mel), found)
    finally:
        torch.set_num_threads(before)


def test_what_lies_in_new_memory_does_not_matter(generator, monkeypatch):
    mel = random_mel(1, 21)
    monkeypatch.setattr(fourier_generator, "STRETCH", 2**10)
    wanted, new = vocode(FourierGenerator(generator), mel), fourier_generator._aligned

    def spoilt(values: int) -> np.ndarray:
        memory = new(values)
        memory[:] = np.nan
        return memory

    monkeypatch.setattr(fourier_generator, "_aligned", spoilt)
    assert torch.equal(vocode(FourierGenerator(generator), mel), wanted)


@pytest.mark.parametrize("chunk_frames", [1, 7, 16, 200])
def test_chunks_leave_no_seam(quick, chunk_frames):
    mel = random_mel(2, 50)
    assert same(vocode(quick, mel, chunk_frames=chunk_frames), vocode(quick, mel))


def test_an_item_of_a_batch_is_the_item_alone(quick):
    mel = random_mel(3, 11)
    together = vocode(quick, mel)
    assert all(same(together[item], vocode(quick, mel[item])[0]) for item in range(3))


def test_where_it_is_taken(generator, monkeypatch):
    assert isinstance(quickest(generator, CPU, "fp32"), FourierGenerator)
    assert not isinstance(quickest(generator, CPU, "bf16"), FourierGenerator)
    other = randomised(TINY)
    assert quickest(other, CPU, "fp32") is other
    monkeypatch.setattr(fourier_generator, "fourier", None)
    assert quickest(generator, CPU, "fp32") is generator


def test_which_sizes_it_computes():
    assert fourier_generator.fits(V1) and fourier_generator.fits(SMALL)
    others = [
        dataclasses.replace(SMALL, upsample_kernel_sizes=(32, 16)),
        dataclasses.replace(SMALL, resblock_kernel_sizes=(3, 33, 7)),
        dataclasses.replace(SMALL, resblock_dilation_sizes=((1,) * 9, (1,), (1,))),
    ]
    assert not any(fourier_generator.fits(config) for config in (V2, V3, TINY, *others))


def test_a_synthesiser_in_float32_speaks_by_it(generator, monkeypatch):
    quick = Synthesiser(tiny_loaded(), generator, CPU, "fp32")
    found = quick.synthesise(["Good night."], steps=1)[0].audio
    monkeypatch.setattr(fourier_generator, "fourier", None)
    plain = Synthesiser(tiny_loaded(), generator, CPU, "fp32")
    wanted = plain.synthesise(["Good night."], steps=1)[0].audio
    assert isinstance(quick._vocoder, FourierGenerator) and plain._vocoder is generator
    assert same(torch.from_numpy(found), torch.from_numpy(wanted))
