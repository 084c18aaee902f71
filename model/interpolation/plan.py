"""From two readings of a text to a mel between them: what is decoded, and how it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.contour import carry_by_position
from model.denoiser import Denoiser
from model.interpolation.carry import (
    carry_by_tokens,
    constant_over_rows,
    hold_past_end,
    source_places,
    spread_over_frames,
)
from model.interpolation.kind import Kind
from model.interpolation.latent_tuner import TuningRecord
from model.interpolation.pitch_mask import PitchMask, union
from model.interpolation.pitch_reading import ReadField
from model.sampling import find_sampler
from model.style import StyleSource, mix
from model.text_to_mel import Blend, Frames, Sampling, Synthesis, TextToMel

_SHARE_OF_A = {"a": 1.0, "b": 0.0, "mean": 0.5}


@dataclass(frozen=True)
class Measured:
    """What a reading sounds like alone, at its own frames.

    durations (S,) in frames. Each (T,): log_f0, natural log of Hz, filled across unvoiced frames; voicing, 0 or 1;
    energy as `data.mel` has it. formants: frequency and bandwidth (4, T) in Hz, 0 where unknown, measured when
    they are asked for.
    """

    durations: Tensor
    log_f0: Tensor
    voicing: Tensor
    energy: Tensor
    formants: Callable[[], tuple[np.ndarray, np.ndarray]]

    def carried(self, contour: Tensor, frames: Frames, carry: str = "phones") -> Tensor:
        """A contour (T,) at other frames of the same text, padded with zeros to their size."""
        length = int(frames.lengths[0])
        if carry == "linear":
            carried = carry_by_position(contour, length)
        else:
            carried = carry_by_tokens(contour, self.durations, frames.durations[0])
        return F.pad(carried, (0, frames.mask.shape[2] - length))

    def carried_voicing(self, frames: Frames) -> Tensor:
        return (self.carried(self.voicing, frames) > 0.5).to(self.voicing.dtype)

    def carried_formants(self, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        """Frequency and bandwidth (4, T) at other frames."""
        # Read, not interpolated: between a known and an unknown formant there is none.
        place = source_places(self.durations, frames.durations[0]).round().long().cpu().numpy()
        pad = ((0, 0), (0, frames.mask.shape[2] - len(place)))
        frequency, bandwidth = (np.pad(values[:, place], pad) for values in self.formants())
        return frequency, bandwidth


@dataclass(frozen=True)
class Reading:
    """One text in one style, or a piece of it: its tokens (`TextToMel.encode`, one item), the style, and how it sounds
    alone.

    measured: None where nothing is voiced, or the model reads no pitch. word_of: the word of each token of the whole
    text, -1 between words; () for a piece that is all of it, whose words are not asked for. first: of these tokens the
    piece's first.
    """

    text: Any
    style: StyleSource
    measured: Measured | None = None
    word_of: tuple[int, ...] = ()
    first: int = 0

    def __post_init__(self) -> None:
        if len(self.text.mu) != 1:
            raise ValueError(f"two styles are interpolated one text at a time, not {len(self.text.mu)}")

    @property
    def words(self) -> int:
        """Of the whole text."""
        return max(self.word_of, default=-1) + 1

    def word_start(self, word: int) -> float:
        """Where a word begins, as a share of the text's tokens."""
        return self.word_of.index(word) / len(self.word_of)

    def of_whole_text(self, by_token: Callable[[Tensor], Tensor]) -> Tensor:
        """The piece's part, (S,), of what a function says of all tokens of the text."""
        own = self.text.mu[0, 0]  # (S,)
        return by_token(own.new_zeros(len(self.word_of) or len(own)))[self.first : self.first + len(own)]

    def with_own_pitch(self, frames: Frames) -> StyleSource:
        """The style with the pitch that was heard, carried phone by phone; as it is where none was measured."""
        if self.measured is None:
            return self.style
        return replace(
            self.style,
            log_f0=self.measured.carried(self.measured.log_f0, frames)[None],
            voicing=self.measured.carried_voicing(frames)[None],
            contour_lengths=frames.lengths,
        )


