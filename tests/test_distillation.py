"""A decoder that learns to sound in few evaluations like a recording."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from data.checkpoint_file import read_checkpoint
from data.model_file import load_checkpoint
from model.critic import Critic
from model.distillation import DistillationLosses, Lesson, distillation_losses
from model.randomness import BatchShare, drawing_for
from model.style import StyleSource
from train_multi_speaker import main
from training import saving

from .official_weights import random_state
from .test_train_script import arguments, fails, folder, of_the_run, small_vocoder, trained  # noqa: F401 (fixtures)
from .tiny_corpus import taught_by
from .tiny_synthesiser import tiny_model

LESSON = Lesson(evaluations=2, temperature=2.0)
RECORDED = 2  # a seed whose batch has the recordings' frames


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


def losses_of(student, teacher, critic, seed: int, hears: bool = False, arguments: dict | None = None):
    generator = torch.Generator().manual_seed(seed)
    given = batch(hears) if arguments is None else arguments
    return distillation_losses(student, teacher, critic, LESSON, **given, generator=generator)


def critic_of(seed: int = 0) -> Critic:
    torch.manual_seed(seed)
    return Critic(channels=4)


@pytest.mark.parametrize("hears", [False, True])
def test_of_the_texts_own_frames_the_teachers_word_is_wanted(hears):
    teacher = tiny_model(voice_channels=8) if hears else tiny_model()
    critic, seen = critic_of(), set()
    for seed in range(8):
        losses = losses_of(deepcopy(teacher), teacher, critic, seed, hears)
        predicted = losses.features.item() == 0
        assert (losses.distillation.item() == 0) == predicted
        seen.add(predicted)
    assert seen == {True, False}


@pytest.mark.parametrize("seed", range(4))  # with a recording's frames and with the text's own
def test_the_decoder_and_the_critic_learn_from_their_own_loss_alone(seed):
    teacher = tiny_model()
    student, critic = deepcopy(teacher), critic_of()
    losses = losses_of(student, teacher, critic, seed)
    assert not losses.realism.requires_grad and not losses.features.requires_grad
    losses.distillation.backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in (*critic.parameters(), *teacher.parameters()))
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in student.decoder.parameters())
    student.zero_grad()
    losses.critic.backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in student.parameters())
    assert all(parameter.grad.any() for parameter in critic.parameters())


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_is_the_mean_of_its_items(seed):
    teacher = tiny_model()
    critic = critic_of()

    def gradient(rows: tuple[int, ...]) -> tuple[list[torch.Tensor], DistillationLosses]:
        student, whole = deepcopy(teacher), batch()
        critic.zero_grad()
        at = list(rows)
        style = replace(
            whole["style"],
            **{
                field.name: value[at]
                for field in fields(whole["style"])
                if isinstance(value := getattr(whole["style"], field.name), torch.Tensor)
            },
        )
        part = {name: value[at] if isinstance(value, torch.Tensor) else value for name, value in whole.items()}
        with drawing_for(BatchShare(2, rows)):
            losses = losses_of(student, teacher, critic, seed, arguments={**part, "style": style})
        (losses.distillation + losses.critic).backward()
        learning = (*student.decoder.parameters(), *critic.parameters())
        return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in learning], losses

    (whole, losses), (first, one), (second, two) = (gradient(rows) for rows in ((0, 1), (0,), (1,)))
    for together, *apart in zip(whole, first, second, strict=True):
        torch.testing.assert_close(together, sum(apart) / 2, atol=2e-6, rtol=1e-4)
    for name in vars(losses):
        torch.testing.assert_close(getattr(losses, name), (getattr(one, name) + getattr(two, name)) / 2)


def test_a_few_steps_bring_it_nearer():
    teacher = tiny_model()
    student, critic = deepcopy(teacher), critic_of()
    learning = [*student.decoder.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(learning, lr=3e-3, betas=(0.8, 0.99))
    history = []
    for _ in range(60):
        losses = losses_of(student, teacher, critic, seed=RECORDED)
        optimizer.zero_grad()
        (losses.distillation + losses.critic).backward()
        optimizer.step()
        history.append([float(value) for value in vars(losses).values()])
    first, last = (dict(zip(vars(losses), values, strict=True)) for values in (history[0], history[-1]))
    assert last["distillation"] < 0.97 * first["distillation"]
    assert last["critic"] < 0.8 * first["critic"]


@pytest.fixture(scope="module")
def distilled(folder, trained, tmp_path_factory) -> Path:  # noqa: F811
    log_dir = tmp_path_factory.mktemp("distilled") / "log"
    assert main(run(folder, trained, log_dir, steps=4)) == 0
    return log_dir


def run(folder, teacher: Path, log_dir: Path, *more: str, **train) -> list[str]:  # noqa: F811
    return of_the_run(folder, log_dir, *taught_by(teacher), *more, valid_every=2, **train)


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
    assert "no such" in fails(capsys, run(folder, tmp_path / "none", tmp_path / "c", steps=1))
