"""What a kind of interpolation is. No torch here: the command line and `params.py` read the settings of all kinds."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import Field, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from model.denoiser import Denoiser
    from model.interpolation.plan import Plan, Reading
    from model.sampling import Sampler, Tune
    from model.text_to_mel import TextToMel


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    members: tuple[str, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
) -> Any:
    """A setting of a kind: a flag of the command line, and a parameter unless its default is None.

    choices: all its values; members: it is some of these, by comma. low, high: the least and the greatest; above: it
    must be greater.
    """
    rules = {"choices": choices, "members": members, "low": low, "high": high, "above": above}
    return field(default=default, metadata={"help": help, **rules})


class Kind:
    """A way to speak a text between style a and style b. A subclass is a frozen dataclass of settings (`option`).

    plan says what is decoded, denoiser how; `model.interpolation.plan.interpolate` does the rest.
    """

    even: ClassVar[bool] = False  # whether every cell gets the same share of a, as models without attention need it
    evaluations: ClassVar[int | None] = None  # of the network where nobody names a number; None: the checkpoint's
    moves_pitch: ClassVar[bool] = False  # "the pitch of a, everything else of b": spelt `--interp frequency --method`

    def __post_init__(self) -> None:
        """Raises ValueError for settings out of range."""
        for setting in fields(self):
            _check(setting, getattr(self, setting.name))

    def check(self, model: TextToMel, sampler: Sampler) -> None:
        """Raises ValueError if the model or the sampler cannot do this, whatever the text."""
        if not model.types:
            raise ValueError("this model has one speaker, so there is nothing to interpolate")
        if not self.even and not model.attends:
            raise ValueError("this model has no cross-attention, so it interpolates only linearly")

    def check_words(self, count: int) -> None:
        """Raises ValueError if a text of so many words cannot be spoken so."""

    def plan(self, model: TextToMel, a: Reading, b: Reading, length_scale: float = 1.0) -> Plan:
        """Frames, both styles over them, and a's share of every cell.

        Raises ValueError if these two readings cannot be interpolated.
        """
        raise NotImplementedError

    def denoiser(self, model: TextToMel, plan: Plan) -> tuple[Denoiser, Tune | None]:
        """What is sampled, and a hook that may tune the latent (`model.sampling`)."""
        return plan.blended(model), None


def _check(setting: Field, value: Any) -> None:
    rules = setting.metadata
    choices, low, high, above = (rules[name] for name in ("choices", "low", "high", "above"))
    if value is None and setting.default is None:
        return
    if choices is not None:
        if value not in choices:
            raise ValueError(f"{setting.name} must be one of {', '.join(choices)}, not {value!r}")
        return
    if rules["members"] is not None:
        parts = str(value).split(",")
        if not set(parts) <= set(rules["members"]) or len(set(parts)) < len(parts):
            raise ValueError(f"{setting.name} must be some of {', '.join(rules['members'])}, by comma, not {value!r}")
        return
    whole = "int" in str(setting.type)
    fits = isinstance(value, int if whole else int | float) and isinstance(value, bool) == ("bool" in str(setting.type))
    fits = fits and -math.inf < value < math.inf  # also for whole numbers that are no float
    fits = fits and (low is None or value >= low) and (high is None or value <= high)
    if not fits or (above is not None and not value > above):
        raise ValueError(f"{setting.name} must be {_words(whole, low, high, above)}, not {reprlib.repr(value)}")


def _words(whole: bool, low: float | None, high: float | None, above: float | None) -> str:
    noun = "a whole number" if whole else "a number"
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}"
    return f"{noun}, {low:g} or more" if low is not None else f"{noun} above {above:g}" if above is not None else noun


def settings_of(kinds: Mapping[str, type[Kind]]) -> dict[str, Field]:
    """Every setting of the kinds by name. Raises TypeError where two kinds disagree about one of the same name."""
    found: dict[str, Field] = {}
    for kind in kinds.values():
        for setting in fields(kind):
            known = found.setdefault(setting.name, setting)
            if (known.type, known.default) != (setting.type, setting.default):
                raise TypeError(f"two kinds have a setting {setting.name} of different type or default")
    return found
