from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import InputError
from data.batching import collate
from data.embeddings import write_embeddings
from data.filelist import read_filelist
from model.checkpoint import unpack
from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS
from params import Params
from text.front_end import front_end
from training import corpus, saving, statistics
from training.board import sample_writer
from training.curves import Curves
from training.optimisation import MOST_SKIPPED
from training.saving import RunLog
from training.sensitivity import style_sensitivity
from training.style_batch import labels_of, style_of_batch
from training.trainer import _LOSSES, Trainer, _parameter_groups

from .tiny_corpus import training_params, write_corpus
from .tiny_synthesiser import tiny_params, tiny_vocoder

SPEAKERS, EMOTIONS = ["anna", "bert"], ["neutral", "sad"]


class Notes:
    """A board that keeps what it is shown."""

    def __init__(self) -> None:
        self.values: dict[str, dict[int, float]] = {}
        self.samples: list[tuple] = []

    def scalars(self, group, values, step):
        for name, value in values.items():
            self.values.setdefault(f"{group}/{name}", {})[step] = value

    def flush(self):
        pass

    def sample(self, name, synthesis, audio, step):
        self.samples.append((name, synthesis, audio, step))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def datasets(params: Params):
    training, validation = corpus.read_filelists(params)
    cache = corpus.build_cache(params, training + validation)
    reader = front_end("arpabet")
    return [
        corpus.make_dataset(filelist, utterances, cache, reader, SPEAKERS, EMOTIONS, params)
        for filelist, utterances in (
            (params.train.train_filelist, training),
            (params.train.valid_filelist, validation),
        )
    ]


def trainer_of(params: Params, state: saving.TrainingState | None = None, write_sample=None) -> Trainer:
    dataset, validation = datasets(params)
    symbols = list(front_end("arpabet").symbols)
    if state is None:
        torch.manual_seed(params.train.seed)
        model = CondGradTTS(params, len(symbols), 2, 2)
        statistics.set_statistics(model, dataset, 0)
        statistics.set_default_references(model, dataset, 0)
    else:
        model = unpack(state.payload, "weights").model
    log_dir = Path(params.train.log_dir)
    log_dir.mkdir(parents=True, exist_ok=True)
    names = {"speakers": SPEAKERS, "emotions": EMOTIONS, "symbols": symbols}
    log = RunLog(log_dir / "train.log")
    trainer = Trainer(model, params, dataset, validation, names, Notes(), log, torch.device("cpu"), write_sample)
    if state is not None:
        trainer.resume(state)
    return trainer


def training_losses(trainer: Trainer) -> dict:
    return {name: values for name, values in trainer.board.values.items() if name.startswith("train/")}


