"""Cross-attention from cells of the mel to style tokens: one attention for each type, one projection, one residual."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from model.local_window import local_window
from model.style import CONTOUR_TYPES, Style, TypedTokens, mix

POSITION_FEATURES = 16


@dataclass(frozen=True)
class TypeKeys:
    """Keys and values of one type at one site, made once per utterance; h heads of d channels.

    Contour types: key, value (B, T, h, W, d), the tokens near each frame, and bias (B, T, 1, 1, W).
    Other types: key, value (B, h, N, d) and bias (B, 1, 1, N).
    """

    key: Tensor
    value: Tensor
    bias: Tensor

    @property
    def local(self) -> bool:
        return self.key.dim() == 5

    @property
    def single(self) -> bool:
        """Whether there is one token, whose share of attention is 1 whatever the query."""
        return not self.local and self.key.shape[2] == 1


@dataclass(frozen=True)
class SiteCondition:
    """What one attention site reads: keys by type, and the frames' own part of the queries (B, T, types, h * d)."""

    keys: dict[str, TypeKeys]
    frame_query: Tensor


@dataclass
class AttentionBlend:
    """Blends a second style into every attention output, and can keep where attention goes.

    other: the condition of style b, prepared by the same estimator (the call's own condition is a's).
    weight: for each type, a's share w of every cell, (1 or B, F, T), or a scalar: the output is
        w attn(q, a) + (1 - w) attn(q, b). Types left out are b's alone (w = 0).
    keep_mass: fill `mass` with a's part of a joint softmax over both references' keys, each side's logits less the log
        of its number of keys, so that two equal references get 1/2 each; by (site, type), (B, F', T') in the site's
        own resolution, mean over heads.
    """

    other: object
    weight: dict[str, Tensor]
    keep_mass: bool = False
    mass: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    def share(self, name: str, rows: int, frames: int, like: Tensor) -> Tensor:
        """a's share of a type's cells at a site's resolution, (1 or B, rows, frames): the mean over each site cell.

        Raises ValueError if the field does not divide into the site's cells.
        """
        weight = self.weight.get(name)
        if weight is None:
            return like.new_zeros(1, 1, 1)
        weight = weight.to(like)
        if weight.dim() == 0:
            return weight.view(1, 1, 1)
        if weight.dim() != 3 or weight.shape[1] % rows or weight.shape[2] % frames:
            raise ValueError(f"the weight of {name} must be (1 or B, F, T) of the latent, not {tuple(weight.shape)}")
        return F.adaptive_avg_pool2d(weight[:, None], (rows, frames))[:, 0]


