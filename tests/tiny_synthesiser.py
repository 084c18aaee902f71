"""A tiny model and vocoder with random weights, and their files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

import params
from data.checkpoint_file import write_checkpoint
from hifigan import Generator, VocoderConfig
from model.checkpoint import Loaded, pack
from model.cond_grad_tts import REFERENCE_FRAMES, CondGradTTS
from text.symbols import SYMBOLS

SPEAKERS = ("anna", "bert", "7")
EMOTIONS = ("angry", "neutral")
LOG_FRAMES = 0.8  # about this is a token's log duration
VOCODER = VocoderConfig(
    resblock="2",
    upsample_rates=(8, 8, 4),
    upsample_kernel_sizes=(16, 16, 8),
    upsample_initial_channel=16,
    resblock_kernel_sizes=(3,),
    resblock_dilation_sizes=((1, 2),),
)


def tiny_params(**style: object) -> params.Params:
    return params.Params(
        encoder=params.Encoder(
            channels=16, filter_channels=32, filter_channels_duration=16, layers=1, prenet_layers=1, content_pictures=1
        ),
        style=params.Style(token_channels=16, **style),
        estimator=params.Estimator(channels=8, heads=(1, 1, 1), head_channels=8),
        inference=params.Inference(steps=3, temperature=2.0, length_scale=1.0, guidance_scale=1.0),
    )


def _randomise(module: torch.nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)


def tiny_model(**style: object) -> CondGradTTS:
    """Every parameter is random, so that nothing hides behind a zero."""
    generator = torch.Generator().manual_seed(0)
    model = CondGradTTS(tiny_params(**style), len(SYMBOLS), len(SPEAKERS), len(EMOTIONS))
    _randomise(model, generator)
    with torch.no_grad():
        model.encoder.text.proj_w.proj.weight.mul_(0.2)
        model.encoder.text.proj_w.proj.bias.fill_(LOG_FRAMES)
    model.mel_mean.fill_(-5.0)
    model.mel_std.fill_(2.0)
    model.default_reference.copy_(torch.randn(model.default_reference.shape, generator=generator))
    model.default_reference_lengths.fill_(REFERENCE_FRAMES)
    if model.hearing is not None:
        hearing = model.hearing
        model.encoder.voicing.bias.data.fill_(2.0)  # melodies are heard where something is voiced
        hearing.voices.copy_(torch.nn.functional.normalize(torch.randn(hearing.voices.shape, generator=generator)))
        hearing.manners.copy_(torch.randn(hearing.manners.shape, generator=generator))
        hearing.usual_manners.copy_(hearing.manners.mean(0))
        hearing.f0_of_voice.copy_(torch.tensor([0.05] * (len(hearing.f0_of_voice) - 1) + [5.0]))
        hearing.manner_std.fill_(0.5)
    return model.eval()


def tiny_loaded(**style: object) -> Loaded:
    model = tiny_model(**style)
    return Loaded(model, model.params, SPEAKERS, EMOTIONS, SYMBOLS, 5)


def tiny_vocoder() -> Generator:
    vocoder = Generator(VOCODER)
    _randomise(vocoder, torch.Generator().manual_seed(1))
    return vocoder.eval()


def write_tiny_checkpoint(path: Path, **style: object) -> Path:
    write_checkpoint(path, pack(tiny_model(**style), speakers=SPEAKERS, emotions=EMOTIONS, symbols=SYMBOLS, step=5))
    return path


def write_tiny_vocoder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"generator": tiny_vocoder().state_dict()}, folder / "generator")
    (folder / "config.json").write_text(json.dumps(VOCODER.to_dict()))
    return folder / "generator"


def write_tiny_files(folder: Path, texts: str) -> SimpleNamespace:
    """What `inference.py` needs: .folder, .texts, .checkpoint, .vocoder."""
    (folder / "texts.txt").write_text(texts)
    return SimpleNamespace(
        folder=folder,
        texts=folder / "texts.txt",
        checkpoint=write_tiny_checkpoint(folder / "tiny.pt"),
        vocoder=write_tiny_vocoder(folder / "vocoder"),
    )


def voice_like(seconds: float, hz: float, rate: int = 22050) -> np.ndarray:
    """A voiced sound that rises by a fifth, (samples,) float32."""
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.5 * time / max(seconds, 1e-9))) / rate
    return (0.2 * sum(np.sin(k * phase) / k for k in range(1, 8))).astype(np.float32)
