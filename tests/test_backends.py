"""Exported graphs say what the networks say, in either runtime."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from common.device import has_bfloat16
from common.errors import InputError
from data.audio import write_wav
from hifigan.distilled import Distilled, new_rest
from inference import main
from model.checkpoint import Loaded, unpack
from model.estimators.unet import TimeEmbedding
from synthesis.backends import choice
from synthesis.backends.choice import PACKAGES, choose_backend
from synthesis.backends.condition_tensors import condition_of, form_of, free_axes, tensors_of
from synthesis.backends.export import graph_file
from synthesis.backends.graph_modules import GraphEncoder, GraphEstimator, GraphVocoder, session_opener
from synthesis.synthesiser import Synthesiser
from tests.official_weights import random_state
from tests.tiny_synthesiser import tiny_loaded, tiny_vocoder, voice_like, write_tiny_files

TOLERANCE = 1e-3
CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=PACKAGES)
def backend(request) -> str:
    for package in PACKAGES[request.param]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install -e .[{request.param}]")
    return request.param


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("graphs")


def small_official() -> Loaded:
    return unpack(random_state(1, 3))


def frames_and_style(model, tokens: int, batch: int = 1):
    from model.style import StyleSource

    ids = torch.randint(1, 40, (batch, tokens), generator=torch.Generator().manual_seed(tokens))
    style = StyleSource(speaker=torch.arange(batch), emotion=torch.zeros(batch, dtype=torch.long))
    return model.spread(model.encode(ids, torch.full((batch,), tokens), style)), style


def condition(estimator, model, frames, style):
    encoded = model.style(model.complete(style, frames), len(frames.mu))
    prepared = estimator.prepare(frames.mu, frames.mask, encoded, frames.position, frames.content)
    return estimator.completed(prepared)


def test_the_encoder(backend, graphs):
    encoder = tiny_loaded().model.encoder
    graph = GraphEncoder(encoder, graphs, session_opener(backend))
    for batch, tokens in ((1, 9), (2, 14)):  # the first shapes make the graph
        ids = torch.randint(1, 40, (batch, tokens), generator=torch.Generator().manual_seed(1))
        given = ids, torch.tensor([tokens, 5][:batch]), torch.arange(batch), torch.arange(batch)
        with torch.no_grad():
            wanted, found = encoder(*given), graph(*given)
        assert type(found) is type(wanted)
        for field in fields(wanted):
            torch.testing.assert_close(
                getattr(found, field.name), getattr(wanted, field.name), atol=TOLERANCE, rtol=0, msg=field.name
            )


def test_the_estimator_for_every_form_of_style(backend, graphs):
    model = tiny_loaded().model
    estimator = model.decoder.estimator
    graph = GraphEstimator(estimator, graphs, session_opener(backend), "fp32")
    forms = set()
    with torch.no_grad():
        for tokens, batch, guided in ((9, 1, False), (21, 1, False), (7, 3, False), (12, 1, True)):
            frames, style = frames_and_style(model, tokens, batch)
            conditions = [condition(estimator, model, frames, style)]
            if guided:
                nothing = model.style(type(style)(), batch)
                prepared = estimator.prepare(frames.mu, frames.mask, nothing, frames.position, frames.content)
                conditions.append(estimator.completed(prepared))
            for known in conditions:
                forms.add(form_of(known))
                x = torch.randn(frames.mu.shape, generator=torch.Generator().manual_seed(2))
                for value in (0.4, -1.5):
                    t = torch.full((batch,), value)
                    torch.testing.assert_close(graph(x, t, known), estimator(x, t, known), atol=TOLERANCE, rtol=0)
    assert len(forms) == len(graph._sessions) == 2  # contours known, and nothing known


def test_a_blend_and_a_gradient_run_in_torch(backend, graphs):
    model = tiny_loaded().model
    estimator = model.decoder.estimator
    graph = GraphEstimator(estimator, graphs, session_opener(backend), "fp32")
    frames, style = frames_and_style(model, 9)
    known = condition(estimator, model, frames, style)
    x = torch.randn(frames.mu.shape).requires_grad_()
    graph(x, torch.zeros(1), known).sum().backward()
    assert x.grad.abs().sum() > 0 and not graph._sessions
    x = x.detach()
    other = model.complete(style, frames)
    other = condition(estimator, model, frames, replace(other, log_f0=other.log_f0 + 0.5))
    share = {"drawn_share": torch.full((1, frames.mu.shape[2]), 0.3)}
    with torch.no_grad():
        blends = [
            network(x, torch.zeros(1), *network.blend(known, other, {"pitch": torch.ones_like(x)}, **share))
            for network in (graph, estimator)
        ]
    assert torch.equal(*blends) and not graph._sessions


def tiny_distilled() -> Distilled:
    teacher = tiny_vocoder()
    rest = new_rest(teacher, channels=8, blocks=2)
    with torch.no_grad():
        for parameter in rest.parameters():
            parameter.normal_(0, 0.2)
    return Distilled(teacher, rest)


@pytest.mark.parametrize("make", [tiny_vocoder, tiny_distilled])
def test_the_vocoder(backend, graphs, make):
    vocoder = make()
    graph = GraphVocoder(vocoder, graphs, session_opener(backend), "fp32")
    for frames in (20, 33):
        mel = torch.randn(1, 80, frames)
        with torch.no_grad():
            torch.testing.assert_close(graph(mel), vocoder(mel), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("official", [False, True])
def test_a_whole_run(backend, graphs, official):
    def box() -> Synthesiser:
        return Synthesiser(small_official() if official else tiny_loaded(), tiny_vocoder(), CPU)

    plain, graph = box(), box()
    graph.use_graphs(backend, graphs)
    assert graph.backend == backend
    guidance = {} if official else {"guidance_scale": 1.5}
    given = {"steps": 2, "seed": 1, **guidance}
    wanted, found = (synthesiser.synthesise(["Good night, Anna."], **given)[0] for synthesiser in (plain, graph))
    assert np.array_equal(wanted.durations, found.durations)
    scale = max(1.0, float(np.abs(wanted.mel).max()))
    np.testing.assert_allclose(found.mel / scale, wanted.mel / scale, atol=TOLERANCE)
    np.testing.assert_allclose(found.audio, wanted.audio, atol=TOLERANCE)


def test_a_graph_is_made_once_and_again_when_a_weight_changes(backend, tmp_path):
    def speak(loaded: Loaded) -> list[str]:
        synthesiser = Synthesiser(loaded, tiny_vocoder(), CPU)
        synthesiser.use_graphs(backend, tmp_path)
        synthesiser.synthesise(["Hello."], steps=1)
        return sorted(path.name for path in tmp_path.glob("*.onnx"))

    first = speak(tiny_loaded())
    assert len(first) == 3 and speak(tiny_loaded()) == first
    changed = tiny_loaded()
    with torch.no_grad():
        changed.model.encoder.text.proj_m.bias.add_(1)
    assert len(speak(changed)) == 4


def test_bfloat16_is_near(graphs):
    pytest.importorskip("openvino", reason="openvino is not installed: pip install -e .[openvino]")
    boxes = [Synthesiser(tiny_loaded(), tiny_vocoder(), CPU, precision) for precision in ("fp32", "bf16")]
    for box in boxes:
        box.use_graphs("openvino", graphs)
    exact, near = (box.synthesise(["Good night, Anna."], steps=2)[0] for box in boxes)
    assert np.array_equal(exact.durations, near.durations)
    assert np.abs(exact.mel - near.mel).max() < 0.1 * exact.mel.std()
    if has_bfloat16(CPU):
        assert not np.array_equal(exact.mel, near.mel)


def test_the_command_line(backend, tmp_path, monkeypatch, capsys):
    files = write_tiny_files(tmp_path, "Hello there.\n")
    write_wav(tmp_path / "ref.wav", voice_like(1.0, 120), 22050)
    monkeypatch.chdir(tmp_path)
    common = ["-f", files.texts, "-c", files.checkpoint, "--vocoder", files.vocoder, "--device", "cpu", "-t", 2]
    for name in ("torch", backend):
        arguments = [*common, "--backend", name, "--precision", "fp32", "-o", tmp_path / name, "--ref", "ref.wav"]
        assert main([str(argument) for argument in arguments]) == 0
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("torch", backend)]
    assert [report["settings"]["backend"] for report in reports] == ["torch", backend]
    assert reports[0]["results"][0]["durations"] == reports[1]["results"][0]["durations"]
    assert len(list((tmp_path / "cache" / "graphs").glob("*.onnx"))) == 3
    if backend == "onnx":
        capsys.readouterr()
        refused = [*common, "--backend", "onnx", "--precision", "bf16", "-o", tmp_path / "x"]
        assert main([str(argument) for argument in refused]) == 2
        assert "computes in fp32" in capsys.readouterr().err


def test_two_time_scales_are_two_graphs(tmp_path):
    paths = [graph_file(tmp_path, "estimator", TimeEmbedding(16, scale), None, Path.touch) for scale in (1.0, 1000.0)]
    assert paths[0] != paths[1]


def test_which_backend_is_chosen(monkeypatch):
    installed: set[str] = set()
    monkeypatch.setattr(choice, "_installed", lambda name: name in installed)
    monkeypatch.setattr(choice, "has_bfloat16", lambda device: True)
    gpu = torch.device("cuda")
    assert choose_backend("auto", CPU, "auto") == choose_backend("torch", gpu, "bf16") == "torch"
    with pytest.raises(InputError, match="onnx and openvino, which are not installed; pip install"):
        choose_backend("openvino", CPU, "auto")
    installed |= {"onnx"}
    assert choose_backend("auto", CPU, "auto") == "torch"
    monkeypatch.setattr(choice, "has_bfloat16", lambda device: False)
    assert choose_backend("auto", CPU, "auto") == choose_backend("auto", CPU, "fp32") == "onnx"
    assert choose_backend("auto", CPU, "bf16") == "torch"
    installed |= {"openvino"}
    assert choose_backend("auto", CPU, "auto") == "openvino"
    assert choose_backend("auto", gpu, "auto") == "torch"
    with pytest.raises(InputError, match="runs on the CPU"):
        choose_backend("openvino", gpu, "auto")
    with pytest.raises(InputError, match="no backend 'tvm'"):
        choose_backend("tvm", CPU, "auto")


def test_a_condition_survives_as_tensors():
    model = tiny_loaded().model
    estimator = model.decoder.estimator
    frames, style = frames_and_style(model, 9)
    known = condition(estimator, model, frames, style)
    form, tensors = form_of(known), tensors_of(known)
    assert set(free_axes(form)) == set(tensors)
    again = condition_of(form, tensors)
    assert form_of(again) == form and list(tensors_of(again)) == list(tensors)
    x, t = torch.randn(frames.mu.shape), torch.zeros(1)
    with torch.no_grad():
        torch.testing.assert_close(estimator(x, t, again), estimator(x, t, known))
    assert all(isinstance(tensor, Tensor) for tensor in tensors.values())
