"""Part by part: the sentences, and the file that grows."""

from __future__ import annotations

import json
import os
import wave
from itertools import groupby
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from common.errors import InputError
from data.wav_stream import WavStream
from hifigan import vocode
from inference import main
from model.windows import BESIDE
from synthesis import load_model
from synthesis.pieces import PAUSE_SECONDS, split_text
from synthesis.prosody_edits import ProsodyEdits
from synthesis.synthesiser import FIRST_CHUNK, FIRST_WINDOW, StreamedPart, Synthesiser
from tests.official_weights import random_state
from tests.tiny_synthesiser import tiny_loaded, tiny_vocoder, write_tiny_files
from text.prosody import Prosody

TEXT = "One day. Two birds sing here! Is it so?"
LONG = "The first sentence is here, and it goes on for a while. " * 5 + "Then comes the last one."
RATE, HOP = 22050, 256


def sentence_of(part: StreamedPart) -> tuple[int, int]:
    return part.request.index, part.number


@pytest.fixture(scope="module")
def synthesiser() -> Synthesiser:
    return Synthesiser(tiny_loaded(), tiny_vocoder(), torch.device("cpu"))


def test_a_long_text_streams_as_it_is_spoken_whole(synthesiser):
    options = synthesiser.options(steps=2, seed=3)
    (whole,) = synthesiser.synthesise_each([LONG], options)
    parts = list(synthesiser.stream([LONG], options))
    assert [part.number for part in parts if part.sentence] == list(range(6))
    assert [part.last for part in parts] == (len(parts) - 1) * [False] + [True]
    np.testing.assert_allclose(np.concatenate([part.audio for part in parts]), whole.audio, atol=1e-5)
    joined = synthesiser.result(parts[0].request, [part.sentence for part in parts if part.sentence])
    assert np.array_equal(joined.mel, whole.mel) and joined.pieces == whole.pieces
    np.testing.assert_allclose(joined.audio, whole.audio, atol=1e-5)


