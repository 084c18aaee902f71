"""Hyper-parameters of a run: `params.py`, then a YAML file over it, then `key=value` of the command line over both.

A run that starts from a checkpoint takes everything but `train` from that, in the place of `params.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from common.errors import InputError
from common.files import read_bounded
from model.params_check import check_params
from model.params_dict import flat_params, parameter_types, params_from_dict
from params import Params

_TRAIN = "train."
# What else may change from run to run on the same model; the rest is its architecture and what it was trained with.
_FREE = (
    "inference.", "interpolation.", "style.drop_", "encoder.dropout", "encoder.prenet_dropout",
    "diffusion.noise_",
)  # fmt: skip
MOST_CONFIG_BYTES = 2**20
_STYLE_KIND = "style.kind"  # a new run may replace the style attention of the model that it starts from
# Widths of networks that add nothing until they have learned: a new run may give them to a model without.
_ADDED = ("encoder.local_channels", "estimator.frame_channels")


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as everywhere else; YAML 1.1 wants 1.0e-3."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def resolve_params(
    config: str | Path | None,
    overrides: Sequence[str],
    trained: Params | None = None,
    origin: str = "the checkpoint",
    replaceable: Sequence[str] = (),
) -> Params:
    """The parameters of a run.

    config: a YAML file, nested as `params.Params` is.
    overrides: "train.batch_size=8"; values in YAML's syntax, but texts as they stand.
    trained: parameters of the model that the run starts from. They stay, but for `train` and what may change and was
        asked for, the keys `replaceable` besides; origin: its name, for messages.

    Raises:
        InputError: a file that cannot be read; a key that there is not (the nearest is named), a value that cannot be
            used; or one that was asked for and is another than the trained model's.
    """
    params = Params()
    asked: dict[str, str] = {}  # key -> who asked for it
    for where, values in _sources(config, overrides):
        try:
            params = params_from_dict(values, params)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
        asked |= dict.fromkeys(_keys(values), where)
    if trained is not None:
        params = _on_a_trained_model(params, trained, asked, origin, replaceable)
    try:
        check_params(params)
    except ValueError as error:
        where = asked.get(str(error).split()[0])
        raise InputError(f"{where}: {error}" if where else str(error)) from error
    return params


def replaceable_in(trained: Params) -> tuple[str, ...]:
    """Keys that a new run may change of the model that it starts from, which then learns them anew."""
    values = flat_params(trained)
    return (_STYLE_KIND, *(key for key in _ADDED if values[key] == 0))


def _on_a_trained_model(
    params: Params, trained: Params, asked: Mapping[str, str], origin: str, replaceable: Sequence[str]
) -> Params:
    run, model = flat_params(params), flat_params(trained)
    kept = {key: value for key, value in model.items() if not key.startswith(_TRAIN)}
    for key in asked.keys() & kept.keys():
        if key.startswith(_FREE) or key in replaceable:
            del kept[key]
        elif run[key] != model[key]:
            raise InputError(
                f"{asked[key]}: {key} is {run[key]}, but {origin} was trained with {model[key]}; "
                "leave it out, or train a new model in another train.log_dir"
            )
    return params_from_dict(kept, params)


def _sources(config: str | Path | None, overrides: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """(name, values), the later ones over the earlier ones."""
    sources = [] if config is None else [(str(config), _read_yaml(Path(config)))]
    types = parameter_types()
    for argument in overrides:
        key, separator, text = argument.partition("=")
        if not separator or not key:
            raise InputError(f"{argument!r} is not of the form key=value, such as train.batch_size=8")
        sources.append(("command line", {key: text if types.get(key) is str else _value(argument, text)}))
    return sources


def _keys(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys of the values, which are known to be parameters."""
    keys = []
    for key, value in values.items():
        keys += _keys(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key}"]
    return keys


def _value(argument: str, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except Exception as error:  # PyYAML raises whatever its constructors do
        raise InputError(f"{argument!r}: the value cannot be read; give a number, true, false or [a, list]") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    if not os.path.exists(path):
        raise InputError(f"{path}: no such configuration; those that ship are in configs/")
    try:
        text = read_bounded(path, MOST_CONFIG_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8; save it as UTF-8") from error
    try:
        content = yaml.load(text, _Loader)
    except Exception as error:  # PyYAML raises whatever its constructors do
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{path}{line}: not valid YAML; correct it") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path} must hold keys and values, such as 'train: {{batch_size: 8}}'")
    return content
