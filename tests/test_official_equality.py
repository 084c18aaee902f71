"""Outputs equal those of the official code (PyPI's grad-tts 0.0.4) on the same weights, seed, text and steps.

The official code runs in a process of its own, from .peer/ (`tests/peer/install.sh`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.grad_tts import GradTTS
from model.official_checkpoint import load_official
from model.style import StyleSource
from model.text_to_mel import Sampling
from tests.official_weights import random_state

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / ".peer"
TOLERANCE = 3e-6  # of the largest value: random weights make mels of up to 225

IDS = torch.randint(0, 149, (2, 13), generator=torch.Generator().manual_seed(5))
LENGTHS = torch.tensor([13, 8])
SPEAKERS = torch.tensor([3, 246])
MELS = 2 * torch.randn(2, 80, 48, generator=torch.Generator().manual_seed(6)) - 5
MEL_LENGTHS = torch.tensor([48, 37])
LATENT = torch.randn(2, 80, 48, generator=torch.Generator().manual_seed(7))
MASK = (torch.arange(48) < MEL_LENGTHS[:, None])[:, None].float()
TIMES = torch.tensor([0.07, 0.93])
SEED = 11

SYNTHESES = {
    "six steps": {"n_timesteps": 6, "temperature": 1.5, "length_scale": 0.91},
    "two steps": {"n_timesteps": 2},
    "stretched": {"n_timesteps": 3, "temperature": 1.3, "length_scale": 1.2},
}
LOSSES = {"whole": None, "crop": 48}  # a crop as long as the longest item has only one place, in both implementations


def official_cases(several: bool) -> dict[str, dict[str, Any]]:
    speaker = {"spk": SPEAKERS} if several else {}
    text = {"x": IDS, "x_lengths": LENGTHS}
    cases = {"encoder": {"kind": "encoder", "inputs": text}}
    for name, arguments in SYNTHESES.items():
        cases[name] = {"kind": "synthesis", "inputs": text | speaker | arguments}
    for name, size in LOSSES.items():
        mels = {"y": MELS, "y_lengths": MEL_LENGTHS, "out_size": size}
        # This project draws the places of crops from the same generator as all else.
        cases[name] = {"kind": "losses", "inputs": text | speaker | mels, "drawn": 0 if size is None else len(MELS)}
    embedding = {"spk": LATENT[:, :64, 0]} if several else {}
    inputs = {"x": LATENT, "mask": MASK, "mu": MELS, "t": TIMES} | embedding
    cases["score"] = {"kind": "score", "inputs": inputs}
    return {name: {"seed": SEED, "drawn": 0} | case for name, case in cases.items()}


class Peer:
    """This project's model, and what the official one said."""

    def __init__(self, n_speakers: int, folder: Path) -> None:
        self.several = n_speakers > 1
        state = random_state(n_speakers, seed=n_speakers)
        self.model: GradTTS = load_official(state)
        cases, results = folder / "cases.pt", folder / "results.npz"
        given = {"state": state, "n_speakers": n_speakers, "cases": official_cases(self.several)}
        torch.save(given, cases)
        subprocess.run(
            [sys.executable, str(ROOT / "tests/peer/run_official.py"), str(cases), str(results)],
            check=True,
            cwd=folder,  # not the repository root, whose packages are not the peer's
            env=os.environ | {"PYTHONPATH": str(PEER)},
        )
        with np.load(results) as arrays:
            self.official = {name: torch.from_numpy(arrays[name]) for name in arrays.files}

    def assert_equal(self, name: str, ours: Tensor) -> None:
        theirs = self.official[name]
        assert ours.shape == theirs.shape
        assert theirs.isfinite().all()
        assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max(), name

    @property
    def speaker(self) -> dict[str, Tensor]:
        return {"speaker": SPEAKERS} if self.several else {}


@pytest.fixture(scope="module", params=[1, 247], ids=["single", "multi"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Peer:
    if not (PEER / "stamp").exists():
        message = f"the official code is not installed: run `PYTHON={sys.executable} tests/peer/install.sh`"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return Peer(request.param, tmp_path_factory.mktemp("official"))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def test_text_encoder(peer: Peer) -> None:
    with torch.no_grad():
        text = peer.model.encoder(IDS, LENGTHS)
    peer.assert_equal("encoder/mu", text.mu)
    peer.assert_equal("encoder/log_durations", text.log_durations)
    peer.assert_equal("encoder/mask", text.mask)


def test_score(peer: Peer) -> None:
    estimator = peer.model.decoder.estimator
    with torch.no_grad():
        condition = peer.model.condition(MELS, MASK, LATENT[:, :64, 0] if peer.several else None)
        score = estimator(LATENT, TIMES, condition)
    assert score.std() > 0.1  # a branch that is dead says nothing
    peer.assert_equal("score/score", score)


@pytest.mark.parametrize("name", SYNTHESES)
def test_synthesis(peer: Peer, name: str) -> None:
    arguments = dict(SYNTHESES[name])
    ours = peer.model.synthesise(
        IDS,
        LENGTHS,
        StyleSource(**peer.speaker),
        Sampling(arguments["n_timesteps"], arguments.get("temperature", 1.0), "euler", generator()),
        length_scale=arguments.get("length_scale", 1.0),
    )
    peer.assert_equal(f"{name}/mu", ours.mu)
    peer.assert_equal(f"{name}/mel", ours.mel)
    theirs = peer.official[f"{name}/alignment"]  # (B, T_text, padded T)
    assert torch.equal(ours.alignment, theirs[:, :, : ours.mel.shape[-1]])
    assert theirs[:, :, ours.mel.shape[-1] :].sum() == 0
    assert ours.lengths.tolist() == theirs.sum((1, 2)).tolist()
    if "length_scale" not in arguments:
        assert torch.equal(ours.durations, theirs.sum(-1))


@pytest.mark.parametrize("name", LOSSES)
def test_losses(peer: Peer, name: str) -> None:
    with torch.no_grad():
        ours = peer.model.losses(
            IDS, LENGTHS, MELS, MEL_LENGTHS, crop_frames=LOSSES[name], generator=generator(), **peer.speaker
        )
    assert ours.duration > 0.01
    for loss in ("duration", "prior", "diffusion"):
        ours_value, theirs = getattr(ours, loss), peer.official[f"{name}/{loss}"]
        torch.testing.assert_close(ours_value, theirs, rtol=1e-5, atol=1e-4)


def test_every_tensor_takes_part(peer: Peer) -> None:
    """Equality proves nothing about a tensor that the outputs do not depend on.

    A bias of all keys shifts a row of scores as a whole, which softmax does not see.
    """
    losses = peer.model.losses(IDS, LENGTHS, MELS, MEL_LENGTHS, generator=generator(), **peer.speaker)
    names, tensors = zip(*peer.model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(losses.total, tensors)
    idle = {name for name, gradient in zip(names, gradients, strict=True) if gradient.abs().max() < 1e-6}
    assert idle == {f"encoder.encoder.attn_layers.{layer}.conv_k.bias" for layer in range(6)}
