"""Every hyper-parameter does something: changed alone it changes what can be observed."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy as copy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import train_multi_speaker
from common.device import has_bfloat16
from data.mel import mel_spectrogram
from data.pitch import extract_f0
from model.cond_grad_tts import CondGradTTS
from model.interpolation import KINDS, Kind
from model.interpolation.plan import Measured, Reading, interpolate
from model.params_check import check_params
from model.params_dict import flat_params, params_from_dict
from model.source_picture import SourcePicture
from model.style import StyleSource, draw_known_types
from model.text_to_mel import Sampling
from params import Params
from synthesis import interpolation_options
from synthesis.synthesiser import Synthesiser
from text.front_end import front_end
from training.trainer import Trainer

from .test_trainer import trainer_of
from .tiny_corpus import training_params, write_corpus
from .tiny_model import (
    N_SYMBOLS,
    random_style,
    randomise,
    seeded,
    tiny_params,
    total,
    with_reader,
)
from .tiny_synthesiser import tiny_loaded, tiny_vocoder, voice_like


def features(params: Params) -> list[np.ndarray]:
    """What a recording at 22.05 kHz is turned into, and what an F0 is drawn as."""
    audio = voice_like(0.4, 150)
    picture = SourcePicture(params.audio)(torch.tensor([[5.0, 6.3]]), torch.ones(1, 2))
    seconds = len(extract_f0(audio, params.audio)) * params.audio.hop_length / params.audio.sample_rate
    return [mel_spectrogram(audio, params.audio), extract_f0(audio, params.audio), picture.numpy(), np.array(seconds)]


def symbols(params: Params) -> list[int]:
    return front_end(params.text.front_end, None, params.text.add_blank).encode("A red lead, in Hawaii.").ids


def model_in_use(params: Params) -> list[Any]:
    """Shapes, losses in training and a mel, with random weights."""
    torch.manual_seed(0)
    model = CondGradTTS(params, N_SYMBOLS, 5, 3)
    begun = [(name, tuple(value.shape), value.double().sum().item()) for name, value in model.state_dict().items()]
    style = params.style
    if style.speaker_embedding_dim or style.emotion_embedding_dim or style.voice_channels:
        return begun
    if params.estimator.name == "cross_unet":  # else what it begins as is random enough
        randomise(model, seeded(0))
    ids, lengths, mel_lengths = torch.arange(1, 7)[None] % N_SYMBOLS, torch.tensor([6]), torch.tensor([20])
    style = random_style([20], [24])
    mel = torch.randn(1, params.audio.n_mels, 20, generator=seeded(1))
    with torch.no_grad():
        torch.manual_seed(1)  # of dropout
        losses = model.losses(ids, lengths, mel, mel_lengths, style, generator=seeded(2))
        spoken = model.eval().synthesise(ids, lengths, style, Sampling(2, sampler="euler", generator=seeded(3))).mel
    assert math.isfinite(total(losses)) and spoken.isfinite().all()
    known = draw_known_types(params.style, 200, seeded(4))
    return [*begun, float(total(losses)), spoken.sum().item(), [kept.tolist() for kept in known.values()]]


def speaking(params: Params) -> Any:
    loaded = tiny_loaded()
    model = copy(loaded.model)
    model.params = params
    box = Synthesiser(replace(loaded, model=model, params=params), tiny_vocoder(), torch.device("cpu"))
    return [box.options(), box.sampler(box.options())]


def between(params: Params) -> list[Any]:
    """What every kind of interpolation does with a model of these parameters, if nothing else is said."""
    import inference

    given = ["-f", "x", "-s2", "y", "--interp"]
    args = [inference._parser().parse_args([*given, kind]) for kind in KINDS]
    return [interpolation_options.interpolations(each, params.interpolation) for each in args]


BY_GROUP: dict[str, Callable[[Params], Any]] = {
    "audio": features,
    "text": symbols,
    "encoder": model_in_use,
    "style": model_in_use,
    "estimator": model_in_use,
    "diffusion": model_in_use,
    "inference": speaking,
    "interpolation": between,
}
# Values that a default is changed to, where twice the number, or the other truth value, will not do.
OTHER = {
    "audio.win_length": 512,
    "audio.f0_max": 160.0,
    "audio.fmin": 50.0,
    "audio.fmax": 6000.0,
    "text.front_end": "official",
    "encoder.kernel_size": 5,
    "encoder.dropout": 0.5,
    "encoder.prenet_dropout": 0.1,
    "style.kind": "bundled",
    "style.drop_probability": 0.5,
    "style.drop_contours_probability": 0.6,
    "style.drop_all_probability": 0.4,
    "style.speaker_embedding_dim": 7,
    "style.emotion_embedding_dim": 7,
    "estimator.name": "unet",
    "estimator.heads": [2, 2, 2],
    "inference.sampler": "edm-2m-few",
    "train.precision": "fp32" if has_bfloat16(torch.device("cpu")) else "bf16",
    "train.ema_decay": 0.1,
    "train.threads": 1,
    "train.workers": 1,
}
# What a parameter only counts with.
WITH = {
    "estimator.pe_scale": {"estimator.name": "unet", "estimator.channels": 8},
    "estimator.name": {"estimator.channels": 8},
}


# A penalty on changes begins with the second inner step; a text of nine tokens has few crossings, six steps few times.
WITH_SETTINGS = {
    "gamma": {"mask": "harmonics", "epoch": 3},
    "loss": {"mask": "harmonics"},
    "tal1": {"mask": "harmonics", "tal1": 0.9},
    "tal2": {"mask": "harmonics", "tal1": 0.9, "tal2": 0.8},
    "cross_width": {"cross_width": 1.0},
}


def changed(params: Params, key: str) -> Params:
    value = flat_params(params)[key]
    if key in OTHER:
        return params_from_dict({key: OTHER[key]}, params)
    kind = next((kind for kind in KINDS.values() if hasattr(kind, key.split(".")[1])), None)
    field = None if kind is None else kind.__dataclass_fields__.get(key.split(".")[1])
    if key.startswith("interpolation.") and field is not None:
        words = field.metadata["choices"] or field.metadata["members"]
        if words:
            return params_from_dict({key: next(word for word in words if word != value)}, params)
    other = not value if isinstance(value, bool) else value + 1 if value in (0, 1) else 2 * value
    other = 0.7 * value if key in ("interpolation.weight", "interpolation.cross", "interpolation.tal1") else other
    return params_from_dict({key: other}, params)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("key", [key for key in flat_params(Params()) if not key.startswith("train.")])
def test_a_parameter_changes_something(key: str) -> None:
    base = params_from_dict(WITH.get(key, {}), tiny_params())
    if key.startswith("audio."):
        base = replace(base, audio=Params().audio)
    other = changed(base, key)
    check_params(other)
    observe = BY_GROUP[key.split(".")[0]]
    assert same(observe(base), observe(base))
    assert not same(observe(base), observe(other))


def reading(model: CondGradTTS, style: StyleSource, seed: int) -> Reading:
    """Nine tokens in three words, of known pitch."""
    ids = torch.randint(N_SYMBOLS, (1, 9), generator=seeded(5))
    frames = model.spread(text := model.encode(ids, torch.tensor([9]), style))
    length = int(frames.lengths[0])
    log_f0 = 5.0 + 0.3 * torch.randn(length, generator=seeded(seed))
    measured = Measured(
        frames.durations[0],
        log_f0,
        (torch.arange(length) % 7 > 1).float(),
        torch.randn(length, generator=seeded(seed + 1)),
        lambda: (np.full((4, length), 900.0), np.full((4, length), 120.0)),
    )
    return Reading(text, style, measured, (0, 0, 0, 1, 1, 1, 2, 2, 2))


def interpolated(kind: Kind) -> torch.Tensor:
    model = with_reader()
    a, b = (reading(model, random_style([20], [24], seed), seed) for seed in (1, 2))
    b = replace(b, style=replace(b.style, speaker=(a.style.speaker + 1) % 5))
    return interpolate(model, kind, a, b, Sampling(6, 1.3, "edm-2m", seeded(5))).synthesis.mel


def other_setting(kind: Kind, name: str) -> Kind:
    value, rules = getattr(kind, name), kind.__dataclass_fields__[name].metadata
    if rules["members"]:
        return replace(kind, **{name: next(member for member in rules["members"] if member != value)})
    if rules["choices"]:
        return replace(kind, **{name: next(choice for choice in rules["choices"] if choice != value)})
    if isinstance(value, bool):
        return replace(kind, **{name: not value})
    return replace(kind, **{name: 1 if value is None else value + 1 if isinstance(value, int) else 0.5 * value})


@pytest.mark.parametrize(("name", "setting"), [(name, field.name) for name in KINDS for field in fields(KINDS[name])])
def test_a_setting_of_a_kind_changes_the_mel(name: str, setting: str) -> None:
    kind = KINDS[name](**WITH_SETTINGS.get(setting, {}))
    mel, changed_mel = interpolated(kind), interpolated(other_setting(kind, setting))
    assert torch.equal(mel, interpolated(kind))
    assert mel.shape != changed_mel.shape or not torch.equal(mel, changed_mel)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def trained(corpus_folder: Path, root: Path, monkeypatch, **changes: object) -> list[Any]:
    """A short run: its curves, weights, lines but for times, files, and what it asked torch for."""
    settings = {"log_dir": root / "log", "steps": 4, "valid_every": 2, "save_every": 2, "decay_steps": 2}
    params = training_params(corpus_folder, **{**settings, **changes})
    check_params(params)
    asked: list[object] = []
    make, save = torch.utils.data.DataLoader, Trainer.save
    monkeypatch.setattr(torch.utils.data, "DataLoader", lambda *a, **k: asked.append(k["num_workers"]) or make(*a, **k))
    monkeypatch.setattr(Trainer, "save", lambda trainer: asked.append(trainer.step) or save(trainer))
    trainer = trainer_of(params)
    trainer.run()
    monkeypatch.undo()
    trainer.board.values.pop("optimisation/steps_per_second")
    weights = [value.double().sum().item() for value in (*trainer.model.parameters(), *trainer.ema.values.values())]
    lines = [line.split("  seconds")[0] for line in (Path(params.train.log_dir) / "train.log").read_text().splitlines()]
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    return [trainer.board.values, weights, lines, files, asked]


def train_value(key: str, corpus_folder: Path, root: Path) -> object:
    """Another value of a parameter of the run."""
    usual = flat_params(training_params(corpus_folder, root))[key]
    paths = {
        "train.train_filelist": str(corpus_folder / "valid.txt"),
        "train.valid_filelist": str(corpus_folder / "train.txt"),
        "train.cache_dir": str(root / "features"),
        "train.log_dir": root / "elsewhere",
    }
    values = {
        **OTHER,
        **paths,
        "train.steps": 3,
        "train.decay_steps": 1,
        "train.crop_frames": 12,
        "train.clip_norm": 0.01,
    }
    values |= dict.fromkeys(("train.log_every", "train.valid_every", "train.save_every"), 3)
    return values.get(key, 2 * usual if isinstance(usual, float) else usual + 1 if not isinstance(usual, str) else None)


@pytest.fixture(scope="module")
def usual_run(folder, tmp_path_factory) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        return trained(folder, tmp_path_factory.mktemp("usual"), patch)


OF_THE_RUN = [key for key in flat_params(Params()) if key.startswith("train.")]
# What is tested elsewhere: here, in test_hearing and in test_distillation.
ELSEWHERE = ("train.threads", "train.recordings", "train.teacher")
OF_THE_RUN = [key for key in OF_THE_RUN if key not in ELSEWHERE]


@pytest.mark.parametrize("key", OF_THE_RUN)
def test_a_parameter_of_the_run_changes_something(key: str, folder, tmp_path, usual_run, monkeypatch) -> None:
    name = key.removeprefix("train.")
    run = trained(folder, tmp_path, monkeypatch, **{name: train_value(key, folder, tmp_path)})
    assert not same(run, usual_run)


def test_the_run_repeats_itself(folder, tmp_path, usual_run, monkeypatch) -> None:
    assert same(trained(folder, tmp_path, monkeypatch), usual_run)


def test_threads_are_set(folder, tmp_path, monkeypatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    wrong = [f"train.train_filelist={tmp_path / 'none.txt'}", f"train.log_dir={tmp_path}"]
    assert train_multi_speaker.main(["--device", "cpu", "train.threads=1", *wrong]) == 2
    assert asked == [1]
