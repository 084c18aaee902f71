from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.checkpoint_file import load_optimizer, read_checkpoint, restoring, write_checkpoint
from model.checkpoint import extend, pack, rebuilt, unpack
from model.cond_grad_tts import CondGradTTS
from model.grad_tts import GradTTS, GradTTSConfig
from model.interpolation import Staged
from model.style import StyleSource
from model.text_to_mel import Sampling
from params import Encoder, Inference, Params
from params import Estimator as EstimatorParams
from text.symbols import OFFICIAL_SYMBOLS, SYMBOLS
from training import export, saving
from training.saving import TrainingState

from .tiny_synthesiser import EMOTIONS, SPEAKERS, tiny_model

NAMES = {"speakers": SPEAKERS, "emotions": EMOTIONS, "symbols": SYMBOLS, "step": 5}


@pytest.fixture(scope="module")
def model() -> CondGradTTS:
    return tiny_model()


@pytest.fixture(scope="module")
def ema(model) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() + 0.01 for name, parameter in model.named_parameters()}


def tiny_official(n_symbols: int = len(OFFICIAL_SYMBOLS), n_mels: int = 80) -> dict[str, torch.Tensor]:
    config = GradTTSConfig(
        n_symbols=n_symbols,
        n_speakers=3,
        n_mels=n_mels,
        encoder=Encoder(channels=8, filter_channels=8, filter_channels_duration=8, layers=1, heads=2, prenet_layers=1),
        estimator=EstimatorParams(name="unet", channels=16),
    )
    return GradTTS(config).state_dict()


def spoken(model: CondGradTTS) -> torch.Tensor:
    return model.synthesise(
        torch.tensor([[1, 20, 1, 30, 1]]),
        torch.tensor([5]),
        StyleSource(speaker=torch.tensor([1]), emotion=torch.tensor([0])),
        Sampling(2, generator=torch.Generator().manual_seed(0)),
    ).mel


# -------------------------------------------------------------- pack and unpack


def test_a_checkpoint_rebuilds_the_model(model, tmp_path):
    write_checkpoint(tmp_path / "a" / "c.pt", pack(model, **NAMES))
    loaded = unpack(read_checkpoint(tmp_path / "a" / "c.pt"))
    assert loaded.params == model.params
    assert (loaded.speakers, loaded.emotions, loaded.symbols, loaded.step) == (SPEAKERS, EMOTIONS, SYMBOLS, 5)
    assert not loaded.model.training
    for (name, found), (expected_name, expected) in zip(
        loaded.model.state_dict().items(), model.state_dict().items(), strict=True
    ):
        assert name == expected_name and found.dtype == expected.dtype and torch.equal(found, expected)
    assert torch.equal(spoken(loaded.model), spoken(model))


def test_both_sets_of_weights_and_buffers_in_each(model, ema):
    payload = pack(model, ema=ema, **NAMES)
    raw, averaged = (unpack(payload, which).model.state_dict() for which in ("weights", "ema"))
    assert all(torch.equal(raw[key], value) for key, value in model.state_dict().items())
    assert all(torch.equal(averaged[key], value) for key, value in ema.items())
    assert torch.equal(averaged["mel_mean"], model.mel_mean) and "mel_mean" not in ema
    assert torch.equal(unpack(payload).model.style.null["pitch"], ema["style.null.pitch"])  # the default
    only = {key: value for key, value in payload.items() if key != "ema"}
    assert torch.equal(unpack(only).model.style.null["pitch"], model.style.null["pitch"])


def test_a_checkpoint_does_not_change_when_training_goes_on():
    model = tiny_model()
    payload = pack(model, ema=dict(model.named_parameters()), **NAMES)
    before = model.style.null["pitch"].detach().clone()
    with torch.no_grad():
        model.style.null["pitch"].add_(1)
    assert torch.equal(payload["weights"]["style.null.pitch"], before)
    assert torch.equal(payload["ema"]["style.null.pitch"], before)


def test_the_parameters_really_used_are_stored(model):
    used = replace(model.params, inference=Inference(steps=4, temperature=3.0))
    assert unpack(pack(model, params=used, **NAMES)).params == used


