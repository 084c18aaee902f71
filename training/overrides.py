"""Hyper-parameters of a run: `params.py`, then a YAML file over it, then `key=value` of the command line over both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from data.errors import InputError
from model.params_dict import params_from_dict
from params import Params


def resolve_params(config: str | Path | None, overrides: Sequence[str], base: Params | None = None) -> Params:
    """The parameters of a run.

    config: a YAML file, nested as `params.Params` is. overrides: "train.batch_size=8", values in YAML's syntax.
    Raises InputError naming the file or the argument, and the nearest key when a key is unknown.
    """
    params = Params() if base is None else base
    if config is not None:
        params = _apply(_read_yaml(Path(config)), params, str(config))
    for argument in overrides:
        key, separator, text = argument.partition("=")
        if not separator or not key:
            raise InputError(f"{argument!r} is not of the form key=value, such as train.batch_size=8")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"{argument!r}: the value cannot be read") from error
        params = _apply({key: value}, params, "command line")
    return params


def _apply(values: dict, params: Params, where: str) -> Params:
    try:
        return params_from_dict(values, params)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _read_yaml(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such configuration; those that ship are in configs/") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); give a YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{path}{line} is not valid YAML; correct it") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path} must hold keys and values, such as 'train: {{batch_size: 8}}'")
    return content
