"""State dicts of the official checkpoints: names, shapes, recognition from a bare file."""

from __future__ import annotations

import pytest
import torch

import params
from model.grad_tts import GradTTS, GradTTSConfig
from model.official_checkpoint import infer_config, load_official, official_state, tell_time_scale
from model.schedule import Schedule
from tests.official_weights import random_state


def conv(name: str, *weight: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.gamma": (channels,), f"{name}.beta": (channels,)}


def resnet(name: str, inner: int, outer: int) -> dict[str, tuple[int, ...]]:
    shapes = conv(f"{name}.mlp.1", outer, 64)
    for block, width in (("block1", inner), ("block2", outer)):
        shapes |= conv(f"{name}.{block}.block.0", outer, width, 3, 3) | conv(f"{name}.{block}.block.1", outer)
    return shapes | (conv(f"{name}.res_conv", outer, inner, 1, 1) if inner != outer else {})


def attention(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    qkv = {f"{name}.fn.g": (1,), f"{name}.fn.fn.to_qkv.weight": (384, channels, 1, 1)}
    return qkv | conv(f"{name}.fn.fn.to_out", channels, 128, 1, 1)


def manifest(n_speakers: int) -> dict[str, tuple[int, ...]]:
    """Written from the published checkpoints' layout, not from this code."""
    shapes = {"encoder.emb.weight": (149, 192)} | conv("encoder.prenet.proj", 192, 192, 1)
    for i in range(3):
        shapes |= conv(f"encoder.prenet.conv_layers.{i}", 192, 192, 5) | norm(f"encoder.prenet.norm_layers.{i}", 192)
    for i in range(6):
        attn = f"encoder.encoder.attn_layers.{i}"
        for part in "qkvo":
            shapes |= conv(f"{attn}.conv_{part}", 192, 192, 1)
        shapes |= {f"{attn}.emb_rel_k": (1, 9, 96), f"{attn}.emb_rel_v": (1, 9, 96)}
        shapes |= conv(f"encoder.encoder.ffn_layers.{i}.conv_1", 768, 192, 3)
        shapes |= conv(f"encoder.encoder.ffn_layers.{i}.conv_2", 192, 768, 3)
        shapes |= norm(f"encoder.encoder.norm_layers_1.{i}", 192) | norm(f"encoder.encoder.norm_layers_2.{i}", 192)
    shapes |= conv("encoder.proj_m", 80, 192, 1)
    shapes |= conv("encoder.proj_w.conv_1", 256, 192, 3) | norm("encoder.proj_w.norm_1", 256)
    shapes |= conv("encoder.proj_w.conv_2", 256, 256, 3) | norm("encoder.proj_w.norm_2", 256)
    shapes |= conv("encoder.proj_w.proj", 1, 256, 1)

    unet = "decoder.estimator"
    shapes |= conv(f"{unet}.mlp.0", 256, 64) | conv(f"{unet}.mlp.2", 64, 256)
    for i, (inner, outer) in enumerate([(2 if n_speakers == 1 else 3, 64), (64, 128), (128, 256)]):
        down = f"{unet}.downs.{i}"
        shapes |= resnet(f"{down}.0", inner, outer) | resnet(f"{down}.1", outer, outer) | attention(f"{down}.2", outer)
        shapes |= conv(f"{down}.3.conv", outer, outer, 3, 3) if i < 2 else {}
    shapes |= resnet(f"{unet}.mid_block1", 256, 256) | resnet(f"{unet}.mid_block2", 256, 256)
    shapes |= attention(f"{unet}.mid_attn", 256)
    for i, (inner, outer) in enumerate([(512, 128), (256, 64)]):
        up = f"{unet}.ups.{i}"
        shapes |= resnet(f"{up}.0", inner, outer) | resnet(f"{up}.1", outer, outer) | attention(f"{up}.2", outer)
        shapes |= conv(f"{up}.3.conv", outer, outer, 4, 4)
    shapes |= conv(f"{unet}.final_block.block.0", 64, 64, 3, 3) | conv(f"{unet}.final_block.block.1", 64)
    shapes |= conv(f"{unet}.final_conv", 1, 64, 1, 1)
    if n_speakers > 1:
        shapes |= {"spk_emb.weight": (n_speakers, 64)}
        shapes |= conv(f"{unet}.spk_mlp.0", 256, 64) | conv(f"{unet}.spk_mlp.2", 80, 256)
    return shapes


@pytest.mark.parametrize(
    ("n_speakers", "tensors", "numbers"), [(1, 307, 14_835_032), (247, 312, 14_888_680)], ids=["single", "multi"]
)
def test_state_dict_is_the_official_one(n_speakers: int, tensors: int, numbers: int) -> None:
    with torch.device("meta"):
        state = GradTTS(GradTTSConfig(n_speakers=n_speakers)).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == manifest(n_speakers)
    assert len(state) == tensors
    assert sum(value.numel() for value in state.values()) == numbers


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return random_state(n_speakers=247, seed=0)


def test_hyper_parameters_are_read_from_a_bare_state_dict(state: dict[str, torch.Tensor]) -> None:
    model = load_official(state)
    assert model.config == GradTTSConfig(n_speakers=247)
    assert not model.training
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert infer_config(state, pe_scale=1.0).estimator.pe_scale == 1.0
    assert load_official(state, pe_scale=1.0).decoder.estimator.time_pos_emb.scale == 1.0


def test_sizes_other_than_the_published_ones_are_read_too() -> None:
    config = GradTTSConfig(
        n_symbols=31,
        n_speakers=3,
        speaker_channels=8,
        n_mels=20,
        encoder=params.Encoder(
            channels=24,
            filter_channels=40,
            filter_channels_duration=16,
            layers=2,
            heads=4,
            kernel_size=5,
            window_size=3,
            prenet_layers=2,
        ),
        estimator=params.Estimator(name="unet", channels=16),
    )
    assert infer_config(GradTTS(config).state_dict()) == config


def test_what_does_not_fit_is_named(state: dict[str, torch.Tensor]) -> None:
    def message(changed: dict) -> str:
        with pytest.raises(ValueError) as caught:
            load_official(changed)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    missing = {key: value for key, value in state.items() if key != "encoder.proj_m.bias"}
    assert message(missing) == "not an official Grad-TTS state dict: encoder.proj_m.bias is missing"
    assert message(state | {"extra": torch.zeros(1)}).endswith(": extra is unknown")
    wrong = state | {"decoder.estimator.mlp.2.bias": torch.zeros(3)}
    assert message(wrong).endswith(": decoder.estimator.mlp.2.bias is (3,), not (64,)")
    assert message(state | {"decoder.estimator.mlp.2.bias": "text"}).endswith("mlp.2.bias is str, not (64,)")
    assert message({"generator": 1}).endswith(": encoder.emb.weight is missing")
    assert message({"encoder.emb.weight": torch.zeros(3)}).endswith(": encoder.emb.weight has another form")
    several = {key: value for key, value in state.items() if "spk_mlp" not in key}
    assert message(several).endswith("; and 1 more")


def test_recognition(state: dict[str, torch.Tensor]) -> None:
    assert official_state(state) == state
    for other in ({"generator": {}}, {}, {"encoder.emb.weight": torch.zeros(3)}, {"step": 3, "model": [state]}):
        assert official_state(other) is None


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.module."])
@pytest.mark.parametrize("entry", [None, "model", "state_dict"])
def test_wrapped_and_prefixed_ones_are_the_same(state: dict[str, torch.Tensor], prefix: str, entry: str | None) -> None:
    prefixed = {prefix + key: value for key, value in state.items()}
    found = official_state(prefixed if entry is None else {"step": 3, "optimizer": {"state": {}}, entry: prefixed})
    assert found is not None and found.keys() == state.keys()
    assert all(found[key] is value for key, value in state.items())


class _KnowsItsScale(torch.nn.Module):
    """In place of the U-Net: finds the noise where it is asked with the scale that it was trained with."""

    def __init__(self, trained_with: float, estimator: torch.nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.trained_with = trained_with
        self.time_pos_emb = estimator.time_pos_emb
        self.prepare, self.completed = estimator.prepare, estimator.completed
        self.schedule = schedule

        self.length_multiple = estimator.length_multiple

    def forward(self, x, t, condition, attention=None):
        t = (t * self.time_pos_emb.scale / self.trained_with)[:, None, None]
        return (condition.mu - x) / self.schedule.sigma(t) ** 2


@pytest.mark.parametrize("trained_with", [1.0, 1000.0])
def test_the_time_scale_is_told_from_what_the_network_does(trained_with: float) -> None:
    for n_speakers in (1, 3):
        model = GradTTS(GradTTSConfig(n_speakers=n_speakers)).eval()
        model.decoder.estimator = _KnowsItsScale(trained_with, model.decoder.estimator, model.decoder.schedule)
        assert tell_time_scale(model) == trained_with
        assert model.decoder.estimator.time_pos_emb.scale == 1000.0


def test_weights_that_have_not_learned_tell_no_time_scale(state: dict[str, torch.Tensor]) -> None:
    assert tell_time_scale(load_official(state)) is None
