"""Small conditional models in which every tensor is random, and styles for them."""

from __future__ import annotations

from copy import deepcopy as copy
from dataclasses import fields, replace
from functools import cache

import torch
from torch import Tensor, nn

import params
from model.cond_grad_tts import CondGradTTS, CondLosses
from model.pitch_reader import PitchReader
from model.style import StyleSource

N_MELS, N_SYMBOLS, N_SPEAKERS, N_EMOTIONS = 16, 11, 5, 3  # rows of the mel differ from any number of frames in use
LOG_FRAMES = 1.0  # about this is a token's log duration


def tiny_params(kind: str = "typed", **style: object) -> params.Params:
    return params.Params(
        audio=params.Audio(n_mels=N_MELS),
        encoder=params.Encoder(
            channels=8,
            filter_channels=12,
            filter_channels_duration=8,
            layers=1,
            prenet_layers=1,
            content_pictures=1,
            local_channels=6,
        ),
        style=params.Style(kind=kind, token_channels=12, timbre_bottleneck=4, **style),
        estimator=params.Estimator(channels=4, frame_channels=8, heads=(1, 2, 2), head_channels=4),
    )


def randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Every parameter at random, those that start at zero too, at a size that keeps outputs near 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() == 1:  # gates and widths of priors: never near zero
                parameter.copy_(0.5 + torch.rand(parameter.shape, generator=generator))
            else:
                fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)


@cache
def tiny_model(dtype: torch.dtype = torch.float32, kind: str = "typed") -> CondGradTTS:
    """A model in evaluation mode, the same object for every caller: leave it as it was."""
    generator = seeded(0)
    model = CondGradTTS(tiny_params(kind), N_SYMBOLS, N_SPEAKERS, N_EMOTIONS)
    randomise(model, generator)
    with torch.no_grad():
        model.encoder.text.proj_w.proj.weight.mul_(0.2)
        model.encoder.text.proj_w.proj.bias.fill_(LOG_FRAMES)
    model.mel_mean.copy_(torch.randn(model.mel_mean.shape, generator=generator))
    model.mel_std.copy_(1 + torch.rand(model.mel_std.shape, generator=generator))
    model.energy_statistics.copy_(torch.tensor([0.3, 1.7]))
    model.default_reference.copy_(torch.randn(model.default_reference.shape, generator=generator))
    model.default_reference_lengths.copy_(torch.arange(N_SPEAKERS) * 20 + 30)
    return model.eval().to(dtype)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_style(frames: list[int], references: list[int], seed: int = 0) -> StyleSource:
    """All types known; frames: of each item's contours; references: of each item's reference. Padding is random too."""
    generator = seeded(seed)
    batch, longest = len(frames), max(frames)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return StyleSource(
        speaker=torch.randint(N_SPEAKERS, (batch,), generator=generator),
        emotion=torch.randint(N_EMOTIONS, (batch,), generator=generator),
        log_f0=5.1 + 0.4 * normal(batch, longest),
        voicing=(normal(batch, longest) > -0.5).float(),
        energy=normal(batch, longest),
        contour_lengths=torch.tensor(frames),
        reference_mel=normal(batch, N_MELS, max(references)),
        reference_lengths=torch.tensor(references),
    )


def total(losses: CondLosses) -> Tensor:
    """What training lowers."""
    return sum(getattr(losses, name) for name in losses.counts)


def without(style: StyleSource, *types: str) -> StyleSource:
    """The same source with some types unknown."""
    made_of = {
        "pitch": ("log_f0", "voicing"),
        "energy": ("energy", "energy_predicted"),
        "timbre": ("reference_mel", "reference_lengths"),
        "speaker": ("speaker",),
        "emotion": ("emotion",),
    }
    return replace(style, **{name: None for kind in types for name in made_of[kind]})


def in_dtype(style: StyleSource, dtype: torch.dtype) -> StyleSource:
    changed = {
        field.name: getattr(style, field.name).to(dtype)
        for field in fields(style)
        if isinstance(getattr(style, field.name), Tensor) and getattr(style, field.name).is_floating_point()
    }
    return replace(style, **changed)


def one_item(style: StyleSource, i: int) -> StyleSource:
    """Item i alone, without padding."""
    frames, reference = int(style.contour_lengths[i]), int(style.reference_lengths[i])
    at = slice(i, i + 1)
    return StyleSource(
        speaker=style.speaker[at],
        emotion=style.emotion[at],
        log_f0=style.log_f0[at, :frames],
        voicing=style.voicing[at, :frames],
        energy=style.energy[at, :frames],
        contour_lengths=style.contour_lengths[at],
        reference_mel=style.reference_mel[at, :, :reference],
        reference_lengths=style.reference_lengths[at],
        known=None if style.known is None else {name: known[at] for name, known in style.known.items()},
    )


def with_reader(seed: int = 0) -> CondGradTTS:
    """A copy of the tiny model, with a random reader."""
    model = copy(tiny_model())
    model.reader = PitchReader(N_MELS, 4)
    randomise(model.reader, seeded(seed))
    model.reader.eval().requires_grad_(False)
    return model
