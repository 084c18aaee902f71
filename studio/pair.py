"""Two styles: a alone, b alone and what lies between, and the settings of every kind as a page can ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any, get_type_hints

from common.errors import InputError
from model.interpolation import KINDS, Kind, make_kind
from studio.wish import Style, Wish
from synthesis.options import Options
from synthesis.prosody_edits import ProsodyEdits
from synthesis.result import Result
from synthesis.synthesiser import Synthesiser
from synthesis.two_styles import Pair, speak_pairs

SWEEP = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Setting:
    """A setting of a kind as a page shows it. form: "choice", "some" (of the choices), "switch", "slider" (low
    to high), "number" or "text".
    """

    name: str
    form: str
    default: Any
    help: str
    whole: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def settings_of(kind: str, defaults: Any) -> list[Setting]:
    """The settings of a kind, from its dataclass; defaults: `params.interpolation` of the checkpoint."""
    hints = get_type_hints(KINDS[kind])
    return [_setting(field, hints[field.name], defaults) for field in fields(KINDS[kind])]


def _setting(field: Field, hint: Any, defaults: Any) -> Setting:
    rules = field.metadata
    default = getattr(defaults, field.name, None if field.default is MISSING else field.default)
    members = getattr(hint, "__args__", (hint,))
    known = {"name": field.name, "default": default, "help": rules["help"], "low": rules["low"], "high": rules["high"]}
    if rules["choices"]:
        return Setting(form="choice", choices=rules["choices"], **known)
    if rules["members"]:
        known["default"] = default.split(",")
        return Setting(form="some", choices=rules["members"], **known)
    if bool in members:
        return Setting(form="switch", **known)
    if int in members or float in members:
        bounded = rules["low"] is not None and rules["high"] is not None
        return Setting(form="slider" if bounded else "number", whole=int in members, **known)
    return Setting(form="text", **known)


def kind_of(name: str, values: Mapping[str, Any], defaults: Any) -> Kind:
    """The kind of these settings; None or "" stands for what was left empty.

    Raises:
        InputError: a value is out of range.
    """
    chosen = {}
    for setting in settings_of(name, defaults):
        value = values.get(setting.name)
        if setting.form == "some" and value is not None:
            value = ",".join(name for name in setting.choices if name in value)
        elif value is None or value == "":
            continue
        if setting.whole and float(value) == int(value):
            value = int(value)
        chosen[setting.name] = value
    try:
        return make_kind(name, defaults, chosen)
    except ValueError as error:
        raise InputError(str(error)) from error


def sweep(kind: Kind) -> list[Kind]:
    """The same from b to a, in five steps.

    Raises:
        InputError: the kind has no weight.
    """
    if not any(field.name == "weight" for field in fields(kind)):
        raise InputError("only the linear kind has a weight to sweep; choose it")
    return [replace(kind, weight=weight) for weight in SWEEP]


def endings(kinds: Sequence[Kind]) -> list[str]:
    """Of the file names, as `inference.py` has them."""
    return ["ab"] if len(kinds) == 1 else [f"ab_{kind.weight:g}" for kind in kinds]


@dataclass(frozen=True, eq=False)
class PairTake:
    """A spoken pair. wish: of a."""

    wish: Wish
    style_b: Style
    kinds: tuple[Kind, ...]
    options: Options
    pair: Pair

    @property
    def results(self) -> dict[str, Result]:
        """By the endings of file names: a, b, and what lies between."""
        return {"a": self.pair.a, "b": self.pair.b, **dict(zip(endings(self.kinds), self.pair.between, strict=True))}


def speak_pair(
    synthesiser: Synthesiser, wish: Wish, style_b: Style, kinds: Sequence[Kind], lead: str = "a"
) -> PairTake:
    """A text as a alone, as b alone and in between; lead: whose pitch is taken by the kinds that move pitch.

    Raises:
        InputError: something given cannot be used.
    """
    options = wish.options(synthesiser)
    if wish.style == style_b:
        try:
            kinds[0].check(synthesiser.model, synthesiser.sampler(options))  # it may have no two styles at all
        except ValueError as error:
            raise InputError(str(error)) from error
        raise InputError("a and b are the same style; change one of them")
    edits = ProsodyEdits(overall=wish.prosody)
    both = [synthesiser.requests([wish.text], **style.arguments(), edits=edits) for style in (wish.style, style_b)]
    (pair,) = speak_pairs(synthesiser, *both, list(kinds), options, lead if kinds[0].moves_pitch else "a")
    return PairTake(wish, style_b, tuple(kinds), options, pair)
