"""What a vocoder is built from, and the audio it was trained for; read from the published `config.json`."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any

LARGEST = 2**17  # of every size; the largest that is used is a sample rate
MOST_LAYERS = 32  # in a list
REQUIRED = (
    "resblock",
    "upsample_rates",
    "upsample_kernel_sizes",
    "upsample_initial_channel",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
    "num_mels",
    "sampling_rate",
    "hop_size",
)


@dataclass(frozen=True)
class VocoderConfig:
    """A HiFi-GAN generator and its mel; the names are those of the published `config.json`.

    Of the last four, None means that the configuration does not state it.

    Raises:
        ValueError: a value has the wrong type or range, or values do not fit together; one line.
    """

    resblock: str  # "1": pairs of convolutions, the second undilated; "2": single ones
    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]  # one tuple a kernel size
    num_mels: int = 80
    sampling_rate: int = 22050  # Hz
    hop_size: int = 256  # samples
    n_fft: int | None = 1024  # samples
    win_size: int | None = 1024  # samples
    fmin: float | None = 0.0  # Hz
    fmax: float | None = 8000.0  # Hz

    def __post_init__(self) -> None:
        if self.resblock not in ("1", "2"):
            raise ValueError(f'resblock must be "1" or "2", not {self.resblock!r}')
        for name in ("upsample_initial_channel", "num_mels", "sampling_rate", "hop_size"):
            _check_positive(name, getattr(self, name))
        for name in ("n_fft", "win_size"):
            if getattr(self, name) is not None:
                _check_positive(name, getattr(self, name))
        for name in ("fmin", "fmax"):
            value = getattr(self, name)
            if value is not None and not (_is_real(value) and value >= 0):
                raise ValueError(f"{name} must be a frequency in Hz, not {reprlib.repr(value)}")
        for name in ("upsample_rates", "upsample_kernel_sizes", "resblock_kernel_sizes"):
            _check_integers(name, getattr(self, name))
        if not isinstance(self.resblock_dilation_sizes, tuple):
            found = reprlib.repr(self.resblock_dilation_sizes)
            raise ValueError(f"resblock_dilation_sizes must be a list of lists, not {found}")
        for dilations in self.resblock_dilation_sizes:
            _check_integers("each of resblock_dilation_sizes", dilations)

        if len(self.upsample_rates) != len(self.upsample_kernel_sizes):
            raise ValueError("upsample_rates and upsample_kernel_sizes differ in length")
        if len(self.resblock_kernel_sizes) != len(self.resblock_dilation_sizes):
            raise ValueError("resblock_kernel_sizes and resblock_dilation_sizes differ in length")
        if min(self.upsample_rates) < 2 or math.prod(self.upsample_rates) != self.hop_size:
            raise ValueError(
                f"upsample_rates {list(self.upsample_rates)} must be 2 or more and multiply to hop_size {self.hop_size}"
            )
        for rate, kernel in zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True):
            if kernel < rate or (kernel - rate) % 2:
                raise ValueError(f"upsample kernel {kernel} must be its rate {rate} plus an even number")
        if not all(kernel % 2 for kernel in self.resblock_kernel_sizes):
            raise ValueError(f"resblock_kernel_sizes {list(self.resblock_kernel_sizes)} must be odd")
        if self.upsample_initial_channel % 2 ** len(self.upsample_rates):
            raise ValueError(
                f"upsample_initial_channel {self.upsample_initial_channel} cannot be halved "
                f"{len(self.upsample_rates)} times"
            )

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> VocoderConfig:
        """From the published `config.json`; keys that are about training are ignored.

        Raises:
            ValueError: a key is missing, or a value cannot be used; one line.
        """
        if not isinstance(config, Mapping):
            raise ValueError(f"a vocoder configuration is a table of names and values, not {type(config).__name__}")
        missing = [name for name in REQUIRED if name not in config]
        if missing:
            raise ValueError(f"the vocoder configuration lacks {', '.join(missing)}")
        values = {field.name: _tuples(config.get(field.name)) for field in fields(cls)}
        if "fmax" in config and config["fmax"] is None and _is_real(config["sampling_rate"]):
            values["fmax"] = config["sampling_rate"] / 2  # a stated null is the published code's "up to Nyquist"
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The published form, without what is not stated."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and -math.inf < value < math.inf


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check_positive(name: str, value: Any) -> None:
    if not _is_positive(value) or value > LARGEST:
        raise ValueError(f"{name} must be a positive integer, at most {LARGEST}, not {reprlib.repr(value)}")


def _check_integers(name: str, values: Any) -> None:
    few = isinstance(values, tuple) and 0 < len(values) <= MOST_LAYERS
    if not (few and all(_is_positive(value) and value <= LARGEST for value in values)):
        raise ValueError(
            f"{name} must be a list of positive integers (at most {MOST_LAYERS}, each at most {LARGEST}), not "
            f"{reprlib.repr(values)}"
        )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


V1 = VocoderConfig(
    resblock="1",
    upsample_rates=(8, 8, 2, 2),
    upsample_kernel_sizes=(16, 16, 4, 4),
    upsample_initial_channel=512,
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilation_sizes=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
)
V2 = VocoderConfig(
    resblock="1",
    upsample_rates=(8, 8, 2, 2),
    upsample_kernel_sizes=(16, 16, 4, 4),
    upsample_initial_channel=128,
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilation_sizes=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
)
V3 = VocoderConfig(
    resblock="2",
    upsample_rates=(8, 8, 4),
    upsample_kernel_sizes=(16, 16, 8),
    upsample_initial_channel=256,
    resblock_kernel_sizes=(3, 5, 7),
    resblock_dilation_sizes=((1, 2), (2, 6), (3, 12)),
)
PRESETS = {"V1": V1, "V2": V2, "V3": V3}

END_KERNEL = 7  # of the first and the last convolution


def resblock_radius(config: VocoderConfig) -> int:
    """Samples (at the block's own rate) to either side that the widest residual block reads."""
    undilated = 1 if config.resblock == "1" else 0  # the second convolution of each pair
    return max(
        sum((kernel - 1) // 2 * (dilation + undilated) for dilation in dilations)
        for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    )


def stages_are_even(config: VocoderConfig, *, channels: int, pairs: int) -> bool:
    """Whether a kernel computes the stages that takes so many channels at once and at most so many pairs of a block.

    They have to be of paired convolutions, their transposed ones of twice as many taps as their rate, an even number.
    """
    widths = [config.upsample_initial_channel // 2**stage for stage in range(len(config.upsample_rates) + 1)]
    rates = zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True)
    return (
        config.resblock == "1"
        and all(len(dilations) <= pairs for dilations in config.resblock_dilation_sizes)
        and all(kernel == 2 * rate and rate % 2 == 0 for rate, kernel in rates)
        and all(width % channels == 0 for width in widths)
    )


def context_frames(config: VocoderConfig, stages: int | None = None, radius: int = END_KERNEL // 2) -> tuple[int, int]:
    """Frames to the left and to the right of a frame on which its `hop_size` samples depend.

    Walks the interval of one frame's samples back through the layers. All strides divide the hop, so the answer is
    the same for every frame.

    Args:
        stages: how many of the first stages there are; None: all.
        radius: how far what follows them reads to either side, at their rate; by default, the last convolution.
    """
    end = END_KERNEL // 2  # of the first convolution
    pairs = list(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True))[:stages]
    first, last = -radius, math.prod(rate for rate, _ in pairs) - 1 + radius  # what follows the stages reads
    for rate, kernel in reversed(pairs):
        first -= resblock_radius(config)
        last += resblock_radius(config)
        # Output o of a transposed convolution reads the inputs i with 0 <= o + padding - i * rate < kernel.
        padding = (kernel - rate) // 2
        first = -((kernel - 1 - padding - first) // rate)
        last = (last + padding) // rate
    return end - first, last + end
