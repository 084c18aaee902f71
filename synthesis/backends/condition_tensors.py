"""An estimator's condition as named tensors and back, for graphs, whose inputs are tensors alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from model.estimators.cross_unet import FRAME_SITE, CrossUNetCondition
from model.estimators.unet import UNetCondition
from model.style_attention import SiteCondition, TypeKeys

Condition = CrossUNetCondition | UNetCondition
FRAMES, LEVEL, TOKENS = "frames", "level", "tokens"  # axes whose size is free; a level has its own number of frames


@dataclass(frozen=True)
class Form:
    """What is fixed in a graph: which estimator, and for `cross_unet` how many tokens each type has at each site.

    sites: (site, ((type, "local", "one" or "several"), ...)); a type with one token has no key (`TypeKeys.single`).
    mean: whether there is one. speaker: for `unet`, whether there is one.
    """

    sites: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    mean: bool = False
    speaker: bool = False


def form_of(condition: Condition) -> Form:
    if isinstance(condition, UNetCondition):
        return Form(speaker=condition.speaker is not None)
    return Form(
        sites=tuple(
            (name, tuple((type_name, _kind(keys)) for type_name, keys in site.keys.items()))
            for name, site in _read_by_evaluations(condition)
        ),
        mean=condition.mean is not None,
    )


def tensors_of(condition: Condition) -> dict[str, Tensor]:
    """Every tensor that the estimator reads while sampling, by name, always in the same order for a form."""
    if isinstance(condition, UNetCondition):
        tensors = {"mask": condition.mask, "mu": condition.mu}
        return tensors if condition.speaker is None else {**tensors, "speaker": condition.speaker}
    tensors = {"mask": condition.mask, "cells": condition.cells}
    if condition.mean is not None:
        tensors["mean"] = condition.mean
    for site_name, site in _read_by_evaluations(condition):
        tensors[f"{site_name}.frame_query"] = site.frame_query
        for type_name, keys in site.keys.items():
            for part in ("value",) if keys.single else ("key", "value", "bias"):
                tensors[f"{site_name}.{type_name}.{part}"] = getattr(keys, part)
    return tensors


def condition_of(form: Form, tensors: Mapping[str, Tensor]) -> Condition:
    """The inverse of `tensors_of`, as far as the estimator's `forward` reads it."""
    mask = tensors["mask"]
    if not form.sites:
        return UNetCondition(mu=tensors["mu"], mask=mask, speaker=tensors.get("speaker"))
    sites = {}
    for site_name, types in form.sites:
        keys = {}
        for type_name, kind in types:
            value = tensors[f"{site_name}.{type_name}.value"]
            # A single token's key and bias are never read.
            key, bias = (
                (value, value)
                if kind == "one"
                else (tensors[f"{site_name}.{type_name}.key"], tensors[f"{site_name}.{type_name}.bias"])
            )
            keys[type_name] = TypeKeys(key, value, bias)
        sites[site_name] = SiteCondition(keys, tensors[f"{site_name}.frame_query"])
    # mu is in the cells already; a graph always masks, so that it fits padded batches too.
    return CrossUNetCondition(
        mu=mask, mask=mask, sites=sites, padded=True, cells=tensors["cells"], mean=tensors.get("mean")
    )


def free_axes(form: Form) -> dict[str, dict[int, str]]:
    """For every tensor of `tensors_of`, the axes whose size may differ from call to call, with names for them."""
    if not form.sites:
        axes = {"mask": {0: "batch", 2: FRAMES}, "mu": {0: "batch", 2: FRAMES}}
        return {**axes, "speaker": {0: "batch"}} if form.speaker else axes
    axes = {"mask": {0: "batch", 2: FRAMES}, "cells": {0: "batch", 3: FRAMES}}
    if form.mean:
        axes["mean"] = {0: "batch", 2: FRAMES}
    for site_name, types in form.sites:
        frames = f"{LEVEL}_{site_name}"
        axes[f"{site_name}.frame_query"] = {0: "batch", 1: frames}
        for type_name, kind in types:
            parts = {
                "one": {"value": {}},
                "local": {"key": {1: frames}, "value": {1: frames}, "bias": {1: frames}},
                "several": {"key": {2: TOKENS}, "value": {2: TOKENS}, "bias": {3: TOKENS}},
            }[kind]
            axes |= {f"{site_name}.{type_name}.{part}": {0: "batch", **free} for part, free in parts.items()}
    return axes


def _read_by_evaluations(condition: CrossUNetCondition) -> list[tuple[str, SiteCondition]]:
    """Its sites but for the one that was read when it was completed."""
    return [(name, site) for name, site in condition.sites.items() if name != FRAME_SITE]


def _kind(keys: TypeKeys) -> str:
    return "local" if keys.local else "one" if keys.single else "several"
