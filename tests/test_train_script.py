from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import train_multi_speaker
from common.errors import InputError
from common.processes import stopping_on_signals
from data.checkpoint_file import read_checkpoint, write_checkpoint
from model.checkpoint import pack, unpack
from model.params_dict import flat_params
from synthesis.synthesiser import Synthesiser
from text.symbols import SYMBOLS

from .tiny_corpus import training_params, write_corpus
from .tiny_synthesiser import tiny_model, tiny_vocoder, voice_like
from .training_process import within

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(autouse=True)
def small_vocoder(monkeypatch):
    monkeypatch.setattr("hifigan.load_vocoder", lambda *_, **__: tiny_vocoder())


def arguments(folder: Path, log_dir: Path, *more: str, **train: object) -> list[str]:
    """Everything that is not a default, as key=value."""
    wanted = flat_params(training_params(folder, log_dir, **train))
    values = {k: v for k, v in wanted.items() if flat_params(train_multi_speaker.Params())[k] != v}
    shown = [f"{key}={list(value) if isinstance(value, tuple) else value}" for key, value in values.items()]
    return ["--device", "cpu", *shown, *more]


def of_the_run(folder: Path, log_dir: Path, *more: str, **train: object) -> list[str]:
    """`arguments` without those of the model."""
    kept = [a for a in arguments(folder, log_dir, **train) if a.startswith(("train.", "inference."))]
    return ["--device", "cpu", *kept, *more]


def fails(capsys, argv: list[str]) -> str:
    try:
        assert train_multi_speaker.main(argv) == 2
    except SystemExit as end:
        assert end.code == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert all(not line or "it/s" in line or "file/s" in line or "?file" in line for line in before)  # progress bars
    return error


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory) -> Path:
    """The log folder of a run of two steps."""
    log_dir = tmp_path_factory.mktemp("trained") / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hifigan.load_vocoder", lambda *_, **__: tiny_vocoder())
        assert train_multi_speaker.main(arguments(folder, log_dir, steps=2, valid_every=2)) == 0
    return log_dir


def test_the_u_net_trains_and_speaks_too(folder, tmp_path):
    unet = ["estimator.name=unet", "interpolation.weight=0.3"]
    assert train_multi_speaker.main(arguments(folder, tmp_path / "log", *unet, steps=3, valid_every=2)) == 0
    loaded = unpack(read_checkpoint(tmp_path / "log" / "checkpoint.pt"))
    assert loaded.params.estimator.name == "unet" and loaded.params.interpolation.weight == 0.3
    box = Synthesiser(loaded, tiny_vocoder(), torch.device("cpu"))
    mels = [box.synthesise("Hi.", speaker=name, steps=2, guidance_scale=2.0)[0].mel for name in loaded.speakers]
    assert all(np.isfinite(mel).all() for mel in mels)
    with pytest.raises(InputError, match="takes no reference"):
        box.synthesise("Hi.", ref=(voice_like(1, 150), 22050))