def test_a_sentence_is_heard_before_it_is_vocoded_to_its_end(synthesiser):
    parts = list(synthesiser.stream(["A single sentence that goes on and on, and then a little more."], None))
    frames = [len(part.audio) // HOP for part in parts]
    assert len(parts) > 2 and frames[:-1] == [FIRST_CHUNK * 2**i for i in range(len(parts) - 1)]
    assert [part.sentence is None for part in parts] == [*(len(parts) - 1) * [True], False]
    sentence = parts[-1].sentence
    assert np.array_equal(np.concatenate([part.audio for part in parts]), sentence.audio)
    assert len(sentence.audio) == sentence.mel.shape[1] * HOP


@pytest.mark.parametrize("hears", [False, True])
def test_a_sentence_is_heard_before_it_is_decoded_to_its_end(monkeypatch, hears):
    loaded = tiny_loaded(voice_channels=8) if hears else tiny_loaded()
    synthesiser, calls = Synthesiser(loaded, tiny_vocoder(), torch.device("cpu")), []
    monkeypatch.setattr("model.windows._MOST_LOUDER", 10)  # an untrained model is far from the level that it predicts
    sample = synthesiser.model.sample
    monkeypatch.setattr(
        synthesiser.model, "sample", lambda *given, **more: calls.append(given[1]) or sample(*given, **more)
    )
    (whole,) = synthesiser.synthesise_each([LONG.replace(". ", ", ")[:240] + "."], synthesiser.options(steps=2))
    calls.clear()
    stream = synthesiser.stream([whole.text], synthesiser.options(steps=2), early=True)
    first = next(stream)
    assert len(calls) == 1 and calls[0].mask.shape[2] == FIRST_WINDOW + BESIDE < whole.mel.shape[1]
    parts = [first, *stream]
    assert len(calls) > 2
    sentence = parts[-1].sentence
    assert sentence.mel.shape == whole.mel.shape and np.array_equal(sentence.durations, whole.durations)
    assert np.array_equal(sentence.mu, whole.mu) and sentence.nfe == whole.nfe
    # .3 dB: the beginning is as loud as it alone should be
    np.testing.assert_allclose(sentence.mel, whole.mel, atol=0.04 if hears else 0.01)
    # what is heard is the mel that was made, without seams
    audio = vocode(synthesiser._vocoder, torch.from_numpy(sentence.mel))[0].numpy()
    np.testing.assert_allclose(np.concatenate([part.audio for part in parts]), audio, atol=1e-5)
    assert sentence.mel_seconds > 0 and sentence.vocoder_seconds > 0


@pytest.mark.parametrize("asked", [{"edits": ProsodyEdits(overall=Prosody(volume=-3))}, {"guidance_scale": 1.5}])
def test_what_is_changed_as_a_whole_is_decoded_as_a_whole(synthesiser, monkeypatch, asked):
    monkeypatch.setattr("synthesis.synthesiser.FIRST_WINDOW", 8)
    scale = asked.pop("guidance_scale", None)
    options = synthesiser.options(steps=1, guidance_scale=scale)
    (whole,) = synthesiser.synthesise_each(["A short sentence."], options, **asked)
    *_, last = synthesiser.stream(["A short sentence."], options, early=True, **asked)
    assert np.array_equal(last.sentence.mel, whole.mel)


def test_a_short_sentence_is_the_same_when_it_comes_early():
    synthesiser = Synthesiser(tiny_loaded(voice_channels=8), tiny_vocoder(), torch.device("cpu"))
    parts = [list(synthesiser.stream(["Good night."], early=early)) for early in (False, True)]
    audio = [np.concatenate([part.audio for part in found]) for found in parts]
    assert len(audio[0]) < FIRST_WINDOW * 1.5 * HOP and np.array_equal(*audio)


def test_a_short_text_streams_by_sentence_with_pauses(synthesiser):
    assert split_text(TEXT) == [TEXT]
    sentences = [list(parts) for _, parts in groupby(synthesiser.stream([TEXT, "Good night."]), sentence_of)]
    assert [parts[0].request.index for parts in sentences] == [0, 0, 0, 1]
    assert sentences[0][0].request.pieces == ("One day.", "Two birds sing here!", "Is it so?")
    pause = round(PAUSE_SECONDS * RATE / HOP) * HOP
    for parts in sentences:
        audio, spoken = np.concatenate([part.audio for part in parts]), parts[-1].sentence.audio
        silence = audio[: len(audio) - len(spoken)]
        assert len(silence) == (pause if parts[0].number else 0) and not silence.any()
        assert np.array_equal(audio[len(silence) :], spoken)


def test_a_sentence_is_there_before_the_next_is_begun(synthesiser, monkeypatch):
    decoded = []
    decode = synthesiser.encoded_piece
    monkeypatch.setattr(
        synthesiser, "encoded_piece", lambda *given, **start: decoded.append(given) or decode(*given, **start)
    )
    for number, part in enumerate(groupby(synthesiser.stream([TEXT]), sentence_of)):
        assert len(decoded) == number + 1, part
    assert len(decoded) == 3


def test_errors_come_before_the_first_sentence(synthesiser):
    with pytest.raises(InputError, match="no speaker"):
        synthesiser.stream([TEXT], speaker="nobody")


def test_the_file_can_be_read_while_it_grows(tmp_path):
    path = tmp_path / "new" / "a.wav"
    first, second = np.linspace(-1.2, 1, 500), np.linspace(1, -1, 300)
    with WavStream(path, RATE) as stream:
        stream.append(first)
        with wave.open(str(path)) as half:
            assert (half.getnframes(), half.getframerate(), half.getsampwidth()) == (500, RATE, 2)
        stream.append(second)
    audio, rate = soundfile.read(path, dtype="int16")
    wanted = np.rint(np.clip(np.concatenate([first, second]), -1, 1) * 32767)
    assert rate == RATE and np.array_equal(audio, wanted)
    with pytest.raises(InputError, match="cannot be written"), WavStream(path / "b.wav", RATE) as stream:
        stream.append(first)


def test_a_signal_just_when_the_file_is_made_leaves_none(tmp_path, monkeypatch):
    def opened_and_interrupted(path: str, flags: int) -> int:
        os.close(os.open(path, flags))
        raise KeyboardInterrupt

    monkeypatch.setattr("data.wav_stream._without_waiting", opened_and_interrupted)
    with pytest.raises(KeyboardInterrupt), WavStream(tmp_path / "a.wav", RATE) as stream:
        stream.append(np.zeros(10))
    assert not (tmp_path / "a.wav").exists()


def test_what_is_in_the_files_place_and_cannot_be_written_stays(tmp_path):
    os.mkfifo(tmp_path / "a.wav")  # nobody reads it
    with pytest.raises(InputError, match="cannot be written"), WavStream(tmp_path / "a.wav", RATE) as stream:
        stream.append(np.zeros(10))
    assert (tmp_path / "a.wav").exists()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    return write_tiny_files(tmp_path_factory.mktemp("stream"), f"{TEXT}\nGood night.\n")


def arguments(files, out, *more: object) -> list[str]:
    given = ["-f", files.texts, "-c", files.checkpoint, "--vocoder", files.vocoder, "-o", out, "-t", 2, *more]
    return [str(argument) for argument in given]


def test_the_command_line_streams(files, tmp_path, capsys):
    assert main(arguments(files, tmp_path, "--stream", "--early", "--plots")) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("first audio after ") and shown[1].startswith("0000") and "3 pieces" in shown[1]
    rows = json.loads((tmp_path / "report.json").read_text())["results"]
    assert [row["pieces"] for row in rows] == [3, 1]
    for row in rows:
        audio, _ = soundfile.read(tmp_path / row["wav"])
        assert len(audio) == row["frames"] * HOP and audio.any()
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["0000.png", "0001.png"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--stream", "-s2", "bert"], "--stream speaks in one style"),
        (["--early"], "--early is about --stream"),
        (["--solver", "rk45"], "there is no sampler 'rk45'; there are euler, "),
        (["--solver", "nowhere.json"], "nowhere.json: no such solver file"),
        (["--solver", "SOLVER"], "was fitted for 1 steps, not 2"),
        (["--solver", "SOLVER", "-t", 1, "-s2", "bert", "--interp", "frequency", "--method", "staged"], "staged"),
        (["--precision", "fp8"], "--precision"),
    ],
)
def test_options_that_do_not_fit_are_one_line(files, tmp_path, capsys, more, message):
    solver = tmp_path / "solver.json"
    solver.write_text('{"times": [0.5], "weights": [[0, 1]]}')
    more = [solver if argument == "SOLVER" else argument for argument in more]
    try:
        code = main(arguments(files, tmp_path / "out", *more))
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    assert code == 2 and message in captured.err and captured.err.count("\n") == 1


