"""Style as typed tokens: what cross-attention reads, one set for each type.

Pitch and energy come from contours, timbre from a reference mel, speaker and emotion from labels or embeddings. Every
type can be unknown, for all items or for some; a learned null token stands in for it then.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.manner import MANNER
from model.randomness import drawn
from params import Style as StyleParams

TYPES = ("pitch", "energy", "timbre", "speaker", "emotion")
CONTOUR_TYPES = ("pitch", "energy")  # their tokens have places in time, and a positional prior
LOG_F0_CENTRE = 5.1  # log of 164 Hz
LOG_F0_SCALE = 0.4


@dataclass(frozen=True)
class StyleSource:
    """What a style is made from. A field left None is unknown for the whole batch.

    speaker, emotion: ids (B,) long, or vectors (B, width) when the model was built for them: voices and manners
        (`model.hearing`), or external embeddings.
    log_f0: (B, T) natural log of Hz, any finite value where unvoiced. voicing: (B, T) in [0, 1].
    energy: (B, T) as `data.mel`, normalised by the model's corpus statistics. energy_predicted: (B,) bool, whether it
        is a prediction, which says less than a measured one; None: none is.
    contour_lengths: (B,) frames of the contours.
    reference_mel: (B, n_mels, R), normalised like the model's mels; reference_lengths: (B,).
    known: for a type, (B,) bool: False drops the type for that item.
    """

    speaker: Tensor | None = None
    emotion: Tensor | None = None
    log_f0: Tensor | None = None
    voicing: Tensor | None = None
    energy: Tensor | None = None
    energy_predicted: Tensor | None = None
    contour_lengths: Tensor | None = None
    reference_mel: Tensor | None = None
    reference_lengths: Tensor | None = None
    known: dict[str, Tensor] | None = None

    def beside_nothing(self, batch_size: int) -> StyleSource:
        """2 B items: the B as they are, then the same with every type unknown, as guidance needs them."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "known"}
        doubled = {name: None if value is None else torch.cat([value, value]) for name, value in tensors.items()}
        device = next((value.device for value in tensors.values() if value is not None), None)
        everyone = torch.ones(batch_size, dtype=torch.bool, device=device)
        known = {**dict.fromkeys(TYPES, everyone), **(self.known or {})}
        return StyleSource(**doubled, known={name: torch.cat([kept, ~everyone]) for name, kept in known.items()})


@dataclass(frozen=True)
class TypedTokens:
    """Tokens of one type.

    tokens (B, N, D); positions (B, N) in [0, 1] of their own utterance; mask (B, N) bool, True where a token is;
    known (B,) bool; values (B, N, V): what they stand for: voicing * log F0 and voicing, or energy; V is 0 elsewhere.
    """

    tokens: Tensor
    positions: Tensor
    mask: Tensor
    known: Tensor
    values: Tensor


@dataclass(frozen=True)
class Style:
    """All types of a batch of utterances."""

    types: dict[str, TypedTokens]

    @classmethod
    def of_speaker(cls, embedding: Tensor | None) -> Style:
        """A speaker's embedding (B, D) alone, or nothing."""
        return cls({} if embedding is None else {"speaker": _one_token(embedding)})

    def bundled(self) -> TypedTokens:
        """All types as one set of tokens: the one-attention baseline."""
        parts = list(self.types.values())
        tokens = torch.cat([part.tokens for part in parts], 1)
        return TypedTokens(
            tokens=tokens,
            positions=torch.cat([part.positions for part in parts], 1),
            mask=torch.cat([part.mask for part in parts], 1),
            known=torch.stack([part.known for part in parts]).any(0),
            values=tokens[..., :0],
        )


