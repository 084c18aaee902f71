"""What listens to recordings: voice encoder, manner, rate, and the random microphones that they are taught with."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from common.errors import InputError
from data.mel import AMPLITUDE_FLOOR
from model.manner import MANNER, Manner, RateEstimator, contours_in_manner, measure_manner, speech_frames
from model.units import SILENCE
from model.voice import VoiceEncoder, mean_voice, without_gain
from training import recordings
from training.microphone import through_microphones

FRAME_SECONDS = 256 / 22050
ROW_HZ = torch.linspace(50, 7900, 80)


def mels(batch: int = 3, frames: int = 60) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 80, frames, generator=generator) - 4


# ------------------------------------------------------------------------ voice


@pytest.mark.parametrize("network", [VoiceEncoder(80, 16, width=24), RateEstimator(80, width=16)])
def test_an_item_of_a_padded_batch_equals_the_item_alone(network):
    mel, lengths = mels(), torch.tensor([60, 37, 12])
    together = network(mel, lengths)
    for item, length in enumerate(lengths.tolist()):
        alone = network(mel[item : item + 1, :, :length], lengths[item : item + 1])[0]
        torch.testing.assert_close(together[item, : len(alone)], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("network", [VoiceEncoder(80, 16, width=24), RateEstimator(80, width=16)])
def test_a_gain_changes_nothing(network):
    mel, lengths = mels(), torch.tensor([60, 37, 12])
    torch.testing.assert_close(network(mel + 1.7, lengths), network(mel, lengths), atol=1e-5, rtol=1e-5)


def test_voices_have_length_one():
    vectors = VoiceEncoder(80, 16, width=24)(mels(), torch.tensor([60, 37, 12]))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(mean_voice(list(vectors)).norm(), torch.tensor(1.0))
    torch.testing.assert_close(mean_voice([vectors[0], vectors[0]]), vectors[0])


def test_the_level_of_the_loud_frames_is_taken_out():
    mel = torch.full((1, 80, 10), -9.0)
    mel[:, :, 3:7] = 2.0
    expected = torch.full((1, 80, 10), -6.0)  # the floor
    expected[:, :, 3:7] = 0.0
    expected[:, :, 8:] = 0.0  # past the end
    mask = (torch.arange(10) < 8).float()[None, None]
    torch.testing.assert_close(without_gain(mel, mask), expected)


# ----------------------------------------------------------------------- manner


def measured(**changes) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    frames = 200
    given = {
        "mel": mels(1, frames),
        "log_f0": 5 + 0.2 * torch.randn(1, frames, generator=generator),
        "voicing": (torch.rand(1, frames, generator=generator) > 0.3).float(),
        "energy": torch.randn(1, frames, generator=generator),
        "lengths": torch.tensor([frames]),
        "rate": torch.tensor([12.0]),
        "row_hz": ROW_HZ,
    }
    manner = measure_manner(**{**given, **{name: change(given[name]) for name, change in changes.items()}})
    assert manner.vector().shape == (1, len(MANNER)) and manner.vector().isfinite().all()
    return {name: getattr(manner, name) for name in MANNER}


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"log_f0": lambda x: x + 0.25}, {"f0_level": 0.25}),
        ({"rate": lambda x: 2 * x}, {"rate": math.log(2)}),
        ({"energy": lambda x: x + 0.7, "mel": lambda x: x + 0.7}, {"level": 0.7}),
        ({"mel": lambda x: x + 0.5 * (ROW_HZ > 1000)[:, None]}, {"effort": 0.5}),
    ],
)
def test_each_number_says_one_thing(changes, moved):
    before, after = measured(), measured(**changes)
    for name in MANNER:
        torch.testing.assert_close(after[name] - before[name], torch.tensor([moved.get(name, 0.0)]), atol=1e-5, rtol=0)


def test_range_and_dynamics_are_proportional():
    before, after = measured(), measured(log_f0=lambda x: 1.5 * x, energy=lambda x: 0.5 * x)
    torch.testing.assert_close(after["f0_range"], 1.5 * before["f0_range"])
    # Between the quiet frames of speech and its loud ones; fewer frames are pauses now.
    assert after["dynamics"] < before["dynamics"]


def test_predicted_contours_have_the_range_and_the_level_of_the_manner():
    generator = torch.Generator().manual_seed(1)
    log_f0, energy = 5 + 0.1 * torch.randn(2, 60, generator=generator), torch.randn(2, 60, generator=generator)
    voicing = (torch.rand(2, 60, generator=generator) > 0.4).float()
    lengths, mel = torch.tensor([60, 45]), mels(2)
    inside = torch.arange(60) < lengths[:, None]

    def heard(log_f0: torch.Tensor, energy: torch.Tensor) -> Manner:
        return measure_manner(mel, log_f0, voicing, energy, lengths, torch.ones(2), ROW_HZ)

    asked = replace(heard(log_f0, energy), f0_range=torch.tensor([0.2, 0.08]), level=torch.tensor([-3.0, 1.0]))
    found = heard(*contours_in_manner(log_f0, energy, voicing, inside, asked))
    for name in ("f0_level", "f0_range", "level", "dynamics"):
        torch.testing.assert_close(getattr(found, name), getattr(asked, name))
    flat = torch.full_like(log_f0, 5.0)
    assert torch.equal(contours_in_manner(flat, energy, voicing, inside, asked)[0], flat)
    # What it has already changes nothing, and a range that no voice has is not reached.
    as_it_is = contours_in_manner(log_f0, energy, voicing, inside, heard(log_f0, energy))
    torch.testing.assert_close(as_it_is, (log_f0, energy))
    wide = replace(asked, f0_range=torch.full((2,), 9.0))
    found = heard(*contours_in_manner(log_f0, energy, voicing, inside, wide))
    torch.testing.assert_close(found.f0_range, 3 * heard(log_f0, energy).f0_range)


def test_a_padded_manner_equals_the_manner_alone():
    mel, lengths = mels(2, 80), torch.tensor([80, 50])
    log_f0, energy = mel[:, 0], mel[:, 1]
    voicing = (mel[:, 2] > -4).float()
    rate = torch.tensor([10.0, 12.0])
    together = measure_manner(mel, log_f0, voicing, energy, lengths, rate, ROW_HZ).vector()
    own = [x[1:, ..., :50] for x in (mel, log_f0, voicing, energy)]
    alone = measure_manner(*own, lengths[1:], rate[1:], ROW_HZ).vector()
    torch.testing.assert_close(together[1:], alone)


def test_nobody_speaks():
    mel = mels(1, 30)
    silent = torch.zeros(1, 30)
    manner = measure_manner(mel, silent, silent, silent, torch.tensor([30]), torch.tensor([0.0]), ROW_HZ)
    assert manner.vector().isfinite().all()


def test_pauses_at_the_ends_are_no_speech():
    energy = torch.full((2, 50), -9.0)
    energy[0, 10:40] = 1.0
    energy[0, 20:25] = -9.0  # a pause within
    energy[1, 45:] = 1.0  # past its end: nothing stands out before
    assert speech_frames(energy, torch.tensor([50, 40])).tolist() == [30, 40]


# ------------------------------------------------------------------- microphones


def test_a_seed_is_a_microphone_whatever_the_batch():
    mel = mels()
    seeds = torch.arange(len(mel)) + 1
    heard = through_microphones(mel, seeds, FRAME_SECONDS)
    assert heard.shape == mel.shape and heard.isfinite().all()
    for i in range(len(mel)):
        padded = F.pad(mel[i : i + 1], (0, 7), value=SILENCE)
        alone = through_microphones(padded, seeds[i : i + 1], FRAME_SECONDS)[:, :, : mel.shape[2]]
        torch.testing.assert_close(alone[0], heard[i])
    assert not torch.allclose(through_microphones(mel, seeds + 99, FRAME_SECONDS), heard)


def test_sounds_come_through():
    """What is said is still there: loud cells stay loud beside quiet ones."""
    mel = torch.full((64, 80, 40), -10.0)
    mel[:, 10:40, 10:20] = 0.0
    heard = through_microphones(mel, torch.arange(64), FRAME_SECONDS)
    assert (heard[:, 10:40, 12:20].mean((1, 2)) > heard[:, 10:40, :9].mean((1, 2)) + 1).all()


# ---------------------------------------------------------------------- learning


def test_of_a_few_voices_none_is_held_out():
    data = recordings.Recordings(
        [mels()[0].half()] * 2, recordings.np.array([0, 1]), recordings.np.array([5, 6]), ["a", "b"]
    )
    nearest = recordings.nearest_own_voice(recordings.Listener(80, 2), data, recordings.np.array([]), FRAME_SECONDS)
    assert recordings.np.isnan(nearest)


def test_rates_drawn_to_the_usual_one_cost_more(monkeypatch):
    """Heard rates = phones^slope about the same mean: beside the deviance, the slope's distance from 1 is paid for."""
    listener = recordings.Listener(80, 2)
    phones, lengths = torch.tensor([20.0, 30.0, 45.0]), torch.full((3,), 100)
    mean = phones.log().mean()

    def cost(slope: float, factor: float = 1.0) -> float:
        heard = factor * (mean + slope * (phones.log() - mean)).exp()
        monkeypatch.setattr(listener.rate, "forward", lambda mel, lengths: heard[:, None])
        deviance = (heard - phones * heard.log() - phones + phones * phones.log()).sum() / phones.sum()
        return float(listener.rate_loss(torch.zeros(3, 80, 100), lengths, phones) - deviance)

    assert cost(1.0) == pytest.approx(0, abs=1e-6)
    assert cost(1.0, 1.3) == pytest.approx(0, abs=1e-6)  # a wrong mean is the deviance's to tell
    assert cost(0.6) == pytest.approx(0.05 * 0.16, abs=1e-6)
    assert cost(1.4) == pytest.approx(0.05 * 0.16, abs=1e-6)