def test_stored_interpolations_count_where_their_kind_is_still_the_same(model):
    payload = pack(model, speakers=SPEAKERS, emotions=EMOTIONS, symbols=SYMBOLS, step=0)
    stored = {**payload["params"]["interpolation"], "tal1": 0.5, "carry": "linear", "gone": 1}
    before_the_reader = {key: value for key, value in stored.items() if key != "decided_by"}  # staged had other units
    for interpolation, tal1 in ((stored, 0.5), (before_the_reader, Staged().tal1)):
        params = {**payload["params"], "interpolation": interpolation}
        found = unpack({**payload, "params": params}).params.interpolation
        assert (found.tal1, found.carry) == (tal1, "linear")


def test_half_precision_keeps_one_set_and_halves_the_file(model, ema, tmp_path):
    payload = pack(model, ema=ema, dtype=torch.float16, **NAMES)
    assert set(payload) == {"format", "params", "speakers", "emotions", "symbols", "step", "ema"}
    write_checkpoint(tmp_path / "half.pt", payload)
    write_checkpoint(tmp_path / "whole.pt", pack(model, **NAMES))
    half, whole = ((tmp_path / f"{name}.pt").stat().st_size for name in ("half", "whole"))
    assert 0.45 * whole < half < 0.65 * whole  # names and such are not halved
    loaded = unpack(read_checkpoint(tmp_path / "half.pt")).model
    for name, parameter in loaded.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, ema[name].half().float())
    assert loaded.default_reference_lengths.dtype == torch.long
    assert torch.equal(loaded.default_reference_lengths, model.default_reference_lengths)


def test_what_half_precision_cannot_hold_is_refused():
    model = tiny_model()
    with torch.no_grad():
        model.style.null["pitch"][0] = 1e6
    with pytest.raises(ValueError, match=r"style\.null\.pitch is not finite as torch\.float16"):
        pack(model, dtype=torch.float16, **NAMES)


# -------------------------------------------------------------------- official


def test_an_official_state_dict_is_recognised():
    loaded = unpack(tiny_official())
    assert isinstance(loaded.model, GradTTS) and not loaded.model.training
    assert loaded.speakers == ("0", "1", "2") and loaded.symbols == tuple(OFFICIAL_SYMBOLS)
    assert loaded.params.text.front_end == "official" and loaded.params.estimator.name == "unet"
    assert (loaded.params.inference.steps, loaded.params.inference.temperature) == (10, 1.5)


def test_an_official_one_learns_further_speakers():
    loaded = unpack(tiny_official())
    more = extend(loaded, ["anna", "1", "bert", "anna"], ["happy"], ["new symbol"])
    assert more.speakers == ("0", "1", "2", "anna", "bert") and more.model.config.n_speakers == 5
    assert (more.emotions, more.symbols) == (loaded.emotions, loaded.symbols)
    old, new = loaded.model.state_dict(), more.model.state_dict()
    assert torch.equal(new["spk_emb.weight"][:3], old["spk_emb.weight"])
    assert torch.equal(new["spk_emb.weight"][3:], old["spk_emb.weight"].mean(0).expand(2, -1))
    assert all(torch.equal(value, new[key]) for key, value in old.items() if key != "spk_emb.weight")


def test_an_official_one_of_one_speaker_stays_so():
    loaded = unpack(GradTTS(replace(unpack(tiny_official()).model.config, n_speakers=1)).state_dict())
    assert extend(loaded, ["anna"], [], []).speakers == ("anna",)
    assert extend(loaded, ["anna"], [], []).model is loaded.model
    with pytest.raises(ValueError, match="cannot learn 2"):
        extend(loaded, ["anna", "bert"], [], [])


def test_an_official_one_with_other_symbols_or_mels():
    for count in (148, 150, 178):
        with pytest.raises(ValueError, match=f"{count} symbols, but the official front end has 149"):
            unpack(tiny_official(count))
    assert unpack(tiny_official(n_mels=64)).params.audio.n_mels == 64  # so that no vocoder of 80 is taken


def one_line(payload) -> str:
    with pytest.raises(ValueError) as caught:
        unpack(payload)
    message = str(caught.value)
    assert message.splitlines() == [message]
    return message