class StyleEncoder(nn.Module):
    """Turns a `StyleSource` into typed tokens.

    speakers, emotions: sizes of the tables; not used where the parameters ask for vectors.
    """

    def __init__(self, params: StyleParams, n_mels: int, speakers: int, emotions: int) -> None:
        super().__init__()
        width = params.token_channels
        self.contour_frames = params.contour_frames
        self.null = nn.ParameterDict({name: nn.Parameter(torch.empty(width)) for name in TYPES})
        for null in self.null.values():
            nn.init.normal_(null, std=0.1)
        self.pitch = _ContourTokens(3, width)
        self.energy = _ContourTokens(1, width)
        self.timbre = TimbreEncoder(n_mels, params.timbre_bottleneck, width, params.timbre_frames)
        speaker_width, emotion_width = label_widths(params)
        self.speaker = _label_embedding(speakers, speaker_width, width)
        self.emotion = _label_embedding(emotions, emotion_width, width)
        # What a predicted energy's tokens have besides.
        self.energy_guess = nn.Parameter(torch.zeros(width)) if params.voice_channels else None

    def forward(self, source: StyleSource, batch_size: int) -> Style:
        """Typed tokens of the source; types that it leaves out are null tokens."""
        types = {name: self._encode(name, source) for name in TYPES}
        for name, encoded in types.items():
            if encoded is None:
                types[name] = self._null(name, batch_size)
            elif source.known is not None and name in source.known:
                types[name] = self._drop(name, encoded, source.known[name])
        return Style(types)

    def _encode(self, name: str, source: StyleSource) -> TypedTokens | None:
        if name == "pitch" and source.log_f0 is not None:
            return self._encode_pitch(source)
        if name == "energy" and source.energy is not None:
            values, positions, mask = pool_contour(
                source.energy[..., None], _valid(source.energy, source.contour_lengths), self.contour_frames
            )
            tokens = self.energy(values, mask)  # (B, N, D)
            if self.energy_guess is not None and source.energy_predicted is not None:
                tokens = tokens + source.energy_predicted[:, None, None] * self.energy_guess
            return _typed(tokens, positions, mask, values)
        if name == "timbre" and source.reference_mel is not None:
            return _typed(*self.timbre(source.reference_mel, source.reference_lengths))
        if name == "speaker" and source.speaker is not None:
            return _one_token(self.speaker(source.speaker))
        if name == "emotion" and source.emotion is not None:
            return _one_token(self.emotion(source.emotion))
        return None

    def _encode_pitch(self, source: StyleSource) -> TypedTokens:
        valid = _valid(source.log_f0, source.contour_lengths)
        voicing = source.voicing * valid
        stacked = torch.stack([source.log_f0 * voicing, voicing], -1)  # (B, T, 2)
        pooled, positions, mask = pool_contour(stacked, valid, self.contour_frames)
        weighted, voiced = pooled.unbind(-1)  # (B, N)
        # Means over the voiced frames of a token; where there are none, the value has no weight anywhere.
        log_f0 = torch.where(voiced > 0, weighted / voiced.clamp(min=1e-4), LOG_F0_CENTRE)
        centre = (log_f0 * voiced).sum(1, keepdim=True) / voiced.sum(1, keepdim=True).clamp(min=1e-4)  # (B, 1)
        features = torch.stack(
            [voiced * (log_f0 - LOG_F0_CENTRE) / LOG_F0_SCALE, voiced * (log_f0 - centre) / LOG_F0_SCALE, voiced], -1
        )  # (B, N, 3)
        return _typed(self.pitch(features, mask), positions, mask, torch.stack([voiced * log_f0, voiced], -1))

    def _null(self, name: str, batch_size: int) -> TypedTokens:
        null = self.null[name]
        size = {"pitch": 2, "energy": 1}.get(name, 0)
        return TypedTokens(
            tokens=null.expand(batch_size, 1, -1),
            positions=null.new_full((batch_size, 1), 0.5),
            mask=torch.ones(batch_size, 1, dtype=torch.bool, device=null.device),
            known=torch.zeros(batch_size, dtype=torch.bool, device=null.device),
            values=null.new_zeros(batch_size, 1, size),
        )

    def _drop(self, name: str, encoded: TypedTokens, known: Tensor) -> TypedTokens:
        """The tokens, with one null token instead in the items whose type is not known (B,)."""
        first = torch.arange(encoded.mask.shape[1], device=known.device) == 0  # (N,)
        null = self.null[name].to(encoded.tokens.dtype)
        return TypedTokens(
            tokens=torch.where(known[:, None, None], encoded.tokens, null),
            positions=torch.where(known[:, None], encoded.positions, 0.5),
            mask=torch.where(known[:, None], encoded.mask, first),
            known=known,
            values=torch.where(known[:, None, None], encoded.values, 0.0),
        )


