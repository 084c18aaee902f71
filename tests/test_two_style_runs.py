"""`inference.py` with a second style."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

import data.pitch
from data.checkpoint_file import write_checkpoint
from evaluation.clips import read_run
from inference import main
from model.interpolation import KINDS, Linear, Temporal
from model.pitch_reader import PitchReader, pack_reader
from params import Audio
from synthesis.reader_file import reader_path
from synthesis.synthesiser import Synthesiser
from synthesis.two_styles import speak_pairs
from tests.official_weights import random_state
from tests.tiny_synthesiser import tiny_loaded, tiny_vocoder, write_tiny_files

F0 = 140.0  # what the random vocoder's noise is said to have


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    written = write_tiny_files(tmp_path_factory.mktemp("models"), "Hello there, my friend.\nGood night.\n")
    write_checkpoint(reader_path(written.checkpoint), pack_reader(PitchReader(80, 4)))
    return written


@pytest.fixture
def run(files, tmp_path, monkeypatch):
    """Calls `main` with the tiny model; every second frame of what it hears is voiced."""

    def heard(audio, audio_params):
        frames = len(audio) // audio_params.hop_length
        return np.where(np.arange(frames) % 2 == 0, F0, 0).astype(np.float32)

    monkeypatch.setattr(data.pitch, "extract_f0", heard)

    def call(*more: object, checkpoint: Path | None = None) -> int:
        arguments = ["-f", files.texts, "-c", checkpoint or files.checkpoint, "--vocoder", files.vocoder, "-t", 2]
        try:
            return main([*map(str, arguments), "--device", "cpu", "-o", str(tmp_path / "out"), *map(str, more)])
        except SystemExit as exit:
            return exit.code

    return call


def audio(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="int16")[0]


def test_three_wavs_a_line_from_one_noise(run, tmp_path):
    assert run("-s", "anna", "-s2", "bert") == 0
    out = tmp_path / "out"
    names = sorted(path.name for path in out.glob("*.wav"))
    assert names == [f"000{i}_{kind}.wav" for i in range(2) for kind in ("a", "ab", "b")]
    report = json.loads((out / "report.json").read_text())
    assert [row["wav"] for row in report["results"]] == [
        f"000{i}_{kind}.wav" for i in range(2) for kind in ("a", "b", "ab")
    ]
    assert report["results"][2]["speaker"] == "anna+bert"
    assert report["settings"]["interpolations"]["ab"] == {"kind": "linear", "weight": 0.5, "blend": "condition"}
    # The evaluation knows each wav once, with the phones that it was made of.
    clips = read_run(out, Audio()).clips
    assert [clip.wav.name for clip in clips] == [row["wav"] for row in report["results"]]
    assert all(clip.phones is not None for clip in clips) and clips[1].speaker == "bert"
    plain = {name: audio(out / f"0000_{name}.wav") for name in ("a", "b")}
    # a and b alone are what a run in one style gives.
    for name, speaker in (("a", "anna"), ("b", "bert")):
        assert run("-s", speaker) == 0
        np.testing.assert_array_equal(audio(out / "0000.wav"), plain[name])


def test_a_pair_that_would_last_too_long_is_left_out(run, monkeypatch, capsys):
    monkeypatch.setattr("synthesis.synthesiser.MOST_SECONDS", 0.1)
    assert run("-s", "anna", "-s2", "bert") == 2
    assert "lasts more than 0.1 s" in capsys.readouterr().err


def test_a_style_between_itself_and_itself(run, tmp_path):
    """Neither durations nor mu nor anything else moves, whatever the weight; only the heard pitch is now known."""
    assert run("-s", "anna", "-s2", "anna", "--weights", "0,0.3,1", "--precision", "fp32") == 0
    out = tmp_path / "out"
    first = audio(out / "0000_ab_0.wav")
    assert len(first) == len(audio(out / "0000_a.wav"))
    for weight in ("0.3", "1"):
        assert np.abs(audio(out / f"0000_ab_{weight}.wav").astype(int) - first).max() <= 2  # rounding to 16 bits


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("blend", ["condition", "score"])
def test_an_official_checkpoint_blends_speakers(run, files, tmp_path, blend, precision):
    checkpoint = files.folder / "official.pt"
    torch.save(random_state(247, 0), checkpoint)
    short = tmp_path / "short.txt"
    short.write_text("Hi.\n")
    asked = ["--weights", "0,1", "--blend", blend, "--precision", precision]
    assert run("-f", short, "-s", 12, "-s2", 10, *asked, checkpoint=checkpoint) == 0
    out = tmp_path / "out"
    for share, alone in ((1, "a"), (0, "b")):  # two batch sizes may round the last bit of a sample differently
        np.testing.assert_allclose(
            audio(out / f"0000_ab_{share}.wav"), audio(out / f"0000_{alone}.wav"), rtol=0, atol=1
        )


INTERPOLATIONS = [Linear(blend="score"), *(kind() for kind in KINDS.values())]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_run_of_a_pair_has_the_same_precision(monkeypatch, precision):
    synthesiser = Synthesiser(tiny_loaded(), tiny_vocoder(), torch.device("cpu"), precision)
    synthesiser.model.reader = PitchReader(80, 4).eval().requires_grad_(False)
    monkeypatch.setattr(data.pitch, "extract_f0", lambda audio, _: np.full(len(audio) // 256, F0, np.float32))
    seen = []
    forward = synthesiser.model.decoder.estimator.forward

    def watched(*args):
        seen.append(torch.is_autocast_enabled("cpu"))
        return forward(*args)

    monkeypatch.setattr(synthesiser.model.decoder.estimator, "forward", watched)
    a, b = (synthesiser.requests("Good night.", name, None, None) for name in ("anna", "bert"))
    (pair,) = speak_pairs(synthesiser, a, b, INTERPOLATIONS, synthesiser.options(steps=2))
    assert len(pair.between) == len(INTERPOLATIONS)
    assert set(seen) == {precision == "bf16"}


@pytest.mark.parametrize("method", ["staged", "same-time", "two-noise"])
@pytest.mark.parametrize("mask", ["f0", "harmonics", "f0-4", "none"])
def test_every_frequency_method_runs_with_every_mask(run, tmp_path, method, mask):
    short = tmp_path / "short.txt"
    short.write_text("Good night.\n")
    assert run("-f", short, "-s2", "bert", "--interp", "frequency", "--method", method, "--mask", mask) == 0
    out = tmp_path / "out"
    field = np.load(out / "0000_mask.npy")
    assert field.shape[0] == 80 and field.shape[1] * 256 == len(audio(out / "0000_ab.wav"))
    assert field.min() >= 0 and field.max() <= 1 and (mask == "none") == bool((field == 1).all())
    # b's durations by default.
    assert len(audio(out / "0000_ab.wav")) == len(audio(out / "0000_b.wav"))
    assert json.loads((out / "report.json").read_text())["settings"]["interpolations"]["ab"]["mask"] == mask


@pytest.mark.parametrize("lead", ["a", "b"])
@pytest.mark.parametrize("durations", ["a", "b"])
def test_lead_says_whose_pitch_and_durations_count_from_there(run, tmp_path, lead, durations):
    """`--durations a` are those of the style whose pitch is taken."""
    assert run("-s", "anna", "-s2", "bert", "--interp", "frequency", "--lead", lead, "--durations", durations) == 0
    out = tmp_path / "out"
    whose = lead if durations == "a" else ("b" if lead == "a" else "a")
    assert len(audio(out / "0000_ab.wav")) == len(audio(out / f"0000_{whose}.wav"))
    # Without a mask the leader has all of the pitch; the file has a's share.
    assert (np.load(out / "0000_mask.npy") == (lead == "a")).all()


def test_what_another_run_left_of_a_text_goes(run, files, tmp_path):
    """`evaluate.py` would take it for companions of the new wavs."""
    one, out = tmp_path / "one.txt", tmp_path / "out"
    one.write_text("Good night.\n")
    assert run("-s2", "bert", "--interp", "frequency", "--plots") == 0
    (out / "0000_oracle.wav").write_bytes((out / "0000_a.wav").read_bytes())  # somebody's own
    assert run("-f", one) == 0
    kept = sorted(path.name for path in out.glob("0000*"))
    assert kept == ["0000.wav", "0000_oracle.wav"] and (out / "0001_ab.wav").exists()
    assert read_run(out, Audio()).variants == ("", "oracle")
    assert run("-s2", "bert", "--interp", "frequency", "-f", one) == 0
    assert run("-s2", "bert", "--interp", "frequency", "-f", one) == 0  # what it writes itself stays
    assert {path.stem for path in out.glob("0000*")} >= {"0000_a", "0000_ab", "0000_b", "0000_mask"}


def test_a_crossing_by_word(run, tmp_path, capsys):
    assert run("-s2", "bert", "--interp", "temporal", "--cross-word", 1, "--cross-width", 0) == 0
    assert run("-s2", "bert", "--interp", "temporal", "--cross-word", 3) == 3  # the other text has so many words
    assert "texts.txt:2: cross_word 3" in capsys.readouterr().err
    assert run("-s2", "bert", "--interp", "temporal", "--cross-word", 3, "--strict") == 2
    assert "cross_word 3: the text has 2 words" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [Temporal(cross=0.6, cross_width=0), Temporal(cross_word=5, cross_width=0)])
def test_a_text_of_several_pieces_is_crossed_once(monkeypatch, kind):
    synthesiser = Synthesiser(tiny_loaded(), tiny_vocoder(), torch.device("cpu"))
    monkeypatch.setattr(data.pitch, "extract_f0", lambda audio, _: np.full(len(audio) // 256, F0, np.float32))
    text = "Good night. My friend, hello. Good night."  # 2, 3 and 2 words
    a, b = (synthesiser.requests(text, name, None, None, by_sentence=True) for name in ("anna", "bert"))
    (pair,) = speak_pairs(synthesiser, a, b, [kind], synthesiser.options(steps=1))
    first, second, third = (step.field[0, 0, : step.synthesis.mel.shape[2]] for step in pair.steps[0])
    assert (first == 1).all() and (third == 0).all()
    if kind.cross_word is None:
        assert second.min() == 0 and second.max() == 1
    else:
        assert (second == 1).all()  # the sixth word is the third sentence's first


def test_guidance_is_not_for_two(run, capsys):
    assert run("-s2", "bert", "--guidance-scale", 2) == 2
    assert "guidance acts on one style" in capsys.readouterr().err


def test_strict_finds_a_text_for_three_before_anything_is_spoken(run, tmp_path, capsys):
    texts = tmp_path / "three.txt"
    texts.write_text("Hello.\n<speak><voice name='bert'>Hi.</voice></speak>\n")
    assert run("-f", texts, "-s2", "bert", "--strict") == 2
    assert "would be a third" in capsys.readouterr().err and not list(tmp_path.glob("out/*.wav"))
    assert run("-f", texts, "-s2", "bert") == 3


@pytest.mark.parametrize("from_a", ["energy", "manner"])
def test_the_mask_of_a_run_without_as_pitch_is_empty(run, tmp_path, from_a):
    assert run("-s2", "bert", "--interp", "frequency", "--from-a", from_a) == 0
    assert not np.load(tmp_path / "out" / "0000_mask.npy").any()


def test_pictures_of_a_pair(run, tmp_path):
    assert run("-s2", "bert", "--interp", "frequency", "--method", "staged", "--mask", "f0", "--plots") == 0
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == [f"000{i}_ab{of}.png" for i in range(2) for of in ("", "_reader")]


def test_staged_without_a_reader_says_how_to_train_one(run, files, tmp_path, capsys):
    alone = tmp_path / "alone.pt"
    alone.write_bytes(files.checkpoint.read_bytes())
    assert run("-s2", "bert", "--interp", "staged", checkpoint=alone) == 2
    error = capsys.readouterr().err.strip()
    assert "no pitch reader" in error and "python -m training.pitch_reader" in error and "\n" not in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--interp", "linear"], "needs a second style"),
        (["--tal1", 0.3], "--tal1 needs a second style"),
        (["-s2", "bert", "--tal1", 0.3], "--tal1 belongs to --interp staged, but this run is linear"),
        (["-s2", "bert", "--weight", 1.5], "weight must be a number from 0 to 1"),
        (["-s2", "bert", "--weight", 0.5, "--weights", "0,1"], "exclude each other"),
        (["-s2", "bert", "--weights", "0,x"], "numbers by comma"),
        (["-s2", "bert", "--interp", "frequency", "--method", "magic"], "method must be one of"),
        (["-s2", "bert", "--interp", "staged", "--tal1", 0.1, "--tal2", 0.2], "tal2 must not be above tal1"),
        (["-s2", "nobody"], "anna, bert, 7"),
    ],
)
def test_nonsense_is_refused_in_one_line(run, capsys, options, message):
    assert run(*options) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
