"""Prosodic styles and borrowed F0 for the generated corpus: what is done to Kokoro's own durations, F0 and energy.

The styles are prosodic, not acted: the words for emotions name a register, a range, a rate and a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.corpora.kokoro_engine import Prosody


@dataclass(frozen=True)
class ProsodicStyle:
    f0_scale: float = 1.0  # of the median
    f0_range: float = 1.0  # of the excursions about it, in log F0
    speed: float = 1.0
    energy: float = 0.0  # added, in Kokoro's log-like unit


STYLES = {
    "neutral": ProsodicStyle(),
    "happy": ProsodicStyle(1.18, 1.5, 1.12, 0.4),
    "sad": ProsodicStyle(0.9, 0.55, 0.82, -0.6),
    "angry": ProsodicStyle(1.08, 1.35, 1.15, 0.9),
    "calm": ProsodicStyle(0.95, 0.75, 0.9, -0.3),
}
_F0_LIMITS = (62.0, 480.0)  # Hz; what the mel's F0 analysis covers


def apply_style(prosody: Prosody, style: ProsodicStyle) -> Prosody:
    """Scale F0 about its median and shift energy; the speed has already acted on the durations."""
    voiced = prosody.voiced
    f0 = prosody.f0.copy()
    if voiced.any():
        log_f0 = np.log(f0[voiced])
        median = np.median(log_f0)
        scaled = median + style.f0_range * (log_f0 - median) + np.log(style.f0_scale)
        f0[voiced] = np.clip(np.exp(scaled), *_F0_LIMITS)
    return Prosody(prosody.durations, f0, prosody.energy + style.energy)


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
    # Time is mapped piecewise linearly, from each character's span in the target to its span in the donor.
    target_edges = 2 * np.concatenate([[0.0], np.cumsum(target.durations)])
    donor_edges = 2 * np.concatenate([[0.0], np.cumsum(donor.durations)])
    at_donor = np.interp(np.arange(len(target.f0)) + 0.5, target_edges, donor_edges)
    carried = np.exp(np.interp(at_donor, positions, contour))
    f0 = np.where(target.voiced, np.clip(carried, *_F0_LIMITS), target.f0)
    return Prosody(target.durations, f0, target.energy)