def assert_equal_state(a: saving.TrainingState, b: saving.TrainingState) -> None:
    assert (a.step, a.epoch, a.batch) == (b.step, b.epoch, b.batch)
    for kind in ("weights", "ema"):
        assert a.payload[kind].keys() == b.payload[kind].keys()
        for name, value in a.payload[kind].items():
            assert torch.equal(value, b.payload[kind][name]), (kind, name)
    assert a.optimizer["param_groups"] == b.optimizer["param_groups"]
    for number, moments in a.optimizer["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, b.optimizer["state"][number][name]), (number, name)


@pytest.fixture(scope="module")
def unbroken(folder, tmp_path_factory) -> Trainer:
    """Six steps, two epochs, without a stop."""
    trainer = trainer_of(training_params(folder, tmp_path_factory.mktemp("unbroken")))
    assert trainer.run()
    return trainer


@pytest.mark.parametrize(("workers", "stop"), [(0, 3), (2, 4)], ids=["at an epoch's end", "within one, 2 processes"])
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(folder, unbroken, tmp_path, workers, stop):
    # It also validates on its way, which must leave no trace.
    params = training_params(folder, tmp_path, workers=workers, valid_every=2)
    first = trainer_of(params)
    assert not first.run(lambda: first.step >= stop)
    second = trainer_of(params, saving.load(tmp_path))
    assert second.step == stop
    assert second.run()
    assert_equal_state(saving.load(tmp_path), saving.load(unbroken.log_dir))
    expected = training_losses(unbroken)
    assert set(expected) == {f"train/{name}" for name in _LOSSES}
    for name, values in expected.items():
        assert {**training_losses(first)[name], **training_losses(second)[name]} == values
    assert len(expected["train/prior"]) == 6


def test_before_the_decoder_learns_there_is_no_diffusion_loss(unbroken):
    assert list(unbroken.board.values["train/diffusion"]) == [2, 3, 4, 5, 6]


def test_another_seed_gives_another_run(folder, unbroken, tmp_path):
    other = trainer_of(training_params(folder, tmp_path, seed=5, steps=2))
    other.run()
    assert other.board.values["train/prior"][1] != unbroken.board.values["train/prior"][1]


def test_the_losses_fall(folder, tmp_path):
    changes = {"steps": 30, "decay_steps": 20, "learning_rate": 1e-2, "precision": "fp32", "seed": 1}
    trainer = trainer_of(training_params(folder, tmp_path, **changes))
    trainer.run()
    for name, factor in (("prior", 0.9), ("duration", 0.95), ("voicing", 0.5), ("diffusion", 0.9)):
        values = list(trainer.board.values[f"train/{name}"].values())
        assert np.mean(values[-9:]) < factor * np.mean(values[:6]), (name, values)
    rates = trainer.board.values["optimisation/learning_rate"]
    assert rates[2] == 1e-2 and rates[30] < 1e-3


def test_the_checkpoint_holds_the_parameters_of_the_run(folder, unbroken, tmp_path):
    state = saving.load(unbroken.log_dir)
    params = training_params(folder, tmp_path, steps=7, weight_decay=0.5, ema_decay=0.5)
    params = replace(params, inference=replace(params.inference, steps=2))
    trainer = trainer_of(params, state)
    assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [0.5, 0.0]
    trainer.run()
    stored = unpack(saving.load(tmp_path).payload)
    assert stored.params == params and stored.step == 7
    assert (stored.speakers, stored.emotions) == (tuple(SPEAKERS), tuple(EMOTIONS))


def test_the_state_of_another_model_is_refused(folder, unbroken, tmp_path):
    state = saving.load(unbroken.log_dir)
    state.payload = {**state.payload, "weights": {}}
    with pytest.raises(ValueError, match="another model's"):
        trainer_of(training_params(folder, tmp_path)).resume(state)


def test_it_saves_now_and_then_and_at_the_end(folder, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr("training.trainer.save", lambda _, state: saved.append((state.step, state.payload["step"])))
    trainer = trainer_of(training_params(folder, tmp_path, steps=3, save_every=2))
    trainer.run()
    assert saved == [(2, 2), (3, 3)]
    trainer.params = training_params(folder, tmp_path, steps=4, save_every=2)
    trainer.run()
    assert saved == [(2, 2), (3, 3), (4, 4)]  # the last one not twice


def test_a_step_without_a_finite_gradient_changes_nothing(folder, tmp_path):
    trainer = trainer_of(training_params(folder, tmp_path, steps=3))
    broken = trainer.model.losses
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    seen = []

    def losses(*args, **kwargs):
        if trainer.step == 1:
            seen.append(all(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters()))
            before.update({name: p.detach().clone() for name, p in trainer.model.named_parameters()})
        if trainer.step == 2:
            seen.append(all(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters()))
        found = broken(*args, **kwargs)
        return replace(found, prior=found.prior * math.nan) if trainer.step == 1 else found

    trainer.model.losses = losses
    assert trainer.run()
    assert seen == [False, True] and trainer.gradients.skipped == 0
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert all(value.isfinite().all() for value in trainer.ema.values.values())
    assert "step 2  skipped" in (tmp_path / "train.log").read_text()


def test_many_such_steps_end_the_run_with_advice(folder, tmp_path, monkeypatch):
    assert MOST_SKIPPED > 3
    monkeypatch.setattr("training.optimisation.MOST_SKIPPED", 3)
    trainer = trainer_of(training_params(folder, tmp_path, steps=100))
    good = trainer.model.losses
    trainer.model.losses = lambda *args, **kwargs: replace(
        found := good(*args, **kwargs), duration=found.duration * math.inf
    )
    with pytest.raises(InputError, match=r"lower train\.learning_rate"):
        trainer.run()
    assert trainer.gradients.skipped == 3 and trainer.step == 2
    assert saving.load(tmp_path) is None


# ------------------------------------------------------------------- validation


@pytest.fixture(scope="module")
def validated(folder, tmp_path_factory) -> Trainer:
    params = training_params(folder, tmp_path_factory.mktemp("validated"), steps=3, valid_every=3, encoder_steps=2)
    write_sample = sample_writer(front_end("arpabet"), params, tiny_vocoder(), datasets(params)[1][1])
    trainer = trainer_of(params, write_sample=write_sample)
    trainer.run()
    return trainer


def test_validation_is_of_the_averaged_weights_and_restores_the_raw_ones(validated):
    kinds = {name.split("/")[0] for name in validated.board.values}
    assert kinds == {"train", "optimisation", "validation", "gate", "style_swap"}
    raw = {name: p.detach().clone() for name, p in validated.model.named_parameters()}
    first = validated._validate(lambda: True)
    assert first == validated._validate(lambda: True)  # the same stretches, times and noise
    assert all(torch.equal(p, raw[name]) for name, p in validated.model.named_parameters())
    validated._set_parameters(validated.ema.values)
    averaged = validated._validate(lambda: True)
    validated._set_parameters(raw)
    assert averaged == first


def test_validation_weighs_batches_by_what_they_hold(validated, monkeypatch):
    first, second = [collate([validated.validation[i] for i in chosen]) for chosen in ([0, 1], [1])]
    monkeypatch.setattr(validated, "_validation_batches", lambda: [first, second])
    prior = {}
    losses = validated.model.losses

    def told(**arguments):
        found = losses(**arguments)
        prior[len(arguments["ids"])] = (float(found.prior), float(found.counts["prior"]))
        return found

    monkeypatch.setattr(validated.model, "losses", told)
    validated._validate(lambda: True)
    (a, frames_a), (b, frames_b) = prior[2], prior[1]
    expected = (a * frames_a + b * frames_b) / (frames_a + frames_b)
    assert validated.board.values["validation/prior"][validated.step] == pytest.approx(expected, rel=1e-5)


def test_its_line_goes_to_the_log(validated):
    lines = (validated.log_dir / "train.log").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("step 3  validation: prior ")
    for word in ("duration ", "voicing ", "diffusion ", "seconds "):
        assert word in lines[0]


def test_the_gates_and_every_style_type_are_watched(validated):
    values = validated.board.values
    sites = {name.split("/")[1] for name in values if name.startswith("gate/")}
    assert sites == {"down0", "down1", "down2", "middle", "up1", "up2"}
    types = ("pitch", "energy", "timbre", "speaker", "emotion")
    expected = {f"style_swap/{site}/{kind}" for site in (*sites, "all") for kind in types}
    assert {name for name in values if name.startswith("style_swap")} == expected


def test_a_sample_is_spoken_in_the_voice_of_an_utterance(validated):
    name, synthesis, audio, step = validated.board.samples[0]
    assert (name, step) == ("sample", 3)
    assert audio.ndim == 1 and len(audio) == 256 * synthesis.mel.shape[2] and np.isfinite(audio).all()


def test_nothing_to_see_is_made_when_the_run_is_to_stop(folder, tmp_path):
    params = training_params(folder, tmp_path, encoder_steps=0)
    trainer = trainer_of(params, write_sample=lambda *_: pytest.fail("spoke"))
    assert "diffusion" in trainer._validate(lambda: True)
    assert not any(name.startswith("style_swap") for name in trainer.board.values)


# ---------------------------------------------------------------- style and data


def test_swapping_a_type_that_the_model_ignores_moves_nothing(folder, tmp_path):
    trainer = trainer_of(training_params(folder, tmp_path))
    batch = collate([trainer.dataset[i] for i in (0, 3, 6, 8)])
    with torch.no_grad():
        torch.nn.init.normal_(trainer.model.decoder.estimator.conv_out.weight)
        before = style_sensitivity(trainer.model, batch, 8, 0)
        for _, site in trainer.model.decoder.estimator.attention_sites().values():
            site.gate.zero_()
        after = style_sensitivity(trainer.model, batch, 8, 0)
    assert all(before[f"down0/{kind}"] > 1e-4 for kind in ("pitch", "energy", "timbre", "speaker", "emotion"))
    for name, value in after.items():
        assert value == 0 or name in ("all/pitch", "all/energy")  # the pictures are no attention
    assert after["all/pitch"] > 1e-4


def test_statistics_normalise_the_corpus(folder, tmp_path):
    params = training_params(folder, tmp_path)
    dataset, _ = datasets(params)
    model = CondGradTTS(params, 80, 2, 2)
    statistics.set_statistics(model, dataset, 0)
    mels = torch.cat([dataset[i].mel for i in range(len(dataset))], 1)
    torch.testing.assert_close(model.mel_mean[:, 0], mels.mean(1), atol=1e-3, rtol=0)
    torch.testing.assert_close(model.mel_std[:, 0], mels.std(1, correction=0), atol=1e-2, rtol=0)
    energy = torch.cat([dataset[i].energy for i in range(len(dataset))])
    normal = model.normalise_energy(energy)
    assert abs(float(normal.mean())) < 1e-3 and abs(float(normal.std()) - 1) < 1e-2


def test_each_speakers_default_reference_is_its_own(folder, tmp_path):
    params = training_params(folder, tmp_path)
    dataset, _ = datasets(params)
    model = CondGradTTS(params, 80, 3, 2)  # the third has no utterance
    statistics.set_statistics(model, dataset, 0)
    statistics.set_default_references(model, dataset, 0)
    assert model.default_reference_lengths[2] == 0 and not model.default_reference[2].any()
    for speaker in (0, 1):
        length = int(model.default_reference_lengths[speaker])
        assert 0 < length <= REFERENCE_FRAMES
        found = model.default_reference[speaker, :, :length]
        assert not model.default_reference[speaker, :, length:].any()
        own = [dataset[i].mel for i in range(len(dataset)) if dataset.speaker_ids[i] == speaker]
        starts = [(mel.shape[1] - length) // 2 for mel in own]
        parts = [model.normalise(mel[None])[0][:, s : s + length] for mel, s in zip(own, starts, strict=True)]
        assert sum(part.shape == found.shape and torch.allclose(part, found) for part in parts) == 1


def test_contours_and_labels_of_a_batch(folder, tmp_path):
    trainer = trainer_of(training_params(folder, tmp_path))
    batch = collate([trainer.dataset[i] for i in (0, 6)])
    style = style_of_batch(trainer.model, batch)
    assert style.speaker.tolist() == [0, 1] and style.emotion.tolist() == [0, 1]
    voiced = batch.f0 > 0
    assert voiced.any() and not voiced.all()
    torch.testing.assert_close(style.log_f0[voiced], batch.f0[voiced].log())
    assert style.log_f0.isfinite().all()
    assert style.reference_mel.shape[2] <= REFERENCE_FRAMES
    assert int(style.reference_lengths.max()) == style.reference_mel.shape[2]


def test_external_embeddings_are_read_from_beside_the_filelist(folder, tmp_path):
    params = training_params(folder, tmp_path / "log", steps=2, valid_every=2)
    params = replace(params, style=replace(params.style, speaker_embedding_dim=6))
    table = folder / "speaker_embeddings.npz"
    with pytest.raises(InputError, match=r"speaker_embeddings\.npz is not a table"):
        datasets(params)
    everything = read_filelist(params.train.train_filelist) + read_filelist(params.train.valid_filelist)
    rng = np.random.default_rng(0)
    write_embeddings(table, {u.stem: rng.standard_normal(6).astype(np.float32) for u in everything})
    try:
        dataset, validation = datasets(params)
        assert labels_of(collate([dataset[0]]))[0].shape == (1, 6)
        write_sample = sample_writer(front_end("arpabet"), params, None, validation[0])
        trainer = trainer_of(params, write_sample=write_sample)
        assert trainer.run()
        assert trainer.board.samples[0][2] is None  # no vocoder, no audio
        wider = replace(params, style=replace(params.style, speaker_embedding_dim=7))
        with pytest.raises(InputError, match="speaker_embedding_dim is 7"):
            datasets(wider)
    finally:
        table.unlink()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_gone_ends_the_run_with_one_line(tmp_path, workers):
    folder = write_corpus(tmp_path / "corpus")
    trainer = trainer_of(training_params(folder, tmp_path / "log", workers=workers))
    for wav in folder.glob("*.wav"):
        trainer.dataset.cache.entry_path(wav).unlink()
        wav.unlink()
    with pytest.raises(InputError, match=r"^/.*\.wav: No such file or directory; check the path$"):
        trainer.run()


def test_biases_norms_tables_and_gates_do_not_decay():
    model = CondGradTTS(tiny_params(), 80, 2, 2)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, others = (
        {names[id(parameter)] for parameter in group["params"]} for group in _parameter_groups(model, 0.1)
    )
    assert len(decayed) + len(others) == len(names) and not decayed & others
    assert {"encoder.text.emb.weight", "style.speaker.weight", "style.null.pitch", "style.pitch.outer.bias"} <= others
    assert any(name.endswith("gate") for name in others) and not any("norm" in name for name in decayed)


@pytest.mark.parametrize("first", [0, 20])
def test_curves_that_a_run_lost_are_hidden(tmp_path, first):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for steps in (range(1, 60, 10), range(first + 1, first + 25, 10)):
        curves = Curves(tmp_path, 0 if steps.start == 1 else first)
        for step in steps:
            curves.scalars("train", {"prior": 0.1}, step)
        curves.close()
        time.sleep(1)  # files are read in the order of their names, which hold the second and a number of any length
    shown = EventAccumulator(str(tmp_path))
    shown.Reload()
    kept = [step for step in range(1, 60, 10) if step <= first]
    assert [event.step for event in shown.Scalars("train/prior")] == [*kept, first + 1, first + 11, first + 21]
