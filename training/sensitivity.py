"""Is the style pathway alive? How far the decoder's output moves when one type's keys are swapped, site by site."""

from __future__ import annotations

from dataclasses import fields, replace

import torch

from data.batching import Batch
from model.cond_grad_tts import CondGradTTS, crop
from model.estimators.cross_unet import CrossUNetCondition
from model.style import TypedTokens
from model.style_attention import SiteCondition, TypeKeys
from training.style_batch import style_of_batch

_NOISE = 1.0  # noise level, as a multiple of residual_std


@torch.no_grad()
def style_sensitivity(model: CondGradTTS, batch: Batch, crop_frames: int, seed: int) -> dict[str, float]:
    """Relative change |F' - F| / |F| of the network's output when items of a batch trade their styles.

    Keys "site/type": only that site's keys of the type are traded. Keys "all/type": every site's and the pictures.
    A type that never moves the output is dead.
    """
    generator = torch.Generator().manual_seed(seed)
    style = style_of_batch(model, batch)
    _, frames, mel = model.aligned(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths, style, batch.token_spans)
    frames, mel = crop(frames, mel, crop_frames, generator)
    estimator = model.decoder.estimator
    encoded = model.tokens(style, len(batch.ids))
    condition = model.condition(frames, encoded)
    std = model.params.diffusion.residual_std
    noise = torch.randn(mel.shape, generator=generator).to(mel)
    x = (mel - frames.mu + _NOISE * std * noise) / (std * (1 + _NOISE**2) ** 0.5)
    t = x.new_full((len(x),), _NOISE * std).log()
    base = estimator(x, t, estimator.completed(condition))

    def change(other: CrossUNetCondition) -> float:
        return float((estimator(x, t, estimator.completed(other)) - base).norm() / base.norm().clamp(min=1e-8))

    result = {}
    for name in estimator.attention_sites():
        site = condition.sites[name]
        for type_name in site.keys:
            keys = {**site.keys, type_name: _rolled(site.keys[type_name])}
            sites = {**condition.sites, name: SiteCondition(keys, site.frame_query)}
            result[f"{name}/{type_name}"] = change(replace(condition, sites=sites))
    for type_name in encoded.types:
        tokens = encoded.types[type_name]
        traded = TypedTokens(*(getattr(tokens, field.name).roll(1, 0) for field in fields(tokens)))
        other = replace(encoded, types={**encoded.types, type_name: traded})
        result[f"all/{type_name}"] = change(model.condition(frames, other))
    return result


def _rolled(keys: TypeKeys) -> TypeKeys:
    return TypeKeys(keys.key.roll(1, 0), keys.value.roll(1, 0), keys.bias.roll(1, 0))
