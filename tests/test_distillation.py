"""A decoder that learns to reach in few evaluations what it reaches in many."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from data.checkpoint_file import read_checkpoint
from data.model_file import load_checkpoint
from model.distillation import Lesson, distillation_loss
from model.style import StyleSource
from train_multi_speaker import main
from training import saving

from .official_weights import random_state
from .test_train_script import arguments, fails, folder, of_the_run, small_vocoder, trained  # noqa: F401 (fixtures)
from .tiny_synthesiser import tiny_model

LESSON = Lesson(few=2, many=5, temperature=2.0)


def batch(hears: bool = False) -> dict:
    """Arguments of the losses: two texts of a few tokens, as a recording has them."""
    generator = torch.Generator().manual_seed(3)
    frames = 24
    vectors = (torch.randn(2, 8, generator=generator), torch.randn(2, 6, generator=generator))
    speaker, emotion = vectors if hears else (torch.tensor([0, 1]), torch.tensor([1, 0]))
    lengths = torch.tensor([frames, frames - 5])
    style = StyleSource(
        speaker=speaker,
        emotion=emotion,
        log_f0=torch.full((2, frames), 5.0),
        voicing=torch.ones(2, frames),
        energy=torch.randn(2, frames, generator=generator),
        contour_lengths=lengths,
    )
    return {
        "ids": torch.randint(1, 20, (2, 6), generator=generator),
        "id_lengths": torch.tensor([6, 4]),
        "mel": torch.randn(2, 80, frames, generator=generator) - 5,
        "mel_lengths": lengths,
        "style": style,
        "crop_frames": 16,
    }


@pytest.mark.parametrize("seed", [0, 1, 2, 3])  # the recording's frames and the text's own
@pytest.mark.parametrize("hears", [False, True])
def test_who_already_is_the_teacher_has_nothing_to_learn(hears, seed):
    teacher = tiny_model(voice_channels=8) if hears else tiny_model()
    student = deepcopy(teacher)
    generator = torch.Generator().manual_seed(seed)
    same = Lesson(few=3, many=3, temperature=2.0)
    loss, count = distillation_loss(student, teacher, same, **batch(hears), generator=generator)
    assert loss.item() == 0 and 0 < float(count) <= 32
    more, _ = distillation_loss(student, teacher, LESSON, **batch(hears), generator=generator)
    assert more.item() > 0


def test_only_the_last_evaluation_differs_from_the_teachers():
    teacher = tiny_model()
    lessons = (LESSON, Lesson(1, 5, LESSON.temperature))
    losses = []
    for lesson in lessons:
        generator = torch.Generator().manual_seed(0)
        loss, _ = distillation_loss(deepcopy(teacher), teacher, lesson, **batch(), generator=generator)
        losses.append(loss.item())
    # From its first evaluation the path's end is farther than from the second.
    assert 0 < losses[0] < losses[1]


def test_a_few_steps_bring_it_nearer():
    teacher = tiny_model()
    student = deepcopy(teacher)
    optimizer = torch.optim.Adam(student.decoder.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        generator = torch.Generator().manual_seed(0)
        loss, _ = distillation_loss(student, teacher, LESSON, **batch(), generator=generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.fixture(scope="module")
def distilled(folder, trained, tmp_path_factory) -> Path:  # noqa: F811
    log_dir = tmp_path_factory.mktemp("distilled") / "log"
    assert main(run(folder, trained, log_dir, steps=4)) == 0
    return log_dir


def run(folder, teacher: Path, log_dir: Path, *more: str, **train) -> list[str]:  # noqa: F811
    given = ["inference.steps=2", "inference.sampler=edm-2m-few", f"train.teacher={teacher / 'checkpoint.pt'}"]
    return of_the_run(folder, log_dir, *given, *more, valid_every=2, **train)


def test_a_run_with_a_teacher_changes_the_decoder_alone(trained, distilled):  # noqa: F811
    before, after = (load_checkpoint(log_dir / "checkpoint.pt") for log_dir in (trained, distilled))
    assert (after.speakers, after.emotions, after.symbols) == (before.speakers, before.emotions, before.symbols)
    assert (after.params.inference.steps, after.params.inference.sampler) == (2, "edm-2m-few")
    changed = {
        name
        for name, parameter in after.model.named_parameters()
        if not torch.equal(parameter, dict(before.model.named_parameters())[name])
    }
    assert changed and all(name.startswith("decoder.") for name in changed)
    log = (distilled / "train.log").read_text()
    assert "step 4  validation: distillation" in log and "failed" not in log


def test_it_resumes_where_it_stopped(folder, trained, distilled, tmp_path):  # noqa: F811
    assert main(run(folder, trained, tmp_path / "log", "train.decay_steps=400", steps=2)) == 0
    assert main(run(folder, trained, tmp_path / "log", "train.decay_steps=398", steps=4)) == 0
    one, two = (saving.load(log_dir).payload["weights"] for log_dir in (distilled, tmp_path / "log"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_what_cannot_teach_is_refused_in_one_line(folder, trained, distilled, tmp_path, capsys):  # noqa: F811
    checkpoint = str(trained / "checkpoint.pt")
    assert "leave --init out" in fails(capsys, run(folder, trained, tmp_path / "a", "--init", checkpoint, steps=1))
    official = tmp_path / "official"
    official.mkdir()
    torch.save(random_state(2, 3), official / "checkpoint.pt")
    assert "official checkpoint" in fails(capsys, run(folder, official, tmp_path / "b", steps=1))
    other = tmp_path / "other"
    assert main(arguments(folder, other, "train.seed=5", steps=1)) == 0
    capsys.readouterr()
    assert "did not teach" in fails(capsys, run(folder, other, distilled, steps=5))
    assert read_checkpoint(distilled / "checkpoint.pt")["step"] == 4
    assert "give that as train.teacher" in fails(capsys, of_the_run(folder, distilled, steps=5))
    few = "inference.sampler=edm-2m"
    assert "set inference.sampler" in fails(capsys, run(folder, trained, tmp_path / "d", few, steps=1))
    assert "must be above" in fails(capsys, run(folder, trained, tmp_path / "e", "inference.steps=6", steps=1))
    assert "no such" in fails(capsys, run(folder, tmp_path / "none", tmp_path / "c", steps=1))