class StyleAttention(nn.Module):
    """One attention site of the estimator.

    channels: of the cells; heads, head_channels: of each type's attention; types: which token sets, by name;
    prior_width: initial width of the positional prior of the contour types, in tokens (learned).
    """

    def __init__(
        self,
        channels: int,
        token_channels: int,
        heads: int,
        head_channels: int,
        types: tuple[str, ...],
        prior_width: float,
    ) -> None:
        super().__init__()
        self.types = types
        self.heads = heads
        self.inner = heads * head_channels
        self.norm = nn.LayerNorm(channels)
        self.to_query = nn.Linear(channels, len(types) * self.inner)
        self.position_query = nn.Linear(POSITION_FEATURES, len(types) * self.inner, bias=False)
        self.to_key = nn.ModuleDict({name: nn.Linear(token_channels, self.inner) for name in types})
        self.to_value = nn.ModuleDict({name: nn.Linear(token_channels, self.inner) for name in types})
        self.position_key = nn.Linear(POSITION_FEATURES, self.inner, bias=False)
        self.log_prior_width = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(math.log(prior_width))) for name in types if name in CONTOUR_TYPES}
        )
        self.project = nn.Linear(len(types) * self.inner, channels)
        self.gate = nn.Parameter(torch.ones(1))

    def prepare(self, style: Style, frame_position: Tensor) -> SiteCondition:
        """frame_position (B, T) in [0, 1], at this site's resolution."""
        sets = {name: style.bundled() if name == "bundled" else style.types[name] for name in self.types}
        frame_query = self.position_query(position_features(frame_position))  # (B, T, types * h * d)
        return SiteCondition(
            keys={name: self._keys(name, tokens, frame_position) for name, tokens in sets.items()},
            frame_query=frame_query.unflatten(-1, (len(self.types), self.inner)),
        )

    def _keys(self, name: str, tokens: TypedTokens, frame_position: Tensor) -> TypeKeys:
        key = self.to_key[name](tokens.tokens) + self.position_key(position_features(tokens.positions))  # (B, N, h * d)
        value = self.to_value[name](tokens.tokens)
        if name in self.log_prior_width and key.shape[1] > 1:
            window = local_window(tokens, frame_position)
            return TypeKeys(
                key=self._heads(window.gather(key)),
                value=self._heads(window.gather(value)),
                bias=window.bias(self.log_prior_width[name].exp())[:, :, None, None],
            )
        absent = torch.where(tokens.mask, 0.0, -1e4).to(key.dtype)
        return TypeKeys(self._heads(key), self._heads(value), absent[:, None, None])

    def _heads(self, x: Tensor) -> Tensor:
        """(B, ..., N, h * d) -> (B, ..., h, N, d)."""
        return rearrange(x, "... n (h d) -> ... h n d", h=self.heads)

    def forward(
        self,
        x: Tensor,
        site: SiteCondition,
        blend: AttentionBlend | None = None,
        other: SiteCondition | None = None,
        name: str = "",
    ) -> Tensor:
        """x (B, C, F, T) -> (B, C, F, T): x + gate * projection of all types' attention outputs.

        blend, other: a second style and its keys at this site; name: of this site, for `blend.mass`.
        """
        cells = self.norm(rearrange(x, "b c f t -> b f t c"))
        projected = self.project.bias.to(cells.dtype)
        for index, type_name in enumerate(self.types):
            columns = slice(index * self.inner, (index + 1) * self.inner)
            keys = site.keys[type_name]
            query = None
            if not keys.single or blend is not None:
                query = F.linear(cells, self.to_query.weight[columns], self.to_query.bias[columns])
                query = query + site.frame_query[:, None, :, index]  # (B, F, T, h * d)
            output = self._attend(query, keys)
            if blend is not None:
                output = self._blended(query, output, keys, other.keys[type_name], blend, type_name, name)
            # The parts of one projection of the concatenated outputs, so that constant ones stay small.
            projected = projected + F.linear(output, self.project.weight[:, columns])
        return x + rearrange(self.gate.to(projected.dtype) * projected, "b f t c -> b c f t")

    def _attend(self, query: Tensor | None, keys: TypeKeys) -> Tensor:
        """query (B, F, T, h * d) -> (B, F, T, h * d), or (B, 1, 1, h * d) for a single token."""
        if keys.single:
            return rearrange(keys.value, "b h n d -> b 1 n (h d)")
        key, value, bias = (tensor.to(query.dtype) for tensor in (keys.key, keys.value, keys.bias))
        q = self._query_heads(query, keys)
        # Few keys, of which the local ones have a learned bias: written out, which is faster than fused attention, and
        # with the many cells innermost, since a softmax over the innermost few is slow.
        logits = key / math.sqrt(q.shape[-1]) @ q.transpose(-1, -2) + bias.transpose(-1, -2)
        weights = logits.softmax(-2)  # (B, T, h, W, F), or (B, h, N, F * T)
        output = weights.transpose(-1, -2) @ value  # (B, T, h, F, d), or (B, h, F * T, d)
        pattern = "b t h f d -> b f t (h d)" if keys.local else "b h (f t) d -> b f t (h d)"
        return rearrange(output, pattern, f=query.shape[1])

    def _query_heads(self, query: Tensor, keys: TypeKeys) -> Tensor:
        """(B, F, T, h * d) -> (B, T, h, F, d) for local keys, else (B, h, F * T, d)."""
        pattern = "b f t (h d) -> b t h f d" if keys.local else "b f t (h d) -> b h (f t) d"
        return rearrange(query, pattern, h=self.heads)

    def _blended(
        self,
        query: Tensor,
        output_a: Tensor,
        keys_a: TypeKeys,
        keys_b: TypeKeys,
        blend: AttentionBlend,
        type_name: str,
        site_name: str,
    ) -> Tensor:
        rows, frames = query.shape[1:3]
        if blend.keep_mass:
            blend.mass[site_name, type_name] = self._joint_mass(query, keys_a, keys_b)
        output_b = self._attend(query, keys_b)
        if type_name not in blend.weight:  # a single token's output stays one row: a plain run's, to the bit
            return output_b
        share = blend.share(type_name, rows, frames, query)[..., None]  # (1 or B, F, T, 1)
        return mix(output_a, output_b, share)

    def _joint_mass(self, query: Tensor, keys_a: TypeKeys, keys_b: TypeKeys) -> Tensor:
        """a's part of one softmax over both references' keys, (B, F, T), mean over heads; 1/2 when the two are equal.

        A softmax row sums to 1, so the mass on *all* keys of a single reference is constant; here b competes.
        """
        evidence_a, evidence_b = (self._evidence(query, keys) for keys in (keys_a, keys_b))
        return torch.sigmoid(evidence_a - evidence_b).mean(-1)

    def _evidence(self, query: Tensor, keys: TypeKeys) -> Tensor:
        """Log of the mean exponential logit over the keys, (B, F, T, h)."""
        q = self._query_heads(query, keys)
        logits = q @ keys.key.to(q.dtype).transpose(-1, -2) / math.sqrt(q.shape[-1]) + keys.bias.to(q.dtype)
        count = (keys.bias > -1e3).sum(-1).clamp(min=1).to(q.dtype)
        evidence = logits.logsumexp(-1) - count.log()  # (B, T, h, F), or (B, h, F * T)
        if keys.local:
            return rearrange(evidence, "b t h f -> b f t h")
        return rearrange(evidence, "b h (f t) -> b f t h", f=query.shape[1])


def position_features(position: Tensor) -> Tensor:
    """Sinusoids (..., POSITION_FEATURES) of positions in [0, 1], from half a turn to 64 turns of the utterance."""
    turns = 2.0 ** torch.arange(-1, POSITION_FEATURES // 2 - 1, device=position.device, dtype=position.dtype)
    angle = 2 * math.pi * position[..., None] * turns
    return torch.cat([angle.sin(), angle.cos()], -1)