def test_a_run_leaves_everything_behind(folder, trained):
    names = {path.name for path in trained.iterdir()}
    assert {"checkpoint.pt", "training_state.pt", "params.yaml", "train.log"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert len(names) == 5
    params = training_params(folder, trained, steps=2, valid_every=2)
    loaded = unpack(read_checkpoint(trained / "checkpoint.pt"))
    assert loaded.params == params and loaded.step == 2 and loaded.symbols == SYMBOLS
    assert (loaded.speakers, loaded.emotions) == (("anna", "bert"), ("neutral", "sad"))
    assert int(loaded.model.default_reference_lengths.min()) > 0
    assert yaml.safe_load((trained / "params.yaml").read_text())["train"]["steps"] == 2
    log = (trained / "train.log").read_text()
    assert "step 2  validation: prior" in log and "step 2  finished" in log


def test_it_goes_on_by_itself_and_says_so(folder, trained, tmp_path, capsys):
    log_dir = copied(trained, tmp_path)
    argv = of_the_run(folder, log_dir, "inference.steps=7", "style.drop_probability=0.4", "--init", "x", steps=3)
    assert train_multi_speaker.main(argv) == 0
    out = capsys.readouterr().out
    assert (
        f"step 2  resuming in {log_dir}" in out
        and "--init is not used" in out
        and f"tensorboard --logdir {log_dir}" in out
    )
    loaded = unpack(read_checkpoint(log_dir / "checkpoint.pt"))
    assert loaded.step == 3
    assert loaded.params.encoder == training_params(folder, log_dir).encoder  # from the checkpoint
    assert loaded.params.inference.steps == 7 and loaded.params.style.drop_probability == 0.4
    assert loaded.params.train.steps == 3 and loaded.params.train.log_dir == str(log_dir)
    message = fails(capsys, [*argv, "estimator.channels=16"])
    assert f"estimator.channels is 16, but {log_dir} was trained with 8" in message


def copied(log_dir: Path, tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    for name in ("training_state.pt", "checkpoint.pt"):
        (tmp_path / "log" / name).write_bytes((log_dir / name).read_bytes())
    return tmp_path / "log"


def test_fine_tuning_adds_speaker_and_symbol_and_keeps_the_old_rows(trained, tmp_path):
    old = unpack(read_checkpoint(trained / "checkpoint.pt"))
    symbols = [symbol for symbol in SYMBOLS if symbol != ";"]  # as if it had been trained before there was one
    row = {"encoder.text.emb.weight": torch.arange(len(SYMBOLS)) != SYMBOLS.index(";")}
    state = {k: v[row[k]] if k in row else v for k, v in old.model.state_dict().items()}
    payload = pack(old.model, speakers=old.speakers, emotions=old.emotions, symbols=symbols, step=2)
    write_checkpoint(tmp_path / "old.pt", {**payload, "weights": state})
    corpus = write_corpus(tmp_path / "corpus", ("bert", "carla"))
    argv = of_the_run(corpus, tmp_path / "log", "--init", str(tmp_path / "old.pt"), steps=1, learning_rate=1e-9)
    assert train_multi_speaker.main(argv) == 0
    new = unpack(read_checkpoint(tmp_path / "log" / "checkpoint.pt"), "weights")
    assert new.speakers == ("anna", "bert", "carla") and new.symbols == (*symbols, ";") and new.step == 1
    assert new.params.encoder == old.params.encoder
    found = new.model.state_dict()
    for key, value in state.items():
        if key.startswith("default_reference"):
            assert torch.equal(found[key][0], value[0]) and found[key][2].any()  # anna keeps hers, carla has one
        else:
            torch.testing.assert_close(found[key][: len(value)] if value.dim() else found[key], value, msg=key)
    assert len(found["style.speaker.weight"]) == 3 and len(found["encoder.text.emb.weight"]) == len(SYMBOLS)
    torch.testing.assert_close(found["style.speaker.weight"][2], state["style.speaker.weight"].mean(0))


def test_networks_that_hear_are_of_no_use_to_a_model_of_tables(folder, trained, tmp_path, capsys):
    own = ("train.recordings=x.pt", "--init", str(trained / "checkpoint.pt"))
    assert "style.voice_channels is 0" in fails(capsys, of_the_run(folder, tmp_path / "log", *own, steps=1))


def test_the_style_attention_can_be_replaced_in_a_new_run_alone(folder, trained, tmp_path, capsys):
    own = ("style.kind=bundled", "--init", str(trained / "checkpoint.pt"))
    assert train_multi_speaker.main(of_the_run(folder, tmp_path / "log", *own, steps=1)) == 0
    assert unpack(read_checkpoint(tmp_path / "log" / "checkpoint.pt")).params.style.kind == "bundled"
    # It goes on as it is, asked for or not.
    assert train_multi_speaker.main(of_the_run(folder, tmp_path / "log", steps=2)) == 0
    capsys.readouterr()
    message = fails(capsys, of_the_run(folder, tmp_path / "log", "style.kind=typed", steps=3))
    assert "style.kind is typed, but" in message


def test_networks_that_add_nothing_at_first_join_a_model_without_them(folder, trained, tmp_path, capsys):
    wider = ("estimator.frame_channels=8", "encoder.local_channels=6")
    first = of_the_run(folder, tmp_path / "log", *wider, "--init", str(trained / "checkpoint.pt"), steps=1)
    assert train_multi_speaker.main([*first, "train.learning_rate=1e-9"]) == 0
    old = unpack(read_checkpoint(trained / "checkpoint.pt"))
    new = unpack(read_checkpoint(tmp_path / "log" / "checkpoint.pt"), "weights")
    assert (new.params.estimator.frame_channels, new.params.encoder.local_channels) == (8, 6)
    found = new.model.state_dict()
    assert set(old.model.state_dict()) < set(found)
    for key, value in old.model.state_dict().items():
        torch.testing.assert_close(found[key], value, msg=key)
    for key in ("encoder.local.to_parts.weight", "decoder.estimator.frames.to_mean.weight"):
        assert found[key].abs().max() < 1e-8
    capsys.readouterr()
    again = ("estimator.frame_channels=12", "--init", str(tmp_path / "log" / "checkpoint.pt"))
    message = fails(capsys, of_the_run(folder, tmp_path / "other", *again, steps=1))
    assert "estimator.frame_channels is 12, but" in message


def test_without_a_vocoder_it_trains_all_the_same(folder, tmp_path, monkeypatch):
    def missing(*_, **__):
        raise InputError("no vocoder here")

    monkeypatch.setattr("hifigan.load_vocoder", missing)
    assert train_multi_speaker.main(arguments(folder, tmp_path / "log", steps=1, valid_every=1)) == 0
    assert "no vocoder here" in (tmp_path / "log" / "train.log").read_text()


def test_options_may_stand_anywhere(folder, tmp_path, capsys):
    message = fails(capsys, ["train.seed=1", "--config", str(tmp_path / "x.yaml"), "train.steps=3"])
    assert "x.yaml: no such configuration" in message


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["train.bach_size=8"], "did you mean 'train.batch_size'"),
        (["train.batch_size=eight"], "train.batch_size must be a whole number"),
        (["train.crop_frames=30"], "a multiple of 4"),
        (["--confg", "x"], "unrecognized arguments"),
        (["--device", "tpu"], "invalid choice"),
        (["estimator.name=u_net"], "there is no estimator 'u_net'; there are unet, cross_unet"),
        (["train.train_filelist=nowhere.txt"], "nowhere.txt: No such file"),
        (["train.train_filelist=EMPTY"], "lists no utterance"),
        (["train.valid_filelist=EMPTY"], "lists no utterance"),
        (["train.train_filelist=MISSING", "--strict"], "missing.txt:2: no file 'gone.wav'"),
        (["train.train_filelist=BROKEN"], "broken.wav"),
        (["train.train_filelist=LONG"], "tokens of text"),
        (["train.log_dir=FILE"], "cannot be made"),
        (["--init", "nowhere.pt"], "nowhere.pt: no such checkpoint"),
        (["--init", "FILE"], "an empty file"),
        (["--init", "OFFICIAL"], "neither a checkpoint"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(folder, tmp_path, capsys, argv, words):
    (tmp_path / "file").touch()
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    (tmp_path / "missing.txt").write_text(f"{folder / 'anna0.wav'}|One day.|anna\ngone.wav|Two.|anna\n")
    (tmp_path / "broken.wav").write_text("no audio at all")
    (tmp_path / "broken.txt").write_text("broken.wav|One day.|anna\n")
    (tmp_path / "long.txt").write_text(f"{folder / 'anna0.wav'}|{'Many words. ' * 20}|anna\n")
    write_checkpoint(tmp_path / "other.pt", {"a": torch.zeros(1)})
    places = {
        "EMPTY": "empty.txt", "MISSING": "missing.txt", "BROKEN": "broken.txt", "LONG": "long.txt", "FILE": "file",
        "OFFICIAL": "other.pt",
    }  # fmt: skip
    for name, place in places.items():
        argv = [argument.replace(name, str(tmp_path / place)) for argument in argv]
    assert words in fails(capsys, [*arguments(folder, tmp_path / "log"), *argv])
    assert not list(tmp_path.glob("log/*.pt"))


def test_a_damaged_state_is_one_line(folder, trained, tmp_path, capsys):
    log_dir = copied(trained, tmp_path)
    state = read_checkpoint(log_dir / "training_state.pt")
    for change, words in (
        ({"payload": {**state["payload"], "format": "x"}}, "neither a checkpoint"),
        ({"payload": {**state["payload"], "speakers": ["anna", "x"]}}, "was trained without 'bert'"),
        ({"optimizer": {"state": {}, "param_groups": []}}, "training_state.pt"),
    ):
        write_checkpoint(log_dir / "training_state.pt", {**state, **change})
        assert words in fails(capsys, of_the_run(folder, log_dir, steps=5))
    (log_dir / "training_state.pt").write_bytes(b"cut short")
    assert "cannot be read as a training state" in fails(capsys, of_the_run(folder, log_dir, steps=5))


# ---------------------------------------------------------------------- signals


def start(argv: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *argv],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_sigterm_to_every_process_saves_and_ends_well(folder, tmp_path):
    log_dir = tmp_path / "log"
    argv = arguments(folder, log_dir, steps=100_000, save_every=1, workers=2)
    process = start(["train_multi_speaker.py", *argv])
    end = time.monotonic() + 600
    while not (log_dir / "checkpoint.pt").exists():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    output = process.communicate(timeout=within(10))[0]
    assert process.returncode == 0, output
    assert "stopped" in output and "Traceback" not in output
    stopped = unpack(read_checkpoint(log_dir / "training_state.pt")["payload"], "weights").step
    assert stopped >= 1 and f"step {stopped}  stopped" in (log_dir / "train.log").read_text()
    assert unpack(read_checkpoint(log_dir / "checkpoint.pt")).step == stopped
    assert not list(log_dir.glob(".*"))
    end = time.monotonic() + within(10)
    with pytest.raises(ProcessLookupError):  # no process is left, once helpers of multiprocessing have noticed
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.1)


_BUSY = """
import time
from common.processes import stopping_on_signals
with stopping_on_signals() as asked:
    print("ready")
    while True:
        time.sleep(0.01)
        if asked():
            print("asked")
            time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_kills(number):
    process = start(["-c", _BUSY])
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(number)
    assert process.communicate(timeout=120)[0] == ""
    assert process.returncode == -number


def test_a_loader_process_obeys_only_its_parent():
    process = start(["-c", _LOADER])
    child = int(process.stdout.readline())
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(child, number)  # from a stranger
    process.send_signal(signal.SIGUSR1)  # now the parent looks, and then ends it itself
    assert process.communicate(timeout=120)[0] == "alive\nended with 0\n"


_LOADER = """
import multiprocessing, signal, time
from training.loader_process import obey_only_the_parent
def work(ready):
    obey_only_the_parent()
    ready.set()
    while True:
        time.sleep(60)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
context = multiprocessing.get_context("fork")
ready = context.Event()
child = context.Process(target=work, args=(ready,), daemon=True)
child.start()
ready.wait()
print(child.pid)
signal.sigwait({signal.SIGUSR1})
child.join(1)
print("alive" if child.is_alive() else "dead")
child.terminate()
child.join(30)
print("ended with", child.exitcode)
"""


def test_one_signal_only_asks_and_the_handlers_come_back():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with stopping_on_signals() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGTERM)
        assert asked()
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_before_the_first_step_has_nothing_to_save(folder, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("training.statistics.set_statistics", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    assert train_multi_speaker.main(arguments(folder, tmp_path / "log")) == 130
    assert "stopped before the first step" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before and not list(tmp_path.glob("log/*.pt"))


def test_a_tiny_checkpoint_of_another_kind_still_fine_tunes(folder, tmp_path):
    """A published half-precision file starts a run too, with its own architecture."""
    model = tiny_model()
    params = replace(model.params, train=replace(model.params.train, steps=77))
    names = {"speakers": ("anna", "bert", "7"), "emotions": ("angry", "neutral"), "symbols": SYMBOLS, "step": 9}
    write_checkpoint(tmp_path / "half.pt", pack(model, params=params, dtype=torch.float16, **names))
    argv = of_the_run(folder, tmp_path / "log", "--init", str(tmp_path / "half.pt"), steps=1)
    assert train_multi_speaker.main(argv) == 0
    new = unpack(read_checkpoint(tmp_path / "log" / "checkpoint.pt"))
    assert new.emotions == ("angry", "neutral", "sad") and new.params.train.steps == 1