@dataclass(frozen=True)
class Plan:
    """What is decoded: the text's frames, both styles over them, and a's share of every cell.

    weight: a's share by type, (1, n_mels, T) each; types left out are b's. mask: the cells (1, n_mels, T) that either
    pitch occupies, where a kind asks for them. What either says about frames past the end is not read.
    Raises ValueError for a size other than mu's.
    """

    frames: Frames
    style_a: StyleSource
    style_b: StyleSource
    weight: dict[str, Tensor]
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        weight = {name: self._held(share, "share") for name, share in self.weight.items()}
        object.__setattr__(self, "weight", weight)
        if self.mask is not None:
            object.__setattr__(self, "mask", self._held(self.mask, "pitch mask"))

    def _held(self, cells: Tensor, name: str) -> Tensor:
        mu = self.frames.mu
        if cells.shape != mu.shape:
            raise ValueError(f"the {name} must be {tuple(mu.shape)} like mu, not {tuple(cells.shape)}")
        return hold_past_end(cells.to(mu), int(self.frames.lengths[0]))

    @property
    def field(self) -> Tensor:
        """a's share of the pitch, (1, n_mels, T), where types are shared by name; else the mask, which is where it is
        sought. Of a model that reads all types as one, the share of that.
        """
        if self.mask is None:
            return next(iter(self.weight.values()))
        return self.weight.get("pitch", torch.zeros_like(self.mask)) if self.weight else self.mask

    def blended(self, model: TextToMel, keep_mass: bool = False) -> Denoiser:
        """One denoiser that reads both styles; keep_mass: and keeps where attention goes."""
        return model.denoiser(self.frames, self.style_a, Blend(self.style_b, self.weight, keep_mass))

    def apart(self, model: TextToMel) -> tuple[Denoiser, Denoiser]:
        """A denoiser for each style over the same frames."""
        return model.denoiser(self.frames, self.style_a), model.denoiser(self.frames, self.style_b)


def plan_over_time(model: TextToMel, a: Reading, b: Reading, share: Tensor, length_scale: float) -> Plan:
    """a's share (S,) of every token, in everything: durations (in their logarithms), mu, and all types and rows."""
    frames_a, frames_b = common_frames(model, a, b, share, length_scale)
    by_frame = spread_over_frames(share, frames_a.alignment[0], int(frames_a.lengths[0]))
    frames = _mix_frames(frames_a, frames_b, by_frame)
    if frames_a.level is not None and frames_b.level is not None:
        frames = model.at_own_level(frames)
    return Plan(
        frames=frames,
        style_a=model.complete(a.with_own_pitch(frames_a), frames_a),
        style_b=model.complete(b.with_own_pitch(frames_b), frames_b),
        weight=dict.fromkeys(model.types, constant_over_rows(by_frame, frames_a.mu.shape[1])),
    )


def plan_pitch(
    model: TextToMel,
    a: Reading,
    b: Reading,
    mask: str,
    carry: str,
    durations: str,
    length_scale: float,
    from_a: Collection[str] = ("pitch",),
) -> Plan:
    """The pitch of a on everything else of b: b's frames, both styles with their own pitch over them, and the mask.

    from_a: the types that come from a; with the speaker the frames are a's, and with the energy a's style has its own.
    The shares are left to the kind.

    Raises ValueError if one of the two has no pitch.
    """
    if a.measured is None or b.measured is None:
        raise ValueError("a plain run has no voiced frame, so there is no pitch to take; use another text or style")
    share = a.text.log_durations.new_full(a.text.mu.shape[-1:], _SHARE_OF_A[durations])
    frames_a, frames_b = common_frames(model, a, b, share, length_scale)
    frames, speaking = (frames_a, a.measured) if "speaker" in from_a else (frames_b, b.measured)
    whose = frames_a if "energy" in from_a else frames_b
    frames = replace(frames, level=whose.level, loudness=whose.loudness)
    voicing = speaking.carried_voicing(frames)
    style_b = replace(
        b.style,
        log_f0=b.measured.carried(b.measured.log_f0, frames)[None],
        voicing=voicing[None],
        energy=model.normalise_energy(b.measured.carried(b.measured.energy, frames))[None],
        contour_lengths=frames.lengths,
    )
    if carry == "attention":
        log_f0, voiced, lengths = a.measured.log_f0, a.measured.voicing, a.measured.durations.sum()[None]
        energy = a.measured.energy
    else:
        log_f0, voiced, lengths = a.measured.carried(a.measured.log_f0, frames, carry), voicing, frames.lengths
        energy = a.measured.carried(a.measured.energy, frames, carry)
    style_a = replace(a.style, log_f0=log_f0[None], voicing=voiced[None], contour_lengths=lengths)
    if "energy" in from_a:
        style_a = replace(style_a, energy=model.normalise_energy(energy)[None])
    cells = _pitch_cells(model, a.measured, b.measured, frames, voicing, mask, carry)
    return Plan(frames, *(model.complete(style, frames) for style in (style_a, style_b)), {}, cells)