class TimbreEncoder(nn.Module):
    """Convolutions over a reference mel with a narrow bottleneck, about `frames` frames a token."""

    def __init__(self, n_mels: int, bottleneck: int, width: int, frames: int) -> None:
        super().__init__()
        halvings = frames.bit_length() - 1
        if frames != 2**halvings:
            raise ValueError(f"timbre_frames must be a power of two, not {frames}")
        channels = [n_mels] + [width] * halvings
        self.convs = nn.ModuleList(
            nn.Conv1d(before, after, 5, stride=2, padding=2) for before, after in pairwise(channels)
        )
        self.bottleneck = nn.Conv1d(width, bottleneck, 1)
        self.expand = nn.Linear(bottleneck, width)

    def forward(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """mel (B, n_mels, R), lengths (B,) -> tokens (B, N, D), positions (B, N), mask (B, N) bool."""
        mask = _valid(mel[:, 0], lengths)  # (B, R)
        hidden = mel * mask[:, None]
        for conv in self.convs:
            mask = mask[:, ::2]
            hidden = F.silu(conv(hidden)) * mask[:, None]  # (B, D, R / 2)
        tokens = self.expand(self.bottleneck(hidden).transpose(1, 2))  # (B, N, D)
        counts = mask.sum(1, keepdim=True).clamp(min=1)  # (B, 1)
        positions = (torch.arange(mask.shape[1], device=mel.device) + 0.5) / counts
        return tokens, positions, mask > 0


class _ContourTokens(nn.Module):
    """Contour values to tokens, with a little of their neighbourhood."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.inner = nn.Conv1d(features, width, 3, padding=1)
        self.outer = nn.Linear(width, width)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, N, features), (B, N) bool -> (B, N, D)."""
        hidden = self.inner((features * mask[..., None]).transpose(1, 2)).transpose(1, 2)
        return self.outer(F.silu(hidden))


def pool_contour(values: Tensor, valid: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of `frames` frames at a time, over the valid ones.

    values (B, T, V), valid (B, T) -> means (B, N, V), positions (B, N) of the tokens' centres in [0, 1] of the
    utterance, mask (B, N) bool; N = ceil(T / frames).
    """
    batch, length, width = values.shape
    pad = -length % frames
    values = F.pad(values * valid[..., None], (0, 0, 0, pad)).view(batch, -1, frames, width)  # (B, N, frames, V)
    counts = F.pad(valid, (0, pad)).view(batch, -1, frames).sum(-1)  # (B, N)
    means = values.sum(2) / counts.clamp(min=1)[..., None]
    lengths = valid.sum(1, keepdim=True).clamp(min=1)  # (B, 1)
    starts = torch.arange(means.shape[1], device=values.device) * frames
    positions = (starts + counts / 2) / lengths
    return means, positions, counts > 0


def _valid(frames: Tensor, lengths: Tensor) -> Tensor:
    """(B, T) of 1 within an item's length and 0 past it, in the dtype of the frames."""
    return (torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]).to(frames.dtype)


def _typed(tokens: Tensor, positions: Tensor, mask: Tensor, values: Tensor | None = None) -> TypedTokens:
    known = torch.ones(len(tokens), dtype=torch.bool, device=tokens.device)
    return TypedTokens(tokens, positions, mask, known, tokens[..., :0] if values is None else values)


def _one_token(embedding: Tensor) -> TypedTokens:
    """(B, D) -> one token in the middle of the utterance."""
    tokens = embedding[:, None]
    dtype = torch.promote_types(tokens.dtype, torch.float32)  # positions stay exact under autocast
    positions = torch.full(tokens.shape[:2], 0.5, dtype=dtype, device=tokens.device)
    return _typed(tokens, positions, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device))


def label_widths(params: StyleParams) -> tuple[int, int]:
    """Numbers in a speaker's and in an emotion's vector; 0: they are ids."""
    if params.voice_channels:
        return params.voice_channels, len(MANNER)
    return params.speaker_embedding_dim, params.emotion_embedding_dim


def _label_embedding(count: int, vector_width: int, width: int) -> nn.Module:
    return nn.Linear(vector_width, width) if vector_width else nn.Embedding(count, width)


def draw_known_types(
    params: StyleParams, batch_size: int, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Which types each item of a training batch keeps, (B,) bool by type.

    Each is dropped by itself; besides, both contours together (as when no reference is given), and everything (what
    guidance moves away from).
    """

    def drop(share: float) -> Tensor:
        return drawn(lambda shape: torch.rand(*shape, generator=generator), (batch_size,)) < share

    everything = drop(params.drop_all_probability)
    contours = drop(params.drop_contours_probability)
    known = {}
    for name in TYPES:
        dropped = drop(params.drop_probability) | everything
        known[name] = ~(dropped | contours) if name in CONTOUR_TYPES else ~dropped
    return known


def mix(a: Tensor, b: Tensor, share: Tensor | float) -> Tensor:
    """share a + (1 - share) b; where the two are equal, exactly that."""
    return torch.where(a == b, a, share * a + (1 - share) * b)
