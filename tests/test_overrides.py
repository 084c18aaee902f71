from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from model.params_dict import params_to_dict
from params import Diffusion, Encoder, Estimator, Inference, Params, Style, Train
from training.overrides import resolve_params
from training.saving import write_params

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


@pytest.fixture
def config(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "c.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def error_of(*args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        resolve_params(*args, **kwargs)
    message = str(caught.value)
    assert message.splitlines() == [message]
    return message


def test_command_line_over_yaml_over_defaults(config):
    path = config("train: {steps: 5, batch_size: 6}\nestimator: {channels: 8, heads: [1, 1, 1]}\n")
    params = resolve_params(path, ["train.batch_size=7", "train.seed=1", "train.seed=2"])
    assert params == Params(
        train=Train(steps=5, batch_size=7, seed=2), estimator=Estimator(channels=8, heads=(1, 1, 1))
    )
    assert resolve_params(None, []) == Params()
    assert resolve_params(config(""), []) == Params()
    assert resolve_params(config("\ufefftrain.steps: 5"), []).train.steps == 5


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_that_ship_can_be_used(path):
    assert resolve_params(path, []) != Params()


@pytest.mark.parametrize(
    ("argument", "attribute", "value"),
    [
        ("train.learning_rate=1e-3", "learning_rate", 1e-3),
        ("train.learning_rate=2E-4", "learning_rate", 2e-4),
        ("train.learning_rate=.5e-2", "learning_rate", 0.005),
        ("train.clip_norm=2", "clip_norm", 2.0),
        ("train.log_dir=2024", "log_dir", "2024"),
        ("train.log_dir=~/a=b", "log_dir", "~/a=b"),
        ("train.log_dir=2024-01-01", "log_dir", "2024-01-01"),
        ("train.log_dir=1e-3", "log_dir", "1e-3"),
    ],
)
def test_values_of_the_command_line(argument, attribute, value):
    found = getattr(resolve_params(None, [argument]).train, attribute)
    assert found == value and type(found) is type(value)


def test_scientific_numbers_in_yaml(config):
    assert resolve_params(config("train: {learning_rate: 1e-3}"), []).train.learning_rate == 1e-3
    assert resolve_params(config("train: {log_dir: 'x1e-3'}"), []).train.log_dir == "x1e-3"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.bach_size=8"], ["command line", "'train.bach_size'", "did you mean 'train.batch_size'"]),
        (["train.batch_size=x"], ["command line", "train.batch_size must be a whole number, not 'x'"]),
        (["train.batch_size="], ["must be a whole number, not None"]),
        (["train.batch_size=0"], ["command line: train.batch_size must be at least 1, and at most 4096, not 0"]),
        (["estimator.heads=[1,2]"], ["command line: estimator.heads must be three"]),
        (["train.batch_size"], ["'train.batch_size' is not of the form key=value"]),
        (["=3"], ["not of the form key=value"]),
        (["estimator.heads=[1,"], ["'estimator.heads=[1,'", "cannot be read"]),
        (["train=3"], ["train is a group"]),
    ],
)
def test_mistakes_on_the_command_line(overrides, words):
    message = error_of(None, overrides)
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {steps: [}", "c.yaml:1: not valid YAML"),
        ("train:\n  steps: 1\n bad", "c.yaml:3: not valid YAML"),
        ("- 1\n", "must hold keys and values"),
        ("text", "must hold keys and values"),
        ("1: 2", "must hold keys and values"),
        ("train:\n", "train is a group"),
        ("train: {stepss: 1}", "did you mean 'train.steps'"),
        ("train: {valid_every: 0}", "c.yaml: train.valid_every must be at least 1"),
        ("x: !!python/object/apply:os.mkdir [executed]", "not valid YAML"),
        ("x: !!timestamp y", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_mistakes_in_yaml(config, text, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in error_of(config(text), [])
    assert not (tmp_path / "executed").exists()


def test_files_that_cannot_be_read(tmp_path):
    assert "no such configuration" in error_of(tmp_path / "none.yaml", [])
    assert "Is a directory" in error_of(tmp_path, [])
    (tmp_path / "latin").write_bytes(b"\xe4: 1")
    assert "not UTF-8" in error_of(tmp_path / "latin", [])


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=30) | st.builds("train.steps={}".format, st.text(max_size=10)))
def test_any_argument_gives_parameters_or_one_line(argument):
    try:
        resolve_params(None, [argument])
    except InputError as error:
        assert str(error).splitlines() == [str(error)]


TRAINED = Params(
    encoder=Encoder(channels=16),
    style=Style(token_channels=16, drop_probability=0.5),
    estimator=Estimator(channels=8),
    train=Train(steps=9, learning_rate=0.5),
    inference=Inference(steps=3, temperature=2.0),
)


def test_a_trained_model_keeps_what_was_not_asked_for_and_training_is_the_runs_own(config):
    path = config("style: {drop_probability: 0.3}\ninference: {temperature: 4.0}\ndiffusion: {noise_mean: 1.0}")
    params = resolve_params(path, ["train.steps=20"], TRAINED)
    assert params.diffusion == Diffusion(noise_mean=1.0)
    assert (params.encoder, params.estimator) == (TRAINED.encoder, TRAINED.estimator)
    assert params.style == Style(token_channels=16, drop_probability=0.3)
    assert params.train == Train(steps=20)
    assert params.inference == Inference(steps=3, temperature=4.0)  # what was not asked for is the checkpoint's


def test_another_architecture_is_refused_if_it_was_asked_for(config):
    message = error_of(config("estimator: {channels: 32}"), [], TRAINED, "logs/x")
    assert "c.yaml: estimator.channels is 32, but logs/x was trained with 8" in message
    assert "command line: encoder.channels is 32" in error_of(None, ["encoder.channels=32"], TRAINED)
    assert "style.token_channels" in error_of(None, ["style.token_channels=64"], TRAINED)  # also when it is the default
    assert "audio.hop_length" in error_of(None, ["audio.hop_length=300"], TRAINED)
    both = resolve_params(config("estimator: {channels: 32}"), ["estimator.channels=8"], TRAINED)
    assert both.estimator.channels == 8  # the command line has taken it back
    assert resolve_params(None, ["style.token_channels=16"], TRAINED).style.token_channels == 16


def test_the_written_parameters_are_a_configuration(tmp_path):
    write_params(tmp_path / "new", TRAINED)
    path = tmp_path / "new" / "params.yaml"
    assert resolve_params(path, []) == TRAINED
    assert list(yaml.safe_load(path.read_text())) == list(params_to_dict(TRAINED))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_params(tmp_path / "file", TRAINED)