@pytest.mark.parametrize("solver", ["euler", "euler-quad", "ddim", "dpm++2m", "ml-sde", "edm-2m", "SOLVER"])
def test_every_solver_speaks(files, tmp_path, solver):
    tuned = tmp_path / "solver.json"
    tuned.write_text('{"times": [0.5, 0.1], "weights": [[0.5, 0.5], [0, 0, 1]]}')
    chosen = str(tuned) if solver == "SOLVER" else solver
    assert main(arguments(files, tmp_path / "out", "--solver", chosen)) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["settings"]["sampler"] == chosen and report["results"][0]["nfe"] == 2


def test_official_checkpoints_stay_exact(files, tmp_path, monkeypatch):
    monkeypatch.setattr("synthesis.synthesiser.has_bfloat16", lambda device: True)
    torch.save(random_state(1, 3), tmp_path / "official.pt")
    for checkpoint, precision in ((tmp_path / "official.pt", "fp32"), (files.checkpoint, "bf16")):
        assert load_model(checkpoint, files.vocoder, "cpu", precision="auto").precision == precision


def test_bfloat16_is_close(synthesiser):
    rounded = Synthesiser(tiny_loaded(), tiny_vocoder(), torch.device("cpu"), "bf16")
    exact, near = (box.synthesise(["Good night, Anna."], steps=2)[0] for box in (synthesiser, rounded))
    assert exact.mel.shape == near.mel.shape and near.mel.dtype == np.float32
    assert 0 < np.abs(exact.mel - near.mel).max() < 0.1 * exact.mel.std()
    assert 0 < np.abs(exact.audio - near.audio).max() < 0.2
    with pytest.raises(InputError, match="precision must be one of"):
        Synthesiser(tiny_loaded(), tiny_vocoder(), torch.device("cpu"), "fp8")