def test_other_dicts_are_refused(model):
    assert "neither" in one_line({})
    assert "neither" in one_line({"model": model.state_dict()})
    assert "neither" in one_line({"generator": {}, "format": "else"})
    assert "neither" in one_line({**pack(model, **NAMES), "format": "cond-grad-tts 2"})
    assert "decoder.estimator" in one_line({k: v for k, v in tiny_official().items() if "mid_attn" not in k})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *(({key: None}, f"lacks '{key}'") for key in ("params", "speakers", "emotions", "symbols", "step", "weights")),
        ({"params": 3}, "'params' is a int"),
        ({"speakers": "anna"}, "'speakers' is a str"),
        ({"speakers": []}, "'speakers' are not a list of different names"),
        ({"speakers": ["a", "a", "b"]}, "different names"),
        ({"symbols": [1, 2]}, "'symbols' are not a list of different names"),
        ({"step": "5"}, "'step' is a str"),
        ({"weights": [1]}, "'weights' is a list"),
        ({"weights": {}}, "is missing"),
        ({"params": {"train": {"stepss": 1}}}, "did you mean 'train.steps'"),
        ({"params": {"encoder": {"heads": 0}}}, "encoder.heads must be at least 1"),
        ({"params": {"estimator": {"name": "x"}}}, "there is no estimator 'x'"),
        ({"params": {"encoder": {"channels": 2 * 10**12}}}, "encoder.channels must be at least 1, and at most 8192"),
        ({"params": {"encoder": {"layers": 10**8}}}, "encoder.layers must be at least 1, and at most 100"),
        ({"params": {"encoder": {"channels": 8192, "filter_channels": 8192}}}, "more than 1e+08"),
        ({"params": {}}, "do not fit its own parameters"),
        ({"speakers": ["a", "b"]}, "do not fit its own parameters"),
    ],
)
def test_damaged_checkpoints_are_refused(model, change, words):
    payload = {key: value for key, value in {**pack(model, **NAMES), **change}.items() if value is not None}
    assert words in one_line(payload)


def test_weights_that_do_not_fit_are_named(model):
    payload = pack(model, **NAMES)
    weights = payload["weights"]
    for wrong in (torch.zeros(3), 5, "x", None, weights["mel_mean"].to_sparse()):
        assert "mel_mean is" in one_line({**payload, "weights": {**weights, "mel_mean": wrong}})
    assert "extra is unknown" in one_line({**payload, "weights": {**weights, "extra": torch.zeros(1)}})


_PLAIN = st.none() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=2) | st.floats()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["format", "params", "speakers", "emotions", "symbols", "step", "weights", "ema", "x"]),
        _PLAIN | st.dictionaries(st.sampled_from(["train", "encoder", "mel_mean"]), _PLAIN, max_size=2),
    )
)
def test_any_dict_loads_or_is_one_line(model, changes):
    payload = {**pack(model, **NAMES), **changes}
    try:
        unpack(payload)
    except ValueError as error:
        assert str(error).splitlines() == [str(error)]


# ------------------------------------------------------------------ fine-tuning


def test_extension_keeps_every_old_row(model):
    loaded = unpack(pack(model, **NAMES))
    longer = extend(loaded, ["zoe", "anna", "zoe"], ["neutral", "calm"], [*SYMBOLS[:3], "NEW"])
    assert longer.speakers == (*SPEAKERS, "zoe") and longer.emotions == (*EMOTIONS, "calm")
    assert longer.symbols == (*SYMBOLS, "NEW") and longer.step == 5 and longer.params == loaded.params
    grown = set()
    state = longer.model.state_dict()
    for key, value in loaded.model.state_dict().items():
        assert torch.equal(state[key][: len(value)] if value.dim() else state[key], value)
        if state[key].shape != value.shape:
            grown.add(key)
            if key.startswith("default_reference"):
                assert not state[key][len(value) :].any()  # it has none
            else:
                torch.testing.assert_close(state[key][len(value)], value.mean(0))
    assert {"encoder.text.emb.weight", "style.speaker.weight", "style.emotion.weight", "default_reference"} <= grown
    assert torch.equal(spoken(longer.model), spoken(loaded.model))  # the old voice is untouched
    assert len(loaded.speakers) == len(SPEAKERS)


