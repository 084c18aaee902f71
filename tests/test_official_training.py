"""The official architecture, trained by this project's parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from data.checkpoint_file import read_checkpoint
from model.checkpoint import unpack
from model.grad_tts import GradTTS
from model.style import StyleSource
from model.text_to_mel import Sampling
from train_multi_speaker import main as train
from training.official import main

from .tiny_corpus import write_corpus

SMALL = [
    "encoder.channels=16", "encoder.filter_channels=32", "encoder.filter_channels_duration=16", "encoder.layers=1",
    "encoder.prenet_layers=1", "estimator.channels=16", "train.batch_size=5", "train.crop_frames=8",
    "train.warmup_steps=2", "train.learning_rate=5e-3", "train.ema_decay=0.5", "train.log_every=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def arguments(folder: Path, log_dir: Path, *more: str) -> list[str]:
    files = [f"train.{part}_filelist={folder / part}.txt" for part in ("train", "valid")]
    return ["--device", "cpu", *SMALL, *files, f"train.cache_dir={folder / 'cache'}", f"train.log_dir={log_dir}", *more]


def losses(log_dir: Path) -> list[dict[str, float]]:
    rows = []
    for line in (log_dir / "train.log").read_text().splitlines():
        words = line.split()
        if "diffusion" in words:
            rows.append({name: float(words[words.index(name) + 1]) for name in ("duration", "prior", "diffusion")})
    return rows


def test_losses_fall_and_the_checkpoint_is_official(folder, tmp_path):
    assert main(arguments(folder, tmp_path, "train.steps=48", "train.encoder_steps=4")) == 0
    rows = losses(tmp_path)
    assert rows[0]["diffusion"] == 0 < rows[1]["diffusion"]  # the decoder did not learn at first
    assert rows[-1]["prior"] < 0.7 * rows[0]["prior"] and rows[-1]["duration"] < 0.8 * rows[0]["duration"]
    assert rows[-1]["diffusion"] < 0.9 * rows[1]["diffusion"]
    loaded = unpack(read_checkpoint(tmp_path / "checkpoint.pt"))
    assert isinstance(loaded.model, GradTTS) and loaded.speakers == ("0", "1")
    ids = torch.tensor([[148, 20, 148, 30, 148]])
    mel = loaded.model.synthesise(
        ids, torch.tensor([5]), StyleSource(speaker=torch.tensor([1])), Sampling(2, sampler="euler")
    ).mel
    assert mel.isfinite().all()


def test_any_seed_can_be_trained_with(folder, tmp_path):
    assert main(arguments(folder, tmp_path, "train.steps=1", f"train.seed={2**63 - 1}")) == 0


def test_a_resumed_run_equals_an_unbroken_one(folder, tmp_path):
    constant = ["train.encoder_steps=1", "train.final_learning_rate=5e-3"]  # the cosine ends with the run
    for steps in (2, 4):
        assert main(arguments(folder, tmp_path / "broken", *constant, f"train.steps={steps}")) == 0
    assert main(arguments(folder, tmp_path / "whole", *constant, "train.steps=4")) == 0
    broken, whole = (read_checkpoint(tmp_path / name / "training_state.pt") for name in ("broken", "whole"))
    for name in ("step", "epoch", "batch"):
        assert broken[name] == whole[name]
    for part in ("weights", "ema"):
        assert all(torch.equal(broken[part][name], value) for name, value in whole[part].items())


def break_losses(monkeypatch, broken: Callable[[int], bool]) -> None:
    """From now on the prior loss of the steps, from 1, for which `broken` is true is no number."""
    good, steps = GradTTS.losses, count(1)

    def losses(*args, **kwargs):
        found = good(*args, **kwargs)
        return replace(found, prior=found.prior * math.nan) if broken(next(steps)) else found

    monkeypatch.setattr(GradTTS, "losses", losses)


def test_a_step_without_a_finite_gradient_is_left_out(folder, tmp_path, monkeypatch):
    break_losses(monkeypatch, lambda step: step == 2)
    assert main(arguments(folder, tmp_path, "train.steps=3")) == 0
    assert "step 2  skipped: its gradient is not finite" in (tmp_path / "train.log").read_text()
    for name in ("checkpoint.pt", "training_state.pt"):
        state = torch.load(tmp_path / name, weights_only=True)
        state = state.get("weights", state)
        assert all(value.isfinite().all() for value in state.values() if value.is_floating_point()), name


def test_many_such_steps_end_the_run_with_advice(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("training.optimisation.MOST_SKIPPED", 3)
    break_losses(monkeypatch, lambda step: step > 1)
    assert main(arguments(folder, tmp_path, "train.steps=100")) == 2
    assert "3 steps in a row without a finite gradient, up to step 4" in capsys.readouterr().err
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("estimator.name=cross_unet", "estimator.name=unet"),
        ("text.front_end=arpabet", "text.front_end=official"),
        ("estimator.channels=12", "make no model"),
    ],
)
def test_what_is_not_official_is_refused(folder, tmp_path, capsys, more, message):
    assert main(arguments(folder, tmp_path, more)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error


def test_another_models_state_is_refused(folder, tmp_path, capsys):
    assert main(arguments(folder, tmp_path, "train.steps=1")) == 0
    assert main(arguments(folder, tmp_path, "train.steps=2", "encoder.filter_channels=48")) == 2
    assert "another model's state" in capsys.readouterr().err


def test_other_speakers_are_refused_and_nothing_of_the_run_is_replaced(folder, tmp_path, capsys):
    assert main(arguments(folder, tmp_path, "train.steps=1")) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    lines = (folder / "train.txt").read_text().splitlines()
    for name, new in (("other.txt", {"bert": "carl"}), ("more.txt", {"anna": "abel"})):
        changed = [line.replace(f"|{old}|", f"|{to}|") for line in lines for old, to in new.items()]
        (folder / name).write_text("\n".join(changed if name == "other.txt" else [*lines, *changed]) + "\n")
        assert main(arguments(folder, tmp_path, "train.steps=2", f"train.train_filelist={folder / name}")) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert "trained on 2 speakers" in line or "another model's state" in line
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_validation_list_is_wanted_for_what_is_not_validated(folder, tmp_path):
    assert main(arguments(folder, tmp_path, "train.steps=1", "train.valid_filelist=none.txt")) == 0


def fine_tune(folder: Path, log_dir: Path, init: Path, *more: str) -> int:
    files = [f"train.{part}_filelist={folder / part}.txt" for part in ("train", "valid")]
    run = ["train.batch_size=5", "train.crop_frames=8", "train.encoder_steps=0", "train.ema_decay=0.5"]
    given = [*files, f"train.cache_dir={folder / 'cache'}", f"train.log_dir={log_dir}", *run, *more]
    return train(["--init", str(init), "--device", "cpu", *given])


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory) -> Path:
    """A checkpoint of speakers 0 and 1, in a wrapper."""
    log_dir = tmp_path_factory.mktemp("trained")
    assert main(arguments(folder, log_dir, "train.steps=2")) == 0
    assert (log_dir / "speakers.txt").read_text() == "anna\nbert\n"
    state = torch.load(log_dir / "checkpoint.pt", weights_only=True)
    torch.save({"model": {f"module.{name}": value for name, value in state.items()}}, log_dir / "wrapped.pt")
    return log_dir / "wrapped.pt"


def test_the_ordinary_script_fine_tunes_an_official_checkpoint(folder, tmp_path, trained, capsys):
    before = unpack(read_checkpoint(trained)).model.state_dict()
    assert fine_tune(folder, tmp_path, trained, "train.steps=2", "train.learning_rate=1e-3") == 0
    assert (tmp_path / "speakers.txt").read_text() == "0\n1\nanna\nbert\n"
    bare = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert bare["spk_emb.weight"].shape == (4, 64) and bare.keys() == before.keys()
    moved = {name for name, value in before.items() if not torch.equal(bare[name][: len(value)], value)}
    assert "encoder.emb.weight" in moved and "decoder.estimator.final_conv.weight" in moved
    assert torch.equal(bare["spk_emb.weight"][:2], before["spk_emb.weight"])  # who was not heard is not changed
    assert unpack(bare).speakers == ("0", "1", "2", "3")
    capsys.readouterr()
    assert fine_tune(folder, tmp_path, trained, "train.steps=3") == 0
    assert f"step 2  resuming in {tmp_path}" in capsys.readouterr().out


def test_a_speaker_named_by_a_number_of_the_checkpoint_trains_that_row_and_a_note_says_so(
    folder, tmp_path, trained, capsys
):
    (tmp_path / "train.txt").write_text((folder / "train.txt").read_text().replace("|anna", "|1"))
    for path in folder.glob("*.wav"):
        (tmp_path / path.name).symlink_to(path)
    more = (f"train.train_filelist={tmp_path / 'train.txt'}", "train.steps=2", "train.learning_rate=1e-3")
    before = unpack(read_checkpoint(trained)).model.state_dict()["spk_emb.weight"]
    assert fine_tune(folder, tmp_path / "log", trained, *more) == 0
    assert "own rows are trained for: 1; other names get new rows" in "".join(capsys.readouterr())
    after = torch.load(tmp_path / "log" / "checkpoint.pt", weights_only=True)["spk_emb.weight"]
    assert after.shape == (3, 64) and torch.equal(after[0], before[0]) and not torch.equal(after[1], before[1])


def test_what_fine_tuning_cannot_do_is_one_line(folder, tmp_path, trained, capsys, monkeypatch):
    def error(*more: str) -> str:
        capsys.readouterr()
        assert fine_tune(folder, tmp_path, trained, "train.steps=1", *more) == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert "was trained with 16" in error("encoder.channels=24")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "without torchrun" in error()


def test_the_time_scale_of_a_fine_tuned_checkpoint_can_be_given(folder, tmp_path, trained):
    assert fine_tune(folder, tmp_path, trained, "train.steps=1", "estimator.pe_scale=1") == 0
    assert "pe_scale: 1.0" in (tmp_path / "params.yaml").read_text()
