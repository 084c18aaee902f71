"""What to interpolate: one small object for each kind. The defaults are those of `params.Interpolation`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from params import Interpolation as Defaults

BLENDS = ("condition", "score")
METHODS = ("staged", "same-time", "two-noise")
MASKS = ("f0", "harmonics", "f0-4", "none")
CARRIES = ("phones", "linear", "attention")
DURATIONS = ("a", "b", "mean")
LOSSES = ("competing", "original")
_DEFAULTS = Defaults()


@dataclass(frozen=True)
class Linear:
    """Everywhere the same share of a.

    weight: a's share. blend: "condition" blends what the decoder reads, "score" the two predictions.
    Raises ValueError for values out of range, like the other two.
    """

    weight: float = _DEFAULTS.weight
    blend: str = _DEFAULTS.blend

    def __post_init__(self) -> None:
        _share("weight", self.weight)
        _choice("blend", self.blend, BLENDS)


@dataclass(frozen=True)
class Temporal:
    """a before the crossing, b after it.

    cross: place of the crossing as a share of the text's tokens; cross_word: index of the first word of b instead,
    which the caller turns into `cross`. cross_width: of the transition, as a share of the tokens; 0 is a step.
    """

    cross: float = _DEFAULTS.cross
    cross_word: int | None = None
    cross_width: float = _DEFAULTS.cross_width

    def __post_init__(self) -> None:
        _share("cross", self.cross)
        _share("cross_width", self.cross_width)
        if self.cross_word is not None and not (_whole(self.cross_word) and self.cross_word >= 0):
            raise ValueError(f"cross_word must be a whole number, 0 or more, not {self.cross_word}")


@dataclass(frozen=True)
class Frequency:
    """The pitch of a, everything else of b.

    method, mask: see docs/interpolation.md. carry: how a's contour comes to the frames of the text.
    durations: whose. tal1, tal2: diffusion times between which `staged` changes its loss and after which it stops.
    gamma: weight of the penalty on the other cells; epoch: gradient steps before an evaluation; rate: their size.
    loss: of `staged`, "competing" or the "original" pair. noise_only: tune the start noise alone.
    """

    method: str = _DEFAULTS.method
    mask: str = _DEFAULTS.mask
    carry: str = _DEFAULTS.carry
    durations: str = _DEFAULTS.durations
    tal1: float = _DEFAULTS.tal1
    tal2: float = _DEFAULTS.tal2
    gamma: float = _DEFAULTS.gamma
    epoch: int = _DEFAULTS.epoch
    rate: float = _DEFAULTS.rate
    loss: str = _DEFAULTS.loss
    noise_only: bool = False

    def __post_init__(self) -> None:
        _choice("method", self.method, METHODS)
        _choice("mask", self.mask, MASKS)
        _choice("carry", self.carry, CARRIES)
        _choice("durations", self.durations, DURATIONS)
        _choice("loss", self.loss, LOSSES)
        if not 0 <= self.tal2 <= self.tal1 <= 1:
            raise ValueError(f"tal1 and tal2 need 0 <= tal2 <= tal1 <= 1, not {self.tal1} and {self.tal2}")
        if not 0 <= self.gamma < math.inf:
            raise ValueError(f"gamma must be a number, 0 or more, not {self.gamma}")
        if not (_whole(self.epoch) and 0 <= self.epoch <= 100):
            raise ValueError(f"epoch must be a whole number from 0 to 100, not {self.epoch}")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate must be a positive number, not {self.rate}")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value}")


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