def test_nothing_new_changes_nothing(model):
    loaded = unpack(pack(model, **NAMES))
    same = extend(loaded, ["anna"], ["neutral"], SYMBOLS)
    assert (same.speakers, same.emotions, same.symbols) == (SPEAKERS, EMOTIONS, SYMBOLS)
    assert all(torch.equal(a, b) for a, b in zip(same.model.parameters(), model.parameters(), strict=True))


def test_another_kind_of_style_attention_keeps_all_else(model):
    loaded = unpack(pack(model, **NAMES))
    bundled = rebuilt(loaded, replace(loaded.params, style=replace(loaded.params.style, kind="bundled")))
    assert bundled.params.style.kind == bundled.model.params.style.kind == "bundled"
    assert replace(bundled.params, style=loaded.params.style) == loaded.params
    state, before = bundled.model.state_dict(), loaded.model.state_dict()
    changed = {key for key in before if key not in state or not torch.equal(state[key], before[key])}
    assert changed and all("attention" in key for key in changed)
    kinds = {key.split(".to_key.")[1].split(".")[0] for key in state if "attention" in key and ".to_key." in key}
    assert kinds == {"bundled"}
    spoken(bundled.model)


# ------------------------------------------------------------------------ files


def read_error(path, kind: str = "checkpoint") -> str:
    with pytest.raises(InputError) as caught:
        read_checkpoint(path, kind)
    message = str(caught.value)
    assert message.splitlines() == [message] and str(path) in message and kind in message
    return message


