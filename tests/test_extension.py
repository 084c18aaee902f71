"""What is added in one place is known everywhere by its name.

A kind of interpolation, an estimator and a vocoder from outside: a file and a line each. A type of style: a name in
`TYPES` and its tokens in `StyleEncoder`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from data.checkpoint_file import read_checkpoint

from .test_train_script import arguments
from .tiny_corpus import write_corpus
from .tiny_synthesiser import write_tiny_files

ROOT = Path(__file__).resolve().parents[1]

KIND = '''
from __future__ import annotations

from dataclasses import dataclass

from model.interpolation.kind import Kind, option


@dataclass(frozen=True)
class Ramp(Kind):
    """a's share falls over the text, from `top` to 0."""

    top: float = option(0.5, "a's share at the beginning", low=0, high=1)

    def plan(self, model, a, b, length_scale=1.0):
        import torch

        from model.interpolation.plan import plan_over_time

        share = torch.linspace(self.top, 0, a.text.mu.shape[-1])
        return plan_over_time(model, a, b, share, length_scale)
'''

ESTIMATOR = '''
from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn


@dataclass(frozen=True)
class Seen:
    mu: torch.Tensor
    mask: torch.Tensor
    bias: torch.Tensor


class Rows(nn.Module):
    """One layer over the rows of each frame, and a bias of the speaker."""

    length_multiple = 1
    types = ("speaker",)
    attends = True
    expects = False

    def __init__(self, n_mels: int, style_channels: int) -> None:
        super().__init__()
        self.rows = nn.Linear(2 * n_mels, n_mels)
        self.bias = nn.Linear(style_channels, n_mels)

    @classmethod
    def of(cls, params):
        return cls(params.audio.n_mels, params.style.token_channels)

    def prepare(self, mu, mask, style, frame_position, content):
        return Seen(mu, mask, self.bias(style.types["speaker"].tokens[:, 0]))

    def blend(self, a, b, weight, keep_mass=False):
        share = weight["speaker"].mean()
        return replace(a, bias=share * a.bias + (1 - share) * b.bias), None

    def completed(self, condition, attention=None):
        return condition

    def attention_sites(self):
        return {}

    def forward(self, x, t, condition, attention=None):
        hidden = self.rows(torch.cat([x, condition.mu], 1).transpose(1, 2)).transpose(1, 2)
        return (hidden + condition.bias[:, :, None] * t[:, None, None]) * condition.mask
'''

VOCODER = '''
from __future__ import annotations

import torch
from torch import nn

from hifigan import V1


class Clicks(nn.Module):
    """A click a frame, as loud as the frame's mean."""

    config = V1
    context = (0, 0)

    def __init__(self) -> None:
        super().__init__()
        self.loudness = nn.Parameter(torch.ones(1))

    def forward(self, mel):
        audio = torch.zeros(len(mel), 1, mel.shape[2], self.config.hop_size)
        audio[..., 0] = torch.tanh(self.loudness * mel.mean(1).exp())[:, None]
        return audio.flatten(2)
