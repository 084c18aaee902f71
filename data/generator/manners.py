"""Manners of speaking for the generated corpus: what is done to Kokoro's own durations, F0 and energy.

A manner is continuous: how high, how lively, how fast, how loud, how dynamic. The named styles are points in it; they
are prosodic, not acted: the words for emotions name a register, a range, a rate and a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.generator.engine import Prosody


@dataclass(frozen=True)
class Manner:
    f0_scale: float = 1.0  # of the median
    f0_range: float = 1.0  # of the excursions about it, in log F0
    speed: float = 1.0
    energy: float = 0.0  # added, in Kokoro's log-like unit
    dynamics: float = 1.0  # of the energy's excursions about its mean where something is voiced


STYLES = {
    "neutral": Manner(),
    "happy": Manner(1.18, 1.5, 1.12, 0.4),
    "sad": Manner(0.9, 0.55, 0.82, -0.6),
    "angry": Manner(1.08, 1.35, 1.15, 0.9),
    "calm": Manner(0.95, 0.75, 0.9, -0.3),
}
VARIED = "varied"  # the name of every manner that is no named style
F0_LIMITS = (62.0, 480.0)  # Hz; what the mel's F0 analysis covers


def draw_manner(*seed: int) -> Manner:
    """The manner that the seed decides, from the whole space about the named ones."""
    rng = np.random.default_rng(seed)
    return Manner(
        f0_scale=float(2 ** (rng.triangular(-5, 0, 5) / 12)),
        f0_range=float(np.exp(rng.uniform(np.log(0.45), np.log(1.8)))),
        speed=float(np.exp(rng.uniform(np.log(0.74), np.log(1.3)))),
        energy=float(rng.uniform(-0.9, 1.0)),
        dynamics=float(np.exp(rng.uniform(np.log(0.75), np.log(1.35)))),
    )


def apply_manner(prosody: Prosody, manner: Manner) -> Prosody:
    """Scale F0 about its median, shift and scale energy; the speed has already acted on the durations."""
    voiced = prosody.voiced
    f0, energy = prosody.f0.copy(), prosody.energy
    if voiced.any():
        log_f0 = np.log(f0[voiced])
        median = np.median(log_f0)
        scaled = median + manner.f0_range * (log_f0 - median) + np.log(manner.f0_scale)
        f0[voiced] = np.clip(np.exp(scaled), *F0_LIMITS)
        energy = energy + (manner.dynamics - 1) * (energy - energy[voiced].mean())
    return Prosody(prosody.durations, f0, energy + manner.energy)


def with_f0_of(target: Prosody, donor: Prosody) -> Prosody:
    """The target with the donor's F0 contour, carried character by character; voicing stays the target's own.

    Both speak the same characters. The donor's F0 is interpolated across its unvoiced stretches in log F0 first.
    Raises ValueError when the two have different numbers of characters or the donor has no voiced value.
    """
    if len(target.durations) != len(donor.durations):
        raise ValueError(f"{len(target.durations)} characters cannot take the F0 of {len(donor.durations)}")
    if not donor.voiced.any():
        raise ValueError("the donor has no voiced frame")
    positions = np.arange(len(donor.f0)) + 0.5
    contour = np.interp(positions, positions[donor.voiced], np.log(donor.f0[donor.voiced]))
    at_donor = _places(target.durations, donor.durations, len(target.f0))
    carried = np.exp(np.interp(at_donor, positions, contour))
    f0 = np.where(target.voiced, np.clip(carried, *F0_LIMITS), target.f0)
    return Prosody(target.durations, f0, target.energy)


def stretched(prosody: Prosody, factor: float) -> Prosody:
    """The same prosody with durations `factor` times as long, in whole frames, F0 and energy character by character.

    The running sum is rounded, so the whole errs by half a frame; no character loses its last frame.
    """
    ends = np.round(np.cumsum(prosody.durations, dtype=np.float64) * factor)
    durations = np.maximum(np.diff(ends, prepend=0.0), prosody.durations > 0).astype(prosody.durations.dtype)
    size = 2 * int(durations.sum())
    place = _places(durations, prosody.durations, size)
    nearest = np.clip(np.floor(place).astype(int), 0, len(prosody.f0) - 1)
    positions = np.arange(len(prosody.f0)) + 0.5
    f0, voiced = prosody.f0[nearest], prosody.voiced[nearest]
    if voiced.any():
        contour = np.interp(positions, positions[prosody.voiced], np.log(prosody.f0[prosody.voiced]))
        f0 = np.where(voiced, np.exp(np.interp(place, positions, contour)), f0)
    return Prosody(durations, f0.astype(prosody.f0.dtype), np.interp(place, positions, prosody.energy))


def _places(durations: np.ndarray, others: np.ndarray, size: int) -> np.ndarray:
    """Where the `size` values of a contour lie in one with other durations of the same characters.

    Time is mapped piecewise linearly, from each character's span to its span there. Both have two values a frame.
    """
    edges = 2 * np.concatenate([[0.0], np.cumsum(durations)])
    other_edges = 2 * np.concatenate([[0.0], np.cumsum(others)])
    return np.interp(np.arange(size) + 0.5, edges, other_edges)
