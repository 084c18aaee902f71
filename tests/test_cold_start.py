"""What a program that speaks does not do before it speaks."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from model.mel_filters import mel_filters
from model.randomness import SkipInit
from params import Audio
from tests.sources import PACKAGES, sources
from tests.tiny_synthesiser import SPEAKERS, write_tiny_files

ROOT = Path(__file__).resolve().parents[1]
# Each takes 0.1 to 1 s to import and is of no use to a plain text in a plain voice.
HEAVY = ("torch._dynamo", "scipy", "librosa", "numba", "sympy", "matplotlib", "parselmouth", "yaml", "onnx")


@pytest.mark.parametrize(
    "audio",
    [Audio(), replace(Audio(), n_mels=40, fmin=55.0, fmax=7600.0), replace(Audio(), sample_rate=16000, fmax=900.0)],
)
def test_mel_filters_are_librosas_to_the_bit(audio):
    theirs = librosa.filters.mel(
        sr=audio.sample_rate, n_fft=audio.n_fft, n_mels=audio.n_mels, fmin=audio.fmin, fmax=audio.fmax
    )
    ours = mel_filters(audio)
    assert ours.dtype == np.float32 and np.array_equal(ours, theirs)
    assert mel_filters(replace(audio)) is ours


def test_a_module_is_built_without_drawing_weights():
    before = torch.get_rng_state()
    with SkipInit():
        nn.Sequential(nn.Linear(3, 4), nn.Conv1d(2, 3, 1), nn.Embedding(5, 6))
        nn.init.normal_(tensor=torch.zeros(2))
    assert torch.equal(torch.get_rng_state(), before)
    nn.Linear(3, 4)
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("more", "needed"), [([], set()), (["-s2", SPEAKERS[1]], {"parselmouth"})], ids=["one style", "two styles"]
)
def test_speaking_a_text_imports_nothing_heavy(tmp_path, more, needed):
    files = write_tiny_files(tmp_path, "Hello there.\n")
    program = (
        "import json, sys; from inference import main; code = main(sys.argv[1:]); "
        "print(json.dumps([code, sorted(sys.modules)]))"
    )
    arguments = ["-f", files.texts, "-c", files.checkpoint, "--vocoder", files.vocoder, "-o", tmp_path / "out"]
    ran = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments), "--device", "cpu", "-t", "2", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(ran.stdout.splitlines()[-1])
    assert code == 0
    assert {name for name in HEAVY if name in modules} <= needed


def test_no_program_of_a_user_imports_what_measures_the_project():
    apart = {path.stem for path in (ROOT / "benchmarks").iterdir() if path.suffix in ("", ".py")}
    apart |= {"benchmarks", "tests"}
    assert {"held_out", "speed", "style_pairs"} <= apart
    files = sources(*PACKAGES)
    assert len(files) > 100
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not apart & {module.split(".")[0] for module in modules}, path


@pytest.mark.parametrize("program", ["train_multi_speaker", "inference"])
def test_wrong_arguments_are_answered_before_torch_is_imported(program):
    code = f"import sys, {program}; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