def test_voices_and_rates_are_learned(monkeypatch, tmp_path, capsys):
    """Three voices that differ in one row; the rest is noise. A resumed run ends as an unbroken one."""
    monkeypatch.setattr(recordings, "_BATCH", 12)
    monkeypatch.setattr(recordings, "_RATE_BATCH", 4)
    monkeypatch.setattr(recordings, "_HELD_OUT_EVERY", 4)
    monkeypatch.setattr(recordings, "_WARMUP", 1)
    voices, phones = [0, 1, 2, 3] * 4, list(range(20, 36))
    made = []
    for i, voice in enumerate(voices):
        mel = torch.randn(80, 110, generator=torch.Generator().manual_seed(i)) - 4
        mel[20 * voice : 20 * voice + 10] += 4
        made.append(mel.half())
    data = recordings.Recordings(made, recordings.np.array(voices), recordings.np.array(phones), list("abcd"))

    def run(folder: str) -> dict:
        torch.manual_seed(0)
        recordings.train(recordings.Listener(80, 4), data, tmp_path / folder, 12, recordings.Params())
        return recordings.read_checkpoint(tmp_path / folder / "recordings.pt")

    unbroken = run("a")
    assert "nearest 100.0% of 1" in capsys.readouterr().out.splitlines()[-1]
    assert set(unbroken) == {"voice", "rate"}
    asked = iter([False] * 11)
    with monkeypatch.context() as patch:
        patch.setattr(recordings, "stopping_on_signals", lambda: nullcontext(lambda: next(asked, True)))
        run("b")
    assert 0 < recordings.read_checkpoint(tmp_path / "b" / "state.pt")["step"] < 12
    resumed = run("b")
    assert "resuming" in capsys.readouterr().out
    run("b")
    assert "finished before" in capsys.readouterr().out
    others = replace(data, names=list("abce"))
    with pytest.raises(InputError, match="of other voices"):
        recordings.train(recordings.Listener(80, 4), others, tmp_path / "b", 12, recordings.Params())
    for part, weights in unbroken.items():
        for name, value in weights.items():
            torch.testing.assert_close(resumed[part][name], value, atol=0, rtol=0)

    # Further training starts from the networks, and tells the voices apart at once.
    further = recordings.Listener(80, 4)
    recordings.start_from(further, unbroken, data)
    for name, value in further.voice.state_dict().items():
        torch.testing.assert_close(value, unbroken["voice"][name], atol=0, rtol=0)
    mel, lengths = recordings._padded([made[i].float() for i in range(4)])
    with torch.no_grad():
        cosine = further.voice(mel, lengths) @ torch.nn.functional.normalize(further.directions, dim=1).T
    assert cosine.argmax(1).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"not networks of training\.recordings"):
        recordings.start_from(further, {"voice": {}}, data)


def test_parameters_may_stand_between_options(tmp_path, capsys):
    filelist = tmp_path / "list.txt"
    filelist.write_text("")
    given = ["--steps", "3", "train.seed=2", "-o", str(tmp_path / "out"), f"train.train_filelist={filelist}"]
    assert recordings.main(given) == 2
    assert f"{filelist} has one voice only" in capsys.readouterr().err
    assert recordings.main([*given, "train.steps=3"]) == 2
    assert "train.steps has no part in this" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        recordings.main(["--help"])
    assert "usage: python -m training.recordings" in capsys.readouterr().out


def test_padding_is_silence():
    mel, lengths = recordings._padded([torch.zeros(80, 3), torch.zeros(80, 5)])
    assert lengths.tolist() == [3, 5] and not mel[1].any() and not mel[0, :, :3].any()
    assert torch.equal(mel[0, :, 3:], torch.full((80, 2), math.log(AMPLITUDE_FLOOR)))
