"""Teaching a quicker vocoder: losses, optimizer, crops, and short runs of the command."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from common.errors import InputError
from data.audio import write_wav
from data.checkpoint_file import load_optimizer
from hifigan import V1, distil, load_vocoder
from hifigan.distilled import FORMAT, Rest, new_rest
from hifigan.generator import Generator
from hifigan.muon import Muon, orthogonal
from params import Audio
from tests.tiny_synthesiser import write_tiny_checkpoint

AUDIO = Audio()
TINY_FOLDER = Path(__file__).resolve().parents[1] / "resources" / "audio" / "tiny"


def noise(batch: int, samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_losses_are_zero_at_the_goal_and_relative():
    wanted = noise(2, 4096)
    assert all(part.item() < 2e-3 for part in distil.losses(wanted, wanted).values())
    silent = distil.losses(torch.zeros_like(wanted), wanted)
    assert silent["wave"].item() == pytest.approx(1, abs=1e-6)
    assert silent["complex"].item() == pytest.approx(1, abs=1e-2)
    doubled = distil.losses(2 * wanted, wanted)
    assert doubled["log"].item() == pytest.approx(np.log(2), abs=0.01)


def test_steps_lower_the_losses():
    torch.manual_seed(0)
    student = distil.Distillation(Rest(8, 32, channels=16, blocks=2))
    features = torch.randn(2, 8, 128)
    wanted = (features.repeat(1, 4, 1) * 0.2).transpose(1, 2).flatten(1)  # (2, 128 * 32)
    first = student.step(features, wanted, 1.0)
    for _ in range(60):
        last = student.step(features, wanted, 1.0)
    assert last["wave"] < 0.6 * first["wave"]


def test_crops_keep_features_and_audio_together():
    frames = distil.CROP_FRAMES * 8 + 40
    features = torch.arange(frames).float()[None]  # (1, T)
    crop, audio = distil.crops([(features, features[0].repeat_interleave(32))], 5, 8, random.Random(0))
    assert crop.shape == (5, 1, 512) and audio.shape == (5, 512 * 32)
    torch.testing.assert_close(audio, crop[:, 0].repeat_interleave(32, 1))
    assert len(set(crop[:, 0, 0].tolist())) > 1


def test_a_short_mel_fills_a_crop():
    teacher = Generator(V1).eval()
    features, audio = distil.teach(teacher, np.full((80, 5), -4, np.float32), random.Random(0))
    assert features.shape[1] == distil.CROP_FRAMES * 8 and len(audio) == distil.CROP_FRAMES * 256


def test_recordings_are_found_in_folders_lists_and_by_name(tmp_path):
    for name in ("a.wav", "deep/b.wav", "c.wav"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(tmp_path / "x" / name, np.zeros(2000, np.float32), 22050)
    (tmp_path / "list.txt").write_text("x/c.wav|words\n", encoding="utf-8")
    found = distil.find_recordings([str(tmp_path / "x"), str(tmp_path / "list.txt"), str(tmp_path / "x/a.wav")])
    assert [path.name for path in found] == ["a.wav", "c.wav", "b.wav", "c.wav", "a.wav"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is no audio in"):
        distil.find_recordings([str(tmp_path / "empty")])
    with pytest.raises(InputError, match="no such file"):
        distil.find_recordings([str(tmp_path / "x"), str(tmp_path / "typo.wav")])


def test_a_run_goes_on_and_its_file_is_a_vocoder(tmp_path, capsys):
    common = [str(TINY_FOLDER), "--out", str(tmp_path), "--first", "1", "--new-every", "5", "--batch-size", "1"]
    assert distil.main([*common, "--steps", "1"]) == 0
    vocoder = load_vocoder(tmp_path / "vocoder.pt", expect=AUDIO)
    assert len(vocoder.rest.blocks) == 12
    assert distil.main([*common, "--steps", "2"]) == 0
    assert "resuming from step 1" in capsys.readouterr().out
    written = (tmp_path / "vocoder.pt").read_bytes()
    assert distil.main([*common, "--steps", "2", "--init", str(tmp_path / "vocoder.pt")]) == 0
    said = capsys.readouterr().out
    assert "--init is not used" in said and "has 2 steps already" in said
    assert (tmp_path / "vocoder.pt").read_bytes() == written
    # What it began with may be gone.
    assert distil.main([*common, "--steps", "2", "--init", str(tmp_path / "gone.pt")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert torch.load(tmp_path / "vocoder.pt", weights_only=True)["format"] == FORMAT


def test_what_was_learned_comes_back(tmp_path):
    students = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        students.append(distil.Distillation(Rest(8, 32, channels=16, blocks=2)))
    one, other = students
    features, wanted = torch.randn(2, 8, 64), torch.randn(2, 64 * 32)
    one.step(features, wanted, 1.0)
    one.save(tmp_path)
    other.resume(tmp_path / "state.pt")
    assert other.steps == 1
    for student in students:
        student.step(features, wanted, 1.0)
    for name, value in one.rest.state_dict().items():
        assert torch.equal(other.rest.state_dict()[name], value), name


def test_what_cannot_be_used_is_one_line(tmp_path, capsys):
    assert distil.main([str(tmp_path / "nowhere.txt")]) == 2
    with pytest.raises(SystemExit, match="2"):
        distil.main([str(TINY_FOLDER), "--batch-size", "0"])
    (tmp_path / "state.pt").write_bytes(b"dots")
    assert distil.main([str(TINY_FOLDER), "--out", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 3


def test_a_model_of_embeddings_has_no_voices_to_speak_in(tmp_path):
    checkpoint = write_tiny_checkpoint(tmp_path / "embeddings.pt", speaker_embedding_dim=4)
    (tmp_path / "texts.txt").write_text("Oh.\n")
    with pytest.raises(InputError, match="embeddings from files instead of names"):
        distil.predicted_mels(str(checkpoint), str(tmp_path / "texts.txt"))


def test_a_training_state_of_another_size_is_refused(tmp_path):
    distil.Distillation(Rest(8, 32, channels=16, blocks=2)).save(tmp_path)
    with pytest.raises(InputError, match="another model's state, or damaged"):
        distil.Distillation(new_rest(Generator(V1), blocks=1)).resume(tmp_path / "state.pt")


# ------------------------------------------------------------------------ Muon


@pytest.mark.parametrize("shape", [(24, 24), (16, 40), (40, 16)])
def test_an_orthogonal_matrix_has_nearly_equal_singular_values(shape):
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.3 and values.max() < 1.4


def weights() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((20, 3, 3), (7,))]


def step_on(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def test_a_recording_that_cannot_be_read_is_left_out_and_said(tmp_path, capsys):
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    write_wav(tmp_path / "good.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 22050)
    draw = distil.recorded_mels([tmp_path / "bad.wav", tmp_path / "good.wav"], AUDIO)
    for number in range(5):
        assert draw(random.Random(number)).shape[0] == 80
    assert capsys.readouterr().out.count("left out from here on") == 1
    alone = distil.recorded_mels([tmp_path / "bad.wav"], AUDIO)
    with pytest.raises(InputError, match="nothing is left to learn from"):
        alone(random.Random(0))


def test_muon_is_adamw_where_nothing_is_orthogonal():
    own, others = weights(), weights()
    settings = {"lr": 0.1, "betas": (0.8, 0.9)}
    optimizer = Muon([{"params": own, "weight_decay": 0.3}], **settings)
    expected = torch.optim.AdamW(others, weight_decay=0.3, **settings)
    for number in range(3):
        step_on(optimizer, own, number)
        step_on(expected, others, number)
    assert all(torch.equal(a, b) for a, b in zip(own, others, strict=True))


def test_a_step_of_muon_is_of_the_rates_size_whatever_the_gradients():
    kernel, bias = weights()
    groups = [{"params": [kernel], "orthogonal": True, "lr": 0.5, "weight_decay": 0.2}, {"params": [bias]}]
    optimizer, before = Muon(groups, lr=0.1), kernel.detach().clone()
    kernel.grad, bias.grad = 1e-6 * torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0)), None
    optimizer.step()
    moved = (before * (1 - 0.5 * 0.2) - kernel.detach()).flatten(1) / 0.5
    values = torch.linalg.svdvals(moved / (20 / 9) ** 0.5)
    assert values.min() > 0.3 and values.max() < 1.4
    assert len(optimizer.param_groups) == 2 and set(optimizer.state[kernel]) == {"momentum"}


def test_what_muon_remembers_comes_back():
    def optimizer_of(kernel: nn.Parameter, bias: nn.Parameter) -> Muon:
        return Muon([{"params": [kernel], "orthogonal": True}, {"params": [bias]}], lr=0.1)

    runs = []
    for resumed in (False, True):
        parameters = weights()
        optimizer = optimizer_of(*parameters)
        for number in range(4):
            if resumed and number == 2:
                saved = optimizer.state_dict()
                optimizer = optimizer_of(*parameters)
                load_optimizer(optimizer, saved)
            step_on(optimizer, parameters, number)
        runs.append(parameters)
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
