from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from common.errors import BadLines
from data.checkpoint_file import write_checkpoint
from hifigan import train as vocoder_training
from hifigan.dataset import load_pair, read_pairs
from model.checkpoint import pack
from params import Audio
from text.symbols import SYMBOLS
from training import predict_mels

from .official_weights import random_state
from .tiny_corpus import write_corpus
from .tiny_synthesiser import tiny_model, write_tiny_vocoder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), ("anna", "bert"))
    names = {"speakers": ("anna", "bert", "carl"), "emotions": ("neutral", "sad"), "symbols": SYMBOLS}
    write_checkpoint(folder / "model.pt", pack(tiny_model(), **names, step=5))
    return folder


def predict(folder, out: str, *more: str) -> int:
    given = ["-c", folder / "model.pt", "--filelist", folder / "train.txt", "--out", folder / out, "--device", "cpu"]
    return predict_mels.main([str(argument) for argument in (*given, "--cache", folder / "cache", "-t", 1, *more)])


def test_a_vocoder_learns_from_what_a_model_predicts(corpus, capsys):
    assert predict(corpus, "mels") == 0
    assert "10 mels" in capsys.readouterr().out
    pairs = read_pairs(corpus / "train.txt", corpus / "mels", Audio())
    assert len(pairs) == 10
    for wav, mel in pairs:
        predicted, audio = load_pair(wav, mel, Audio())  # refuses what does not run in step
        assert predicted.shape[1] == np.load(mel).shape[1] and len(audio) == 256 * predicted.shape[1]
    given = ["--filelist", corpus / "train.txt", "--mels", corpus / "mels", "--out", corpus / "vocoder", "--steps", 1]
    given += ["--generator", write_tiny_vocoder(corpus / "start"), "--batch-size", 1, "--segment-frames", 8]
    assert vocoder_training.main([str(argument) for argument in [*given, "--discriminator-channels", 128]]) == 0
    assert (corpus / "vocoder" / "g_00000001").is_file()


def test_the_same_seed_gives_the_same_mels(corpus):
    for out, seed in (("one", "3"), ("again", "3"), ("other", "4")):
        assert predict(corpus, out, "--seed", seed) == 0
    one, again, other = (np.load(corpus / out / "bert2.npy") for out in ("one", "again", "other"))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_a_recording_that_cannot_be_used_costs_only_its_line(corpus, capsys):
    lines = (corpus / "train.txt").read_text().splitlines()
    broken = corpus / "broken.wav"
    broken.write_bytes((corpus / "anna0.wav").read_bytes()[:60])
    stranger = f"{lines[0].split('|')[0]}|One day.|nobody"
    listed = [lines[0], f"{broken}|One day.|anna", stranger.replace("anna0", "anna1"), lines[-1]]
    (corpus / "some.txt").write_text("\n".join(listed))
    given = ("--filelist", str(corpus / "some.txt"))
    assert predict(corpus, "some", *given) == 3
    printed = capsys.readouterr()
    assert "2 mels" in printed.out and len(list((corpus / "some").iterdir())) == 2
    assert "some.txt:2" in printed.err and "some.txt:3" in printed.err and "2 bad lines" in printed.err
    bad_lines = BadLines()
    assert len(read_pairs(corpus / "some.txt", corpus / "some", Audio(), bad_lines)) == 2
    assert len(bad_lines.messages) == 2
    assert predict(corpus, "strict", *given, "--strict") == 2
    assert not list((corpus / "strict").glob("*.npy"))


def test_what_cannot_be_used_is_said(corpus, tmp_path, capsys):
    torch.save(random_state(1, 0), tmp_path / "official.pt")
    for more, words in (
        (["-c", str(tmp_path / "official.pt")], "is an official checkpoint"),
        (["-c", str(tmp_path / "none.pt")], "no such checkpoint"),
        (["--filelist", str(tmp_path / "none.txt")], "none.txt"),
    ):
        assert predict(corpus, "refused", *more) == 2
        assert words in capsys.readouterr().err
    (corpus / "sub").mkdir()
    shutil.copy(corpus / "anna0.wav", corpus / "sub" / "anna0.wav")
    (corpus / "twice.txt").write_text("anna0.wav|One day.|anna\nsub/anna0.wav|One day.|anna\n")
    assert predict(corpus, "refused", "--filelist", str(corpus / "twice.txt")) == 2
    assert "two recordings are named anna0" in capsys.readouterr().err