def test_files_that_are_no_checkpoints(tmp_path, model):
    path = tmp_path / "c.pt"
    assert "no such checkpoint file; check the path" in read_error(path)
    assert "no such vocoder file; it is a folder" in read_error(tmp_path, "vocoder")
    path.write_bytes(b"")
    assert "empty" in read_error(path)
    write_checkpoint(path, pack(model, **NAMES))
    whole = path.read_bytes()
    for size in (1, 50, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        assert "truncated" in read_error(path)
    path.write_text("text\n" * 500)
    read_error(path)
    torch.save([1, 2], path)
    assert "holds a list" in read_error(path)


class Boom:
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self):
        return (os.mkdir, (self.folder,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, model, zipped):
    path, folder = tmp_path / "c.pt", tmp_path / "executed"
    torch.save({**pack(model, **NAMES), "x": Boom(str(folder))}, path, _use_new_zipfile_serialization=zipped)
    read_error(path)
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.exists()  # it was a real one


def test_the_whole_of_a_damaged_file_never_gets_through(tmp_path, model):
    path = tmp_path / "c.pt"
    write_checkpoint(path, {"x": torch.arange(5)})
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in torch.randint(len(whole), (20,), generator=generator).tolist():
            damaged[place] ^= 0x5A
        path.write_bytes(damaged)
        try:
            assert torch.equal(read_checkpoint(path)["x"], torch.arange(5))
        except InputError as error:
            assert str(error).splitlines() == [str(error)]


def test_a_full_disk_leaves_the_old_file(tmp_path, model, monkeypatch):
    path = tmp_path / "c.pt"
    write_checkpoint(path, {"step": 1})

    def full(payload, target):
        target.write(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(InputError, match=r"c\.pt cannot be written.*No space left"):
            write_checkpoint(path, {"step": 2})
    assert read_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_checkpoint(tmp_path / "file" / "c.pt", {})


def test_the_state_of_a_run(tmp_path, model, ema):
    assert saving.load(tmp_path / "none") is None
    state = TrainingState(7, 2, 1, pack(model, ema=ema, **NAMES), {"state": {}, "param_groups": []}, {})
    saving.save(tmp_path, state)
    found = saving.load(tmp_path)
    assert (found.step, found.epoch, found.batch, found.optimizer) == (7, 2, 1, state.optimizer)
    assert unpack(found.payload).step == unpack(read_checkpoint(saving.checkpoint_path(tmp_path))).step == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "training_state.pt"]
    for name, value, missing in (("step", None, "step"), ("optimizer", 3, "optimizer"), ("payload", {}, "weights")):
        write_checkpoint(saving.state_path(tmp_path), {**vars(state), name: value})
        with pytest.raises(InputError, match=f"lacks '{missing}'"):
            saving.load(tmp_path)


# ----------------------------------------------------------------------- export


def test_export_writes_the_averaged_weights_with_new_defaults(tmp_path, model, ema, capsys):
    saving.save(tmp_path / "log", TrainingState(5, 0, 0, pack(model, ema=ema, **NAMES), {}, {}))
    out = tmp_path / "new" / "out.pt"
    assert export.main([str(tmp_path / "log"), str(out), "--inference", "steps=4, temperature=1e1"]) == 0
    assert "steps 4, sampler edm-2m, temperature 10.0, length_scale 1.0" in capsys.readouterr().out
    payload = read_checkpoint(out)
    assert "weights" not in payload and payload["ema"]["style.null.pitch"].dtype == torch.float16
    loaded = unpack(payload)
    assert loaded.params == replace(model.params, inference=Inference(steps=4, temperature=10.0))
    assert (loaded.speakers, loaded.symbols, loaded.step) == (SPEAKERS, SYMBOLS, 5)
    assert torch.equal(loaded.model.style.null["pitch"], ema["style.null.pitch"].half().float())
    again = tmp_path / "again.pt"  # from a file, without changes
    assert export.main([str(out), str(again)]) == 0
    assert unpack(read_checkpoint(again)).params == loaded.params


@pytest.mark.parametrize(
    ("inference", "words"),
    [
        ("temprature=2", "did you mean 'inference.temperature'"),
        ("steps=0", "inference.steps must be at least 1"),
        ("steps=1.5", "inference.steps must be a whole number"),
        ("steps", "not of the form key=value"),
    ],
)
def test_export_refuses_wrong_defaults(tmp_path, model, capsys, inference, words):
    write_checkpoint(tmp_path / "c.pt", pack(model, **NAMES))
    assert export.main([str(tmp_path / "c.pt"), str(tmp_path / "out.pt"), "--inference", inference]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not (tmp_path / "out.pt").exists()


def test_export_refuses_other_files(tmp_path, capsys):
    write_checkpoint(tmp_path / "official.pt", tiny_official())
    write_checkpoint(tmp_path / "other.pt", {"a": 1})
    for source, words in (("official.pt", "published as it is"), ("other.pt", "other.pt: neither"), (".", "no such")):
        assert export.main([str(tmp_path / source), str(tmp_path / "out.pt")]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1


def test_the_default_parameters_make_a_model_that_can_be_published(tmp_path):
    params = Params()
    model = CondGradTTS(params, len(SYMBOLS), 9, 5)
    names = {"speakers": [str(i) for i in range(9)], "emotions": list("abcde"), "symbols": SYMBOLS, "step": 0}
    write_checkpoint(tmp_path / "c.pt", pack(model, dtype=torch.float16, **names))
    assert (tmp_path / "c.pt").stat().st_size < 60e6


# ------------------------------------------------------------------ safetensors


def test_safetensors_holds_the_same_model(tmp_path, model, ema, capsys):
    saving.save(tmp_path / "log", TrainingState(5, 0, 0, pack(model, ema=ema, **NAMES), {}, {}))
    half, single = tmp_path / "half.safetensors", tmp_path / "single.safetensors"
    assert export.main([str(tmp_path / "log"), str(half), "--inference", "steps=4"]) == 0
    loaded = unpack(read_checkpoint(half))
    assert loaded.params == replace(model.params, inference=replace(model.params.inference, steps=4))
    assert (loaded.speakers, loaded.emotions, loaded.symbols, loaded.step) == (SPEAKERS, EMOTIONS, SYMBOLS, 5)
    assert torch.equal(loaded.model.style.null["pitch"], ema["style.null.pitch"].half().float())
    write_checkpoint(single, pack(model, **NAMES))
    assert torch.equal(spoken(unpack(read_checkpoint(single)).model), spoken(model))
    # and back again
    assert export.main([str(half), str(tmp_path / "back.pt")]) == 0
    back = unpack(read_checkpoint(tmp_path / "back.pt"))
    assert all(torch.equal(a, b) for a, b in zip(back.model.parameters(), loaded.model.parameters(), strict=True))


def test_any_program_finds_parameters_and_weights_in_the_header(tmp_path, model):
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, pack(model, **NAMES))
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["params"])["encoder"]["channels"] == model.params.encoder.channels
    assert set(header) - {"__metadata__"} == set(model.state_dict())


def test_an_official_state_dict_as_safetensors(tmp_path):
    path = tmp_path / "official.safetensors"
    path.write_bytes(safetensors.torch.save(tiny_official()))
    loaded = unpack(read_checkpoint(path))
    assert loaded.params.text.front_end == "official"


@pytest.mark.parametrize("size", [1, 8, 100, -9])
def test_a_truncated_safetensors_file(tmp_path, model, size):
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, pack(model, **NAMES))
    path.write_bytes(path.read_bytes()[:size])
    assert "not a safetensors file" in read_error(path)


