"""The pitch reader: what cancels, what its gradient reaches, and that distractors teach it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from common.errors import InputError
from data.cache import FeatureCache
from data.checkpoint_file import read_checkpoint, write_checkpoint
from data.filelist import read_filelist
from model.checkpoint import unpack
from model.pitch_reader import PitchReader, PitchReading, pack_reader, unpack_reader
from model.source_picture import SourcePicture
from params import Audio
from synthesis.reader_file import read_reader, reader_path
from tests.documentation import ROOT
from tests.official_weights import random_state
from tests.tiny_model import seeded
from tests.tiny_synthesiser import SPEAKERS, tiny_loaded, write_tiny_checkpoint
from training.pitch_reader import CROP_FRAMES, Distractors, Examiner, Recording, main, read_recording

ROWS, FRAMES = 80, 24


def reader(channels: int = 4, seed: int = 0) -> PitchReader:
    torch.manual_seed(seed)
    return PitchReader(ROWS, channels).eval().requires_grad_(False)


def cells(seed: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, ROWS, FRAMES, generator=seeded(seed))


LOG_S = torch.tensor([0.3, -2.0])


def test_the_same_picture_on_both_sides_cancels_exactly() -> None:
    x, picture = cells(0).requires_grad_(), cells(1)
    reading = reader()(x, LOG_S, picture, picture.clone())
    assert (reading.log_odds == 0).all() and (reading.mass == 0.5).all()
    assert (reading.by_frame(torch.rand(1, ROWS, FRAMES, generator=seeded(2))) == 0.5).all()
    (gradient,) = torch.autograd.grad(reading.mass.log().sum(), x)
    assert (gradient == 0).all()


def test_exchanged_sides_exchange_their_masses() -> None:
    x, a, b = cells(0), cells(1), cells(2)
    one, other = reader()(x, LOG_S, a, b), reader()(x, LOG_S, b, a)
    assert torch.equal(one.log_odds, -other.log_odds)
    torch.testing.assert_close(one.mass + other.mass, torch.ones_like(x))
    assert (one.log_odds.abs() > 1e-3).any()


def test_a_cell_reads_its_neighbourhood_alone() -> None:
    """So a mask says which part of the latent is tuned."""
    x, a, b = cells(0, 1), cells(1, 1), cells(2, 1)
    leaf = x.requires_grad_()
    reading = reader()(leaf, LOG_S[:1], a, b)
    (gradient,) = torch.autograd.grad(reading.mass[0, 40, 12], leaf)
    reached = torch.nonzero(gradient[0].abs() > 0)
    assert reached.amin(0).tolist() == [40 - 8, 12 - 6] and reached.amax(0).tolist() == [40 + 8, 12 + 6]


def test_a_frames_part_is_the_weighted_mean_of_its_log_odds() -> None:
    odds = torch.tensor([[[2.0, -1.0, 3.0], [0.0, 5.0, 1.0]]])
    reading = PitchReading(odds, torch.tensor(2.0))
    weight = torch.tensor([[[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]]])
    expected = torch.tensor([[2.0 * 1.0, 2.0 * -1.0, 2.0 * 2.0]]).sigmoid()  # the last has no weight: all its rows
    torch.testing.assert_close(reading.by_frame(weight), expected)


def test_a_reader_in_a_file_is_the_same_but_for_rounding(tmp_path) -> None:
    checkpoint = tmp_path / "model.pt"
    assert read_reader(checkpoint, ROWS) is None
    original = reader()
    write_checkpoint(reader_path(checkpoint), pack_reader(original))
    again = read_reader(checkpoint, ROWS)
    assert not any(parameter.requires_grad for parameter in again.parameters())
    x, a, b = cells(0), cells(1), cells(2)
    torch.testing.assert_close(again(x, LOG_S, a, b).log_odds, original(x, LOG_S, a, b).log_odds, atol=5e-3, rtol=0)
    with pytest.raises(InputError, match="80 mel rows, not 40"):
        read_reader(checkpoint, 40)


@pytest.mark.parametrize(
    "change", [{"format": "other"}, {"weights": {}}, {"channels": 5}, {"channels": None}, {"weights": None}]
)
def test_other_files_are_no_readers(change: dict) -> None:
    with pytest.raises(ValueError, match="reader") as raised:
        unpack_reader({**pack_reader(reader()), **change})
    assert "\n" not in str(raised.value)


# Training


def toy_recordings(count: int, seed: int) -> list[Recording]:
    """Residuals that are the picture of their contour, half as strong: what a reader has to find."""
    picture, rng, made = SourcePicture(Audio()), np.random.default_rng(seed), []
    for index in range(count):
        frames = CROP_FRAMES + 4 * (index % 3)
        wave = 0.2 * np.sin(np.arange(frames) / rng.uniform(5, 20))
        log_f0 = torch.from_numpy(rng.uniform(4.6, 5.6) + wave).float()
        voicing = (torch.arange(frames) % 12 < 10).float()
        made.append(Recording(f"v{index % 2}", 0.5 * picture(log_f0[None], voicing[None])[0], log_f0, voicing))
    return made


def test_questions_have_the_true_contour_first() -> None:
    recordings = toy_recordings(6, 0)
    asked = Distractors(recordings).draw(20, np.random.default_rng(1))
    assert asked.residual.shape == (20, ROWS, CROP_FRAMES)
    assert {*asked.voicing.unique().tolist()} == {0.0, 1.0}
    drawn = 0.5 * SourcePicture(Audio())(asked.own, asked.voicing)
    right = (drawn - asked.residual).square().mean((1, 2))
    wrong = (0.5 * SourcePicture(Audio())(asked.other, asked.voicing) - asked.residual).square().mean((1, 2))
    assert (right < wrong).float().mean() > 0.9
    semitones = 12 / math.log(2) * (asked.own - asked.other).abs().mean(1)
    assert (semitones > 1).float().mean() > 0.7


def test_too_short_recordings_are_no_questions() -> None:
    short = toy_recordings(1, 0)[0]
    with pytest.raises(InputError, match="96 frames"):
        Distractors([Recording("v", short.residual[:, :50], short.log_f0[:50], short.voicing[:50])])


def test_distractors_teach_it_to_read_and_noise_makes_it_harder() -> None:
    examiner = Examiner(reader(8), SourcePicture(Audio()), 0.45)
    asked, losses = Distractors(toy_recordings(12, 3)), []
    before = examiner.accuracy(asked, 0.2, 0, size=16)
    examiner.train(Distractors(toy_recordings(12, 2)), 80, 0, lambda step, loss, right: losses.append(loss))
    clear, noisy = (examiner.accuracy(asked, s, 0, size=16) for s in (0.05, 12.0))
    assert len(losses) == 80 and np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.2
    assert clear > 0.85 > before
    assert clear > noisy
    assert not examiner.reader.training


def test_it_is_trained_beside_a_checkpoint_which_stays_as_it_is(tmp_path, capsys, monkeypatch) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny.pt")
    before = checkpoint.read_bytes()
    lines = (ROOT / "resources/filelists/tiny_valid.txt").read_text().splitlines()
    filelist = tmp_path / "some.txt"
    filelist.write_text("".join(line.replace("..", str(ROOT / "resources"), 1) + "\n" for line in lines))
    monkeypatch.setattr("training.pitch_reader.SHOWN_LEVELS", (1.0,))
    given = ["-c", checkpoint, "-f", filelist, "--valid", filelist, "--cache", tmp_path / "cache"]
    assert main([*map(str, given), "--spoken", "1", "--steps", "2"]) == 0
    assert checkpoint.read_bytes() == before
    assert read_reader(checkpoint, ROWS).n_mels == ROWS
    assert "2 held-out recordings: 1:" in capsys.readouterr().out


def test_a_model_that_hears_reads_recordings_too(tmp_path) -> None:
    loaded = tiny_loaded(voice_channels=8)
    cache = FeatureCache(tmp_path, loaded.params.audio)
    (utterance, *_) = read_filelist(ROOT / "resources/filelists/tiny_valid.txt")
    names = ("nobody", *SPEAKERS)
    stranger, *known = (read_recording(loaded, replace(utterance, speaker=name), cache).residual for name in names)
    assert stranger.shape[0] == ROWS and not torch.equal(known[0], known[1])
    nearest = min(known, key=lambda residual: float(residual.square().mean()))
    torch.testing.assert_close(stranger, nearest)


def test_what_has_no_contours_is_refused(tmp_path, capsys) -> None:
    official = tmp_path / "official.pt"
    torch.save(random_state(247, 0), official)
    assert main(["-c", str(official)]) == 2
    assert "reads no contours" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--steps", "0"])


def test_the_shipped_reader_tells_in_the_clear_and_hardly_in_noise(tmp_path) -> None:
    loaded = unpack(read_checkpoint(ROOT / "checkpts/default.pt"))
    shipped = read_reader(ROOT / "checkpts/default.pt", ROWS)
    cache = FeatureCache(tmp_path, loaded.params.audio)
    utterances = read_filelist(ROOT / "resources/filelists/tiny_valid.txt")
    asked = Distractors([read_recording(loaded, utterance, cache) for utterance in utterances])
    examiner = Examiner(shipped, SourcePicture(loaded.params.audio), loaded.params.diffusion.residual_std)
    clear, noisy = (examiner.accuracy(asked, s, 0, size=32) for s in (0.2, 12.0))
    assert clear > 0.95 and 0.5 < noisy < 0.85