'''

# The three lines stand for those in `KINDS`, `ESTIMATORS` and `VOCODERS`; `params.py` is read after the first.
BEGINNING = """
import sys
from model.interpolation import KINDS
from ramp import Ramp
KINDS["ramp"] = Ramp
from model.estimators import ESTIMATORS
from rows import Rows
ESTIMATORS["rows"] = Rows
from hifigan import VOCODERS
from clicks import Clicks
VOCODERS["clicks"] = lambda expect: Clicks()
"""


# How loud an utterance is on the whole, as one token; it stands for a line and a branch in `model/style.py`.
STYLE_TYPE = """
import sys
import torch
from model import style
class WithEffort(style.StyleEncoder):
    def __init__(self, params, *sizes):
        super().__init__(params, *sizes)
        self.effort = torch.nn.Linear(1, params.token_channels)
    def _encode(self, name, source):
        if name == "effort" and source.energy is not None:
            return style._one_token(self.effort(source.energy.mean(1, keepdim=True)))
        return super()._encode(name, source)
style.TYPES = (*style.TYPES, "effort")
style.StyleEncoder = WithEffort
"""


def program(folder: Path, script: str, argv: list[object], beginning: str = BEGINNING) -> str:
    (folder / "ramp.py").write_text(KIND)
    (folder / "rows.py").write_text(ESTIMATOR)
    (folder / "clicks.py").write_text(VOCODER)
    code = f"{beginning}from {script} import main\nsys.exit(main(sys.argv[1:]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, argv)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{folder}", "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_kind_an_estimator_and_a_vocoder_are_a_file_and_a_line_each(tmp_path):
    corpus, log_dir = write_corpus(tmp_path / "corpus"), tmp_path / "log"
    mine = ["estimator.name=rows", "interpolation.top=0.9"]
    program(tmp_path, "train_multi_speaker", arguments(corpus, log_dir, *mine, steps=2, valid_every=2))
    files = write_tiny_files(tmp_path, "Good night.\n")
    speak = ["-f", files.texts, "--vocoder", files.vocoder, "-t", 2, "--device", "cpu"]
    a_and_b = ["-s", "anna", "-s2", "bert"]

    assert "ramp: a's share at the beginning" in program(tmp_path, "inference", ["--help"])
    # By the checkpoint's own parameter, by the default (the other checkpoint knows no such kind), and by its flag.
    between = {}
    for checkpoint, flags, top in (
        (log_dir / "checkpoint.pt", [], 0.9),
        (files.checkpoint, [], 0.5),
        (files.checkpoint, ["--top", 0.2], 0.2),
    ):
        out = tmp_path / f"top-{top}"
        program(tmp_path, "inference", [*speak, "-c", checkpoint, "-o", out, *a_and_b, "--interp", "ramp", *flags])
        settings = json.loads((out / "report.json").read_text())["settings"]["interpolations"]["ab"]
        assert settings == {"kind": "ramp", "top": top}
        between[top] = soundfile.read(out / "0000_ab.wav")[0]
    assert not np.array_equal(between[0.5][:2000], between[0.2][:2000])

    out = tmp_path / "clicks"
    program(tmp_path, "inference", [*speak[:2], "-c", files.checkpoint, "--vocoder", "clicks", "-t", 1, "-o", out])
    audio = soundfile.read(out / "0000.wav")[0]
    assert set(np.flatnonzero(audio) % 256) == {0}


def test_a_type_of_style_is_one_place(tmp_path):
    corpus, log_dir = write_corpus(tmp_path / "corpus"), tmp_path / "log"
    argv = arguments(corpus, log_dir, steps=3, encoder_steps=0, valid_every=3)
    program(tmp_path, "train_multi_speaker", argv, STYLE_TYPE)
    weights = read_checkpoint(log_dir / "checkpoint.pt")["weights"]
    learned = [name for name in weights if "effort" in name]
    # Its own layer and null token, and keys at every site that another type has keys at.
    assert {"style.effort.weight", "style.null.effort"} <= set(learned)
    assert sum("to_key.effort.weight" in name for name in learned) == sum("to_key.timbre.weight" in n for n in weights)
    swaps = {name for name in curves(log_dir, "style_swap/") if name.endswith("/effort")}
    assert len(swaps) > 1 and "style_swap/all/effort" in swaps  # trading it is looked at, site by site

    files = write_tiny_files(tmp_path, "Good night.\n")
    speak = [
        "-f",
        files.texts,
        "-c",
        log_dir / "checkpoint.pt",
        "--vocoder",
        files.vocoder,
        "-t",
        1,
        "-o",
        tmp_path / "o",
    ]
    for given in (["--guidance-scale", 2], ["-s2", "bert"]):
        program(tmp_path, "inference", [*speak, "-s", "anna", *given], STYLE_TYPE)
    assert (tmp_path / "o" / "0000_ab.wav").is_file()


def curves(log_dir: Path, beginning: str) -> set[str]:
    """Names of the curves that a run drew."""
    found = set()
    for path in log_dir.glob("events.*"):
        for event in EventFileLoader(str(path)).Load():
            found |= {value.tag for value in event.summary.value if value.tag.startswith(beginning)}
    return found