# ------------------------------------------------- numbers that no model can have


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x.to("meta"), "holds no numbers"),
        (lambda x: x.to(torch.complex64), "is torch.complex64"),
        (lambda x: x.to(torch.float8_e4m3fn), "is torch.float8_e4m3fn"),
        (lambda x: x * float("inf"), "damaged"),
        (lambda x: x + float("nan"), "damaged"),
        (lambda x: x + 1e30, "holds numbers from 1e+30 to 1e+30: damaged"),
        (lambda x: x.long(), "is torch.int64"),
        (lambda x: x > 0, "is torch.bool"),
    ],
)
def test_weights_that_are_none(model, change, words):
    payload = pack(model, **NAMES)
    payload["weights"]["mel_mean"] = change(payload["weights"]["mel_mean"])
    assert words in one_line(payload)
    official = tiny_official()
    official["encoder.proj_m.weight"] = change(official["encoder.proj_m.weight"])
    one_line(official)


def test_a_tensor_that_claims_more_than_there_is(model):
    official = tiny_official()
    official["encoder.emb.weight"] = torch.zeros(1, 1).expand(len(official["encoder.emb.weight"]), 10**9)
    assert "more than 1e+08" in one_line(official)


def test_an_archive_that_unpacks_to_more_than_it_holds(tmp_path):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    assert "promises more than it holds" in read_error(path)


# --------------------------------------------------------- what an optimizer remembers


def adam(steps: int = 1) -> torch.optim.AdamW:
    """After some steps, on a matrix and a vector."""
    parameters = [torch.ones(2, 3, requires_grad=True), torch.ones(4, requires_grad=True)]
    optimizer = torch.optim.AdamW(parameters, lr=0.1)
    for _ in range(steps):
        sum(parameter.sum() for parameter in parameters).backward()
        optimizer.step()
    return optimizer


def test_an_optimizers_memory_comes_back_and_its_settings_stay():
    fresh, saved = adam(0), adam(2).state_dict()
    saved["param_groups"][0]["lr"] = 7.0
    load_optimizer(fresh, saved)
    assert fresh.param_groups[0]["lr"] == 0.1
    for own, other in zip(fresh.state_dict()["state"].values(), saved["state"].values(), strict=True):
        assert own.keys() == other.keys() and all(torch.equal(own[name], other[name]) for name in own)


BAD_MEMORY = {
    "another shape": lambda saved: saved["state"][0].update(exp_avg=torch.zeros(3, 2)),
    "not finite": lambda saved: saved["state"][0].update(exp_avg_sq=torch.full((2, 3), torch.nan)),
    "no numbers": lambda saved: saved["state"][0].update(exp_avg=torch.zeros(2, 3, device="meta")),
    "another type": lambda saved: saved["state"][0].update(exp_avg="x"),
    "a part missing": lambda saved: saved["state"][0].pop("step"),
    "other parameters": lambda saved: saved["param_groups"][0]["params"].append(2),
    "no table": lambda saved: saved.update(state=3),
    "no groups": lambda saved: saved.pop("param_groups"),
    "groups of nothing": lambda saved: saved.update(param_groups=[None]),
}


@pytest.mark.parametrize("kind", BAD_MEMORY)
def test_an_optimizers_memory_that_does_not_fit(kind):
    saved = adam().state_dict()
    BAD_MEMORY[kind](saved)
    with pytest.raises(InputError, match=r"^a\.pt is another model's state, or damaged") as error, restoring("a.pt"):
        load_optimizer(adam(0), saved)
    assert "\n" not in str(error.value)