def common_frames(
    model: TextToMel, a: Reading, b: Reading, share: Tensor, length_scale: float
) -> tuple[Frames, Frames]:
    """Both readings over the same durations: log-durations interpolated by a's share (S,) of each token."""
    share = share.to(a.text.log_durations)
    log_durations = mix(a.text.log_durations, b.text.log_durations, share)
    frames_a, frames_b = (
        model.levelled(model.spread(reading.text, length_scale, log_durations), reading.style) for reading in (a, b)
    )
    return frames_a, frames_b


def _mix_frames(a: Frames, b: Frames, by_frame: Tensor) -> Frames:
    """Two readings' frames over the same durations, with a's share (T,) of each frame."""
    names = ("mu", "content", "voicing", "log_f0", "energy", "loudness")
    both = {name: (getattr(a, name), getattr(b, name)) for name in names}
    share = by_frame.to(a.mu)
    mixed = {
        name: None if of_a is None or of_b is None else mix(of_a, of_b, share) for name, (of_a, of_b) in both.items()
    }
    return replace(a, level=None, **mixed)


def _pitch_cells(
    model: TextToMel, a: Measured, b: Measured, frames: Frames, voicing: Tensor, kind: str, carry: str
) -> Tensor:
    """The cells that either pitch occupies, (1, n_mels, T).

    kind: one of `MASKS`; every cell for "none".
    """
    if kind == "none":
        return torch.ones_like(frames.mu)
    masks = PitchMask(model.params.audio)
    parts = []
    for measured, way in ((a, "linear" if carry == "linear" else "phones"), (b, "phones")):
        f0 = (measured.carried(measured.log_f0, frames, way).exp() * voicing).cpu().numpy()
        if kind == "f0":
            parts.append(masks.f0(f0))
        elif kind == "harmonics":
            parts.append(masks.harmonics(f0))
        else:
            parts.append(masks.f0_and_formants(f0, *measured.carried_formants(frames)))
    return union(*parts)[None].to(frames.mu) * frames.mask


@dataclass(frozen=True)
class Interpolated:
    """A mel between two styles, and how it came about.

    mass: attention mass on a by (site, type), (1, F', T'), of the last evaluation, if it was kept. history: what a
    gradient method did. read: what the pitch reader said before every evaluation.
    """

    synthesis: Synthesis
    plan: Plan
    mass: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    history: list[TuningRecord] = field(default_factory=list)
    read: list[ReadField] = field(default_factory=list)

    @property
    def field(self) -> Tensor:
        """a's share of every cell, or the pitch mask, (1, n_mels, T)."""
        return self.plan.field


def interpolate(
    model: TextToMel,
    kind: Kind,
    a: Reading,
    b: Reading,
    sampling: Sampling,
    length_scale: float = 1.0,
) -> Interpolated:
    """Plan and carry out. Raises ValueError as `Kind.check` and `Kind.plan` do."""
    with torch.inference_mode(mode=False), torch.no_grad():
        kind.check(model, find_sampler(sampling.sampler))
        plan = kind.plan(model, a, b, length_scale)
    return carry_out(model, kind, plan, sampling)


# A hook may take gradients, and autograd can save nothing that was made in inference mode.
@torch.inference_mode(mode=False)
@torch.no_grad()
def carry_out(model: TextToMel, kind: Kind, plan: Plan, sampling: Sampling) -> Interpolated:
    """The mel of a plan."""
    denoiser, tune = kind.denoiser(model, plan)
    synthesis = model.sample(denoiser, plan.frames, sampling, tune)
    synthesis = replace(synthesis, nfe=synthesis.nfe + getattr(tune, "evaluations", 0))
    kept = {"history": getattr(tune, "history", []), "read": getattr(denoiser, "read", [])}
    return Interpolated(synthesis, plan, getattr(denoiser, "mass", {}), **kept)
