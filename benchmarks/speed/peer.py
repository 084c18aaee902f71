"""The official code, as `tests/peer/install.sh` installs it into .peer/, in this process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from torch import Tensor

from common.errors import InputError
from model.grad_tts import GradTTSConfig

ROOT = Path(__file__).resolve().parents[2]


def add_peer_folder() -> bool:
    """Make the peer's packages importable; whether they are there."""
    folder = ROOT / ".peer"
    if not (folder / "stamp").is_file():
        return False
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # behind all else: it brings packages that are here in other versions
    return True


def official_model(config: GradTTSConfig, state: dict[str, Tensor] | None) -> Any:
    """The official GradTTS of the same sizes, with these weights. Raises InputError if it is not installed."""
    if not add_peer_folder():
        raise InputError("the official code is not installed; run tests/peer/install.sh")
    runner = ROOT / "tests" / "peer" / "run_official.py"
    spec = importlib.util.spec_from_file_location("run_official", runner)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    encoder = config.encoder
    model = module.import_official()(
        n_vocab=config.n_symbols,
        n_spks=config.n_speakers,
        spk_emb_dim=config.speaker_channels,
        n_enc_channels=encoder.channels,
        filter_channels=encoder.filter_channels,
        filter_channels_dp=encoder.filter_channels_duration,
        n_heads=encoder.heads,
        n_enc_layers=encoder.layers,
        enc_kernel=encoder.kernel_size,
        enc_dropout=encoder.dropout,
        window_size=encoder.window_size,
        n_feats=config.n_mels,
        dec_dim=config.estimator.channels,
        beta_min=config.diffusion.beta_min,
        beta_max=config.diffusion.beta_max,
        pe_scale=config.estimator.pe_scale,
    )
    if state is not None:
        model.load_state_dict(state, strict=True)
    return model
