"""One run under both pitches, each in its own cells."""

from __future__ import annotations

from dataclasses import dataclass

from model.interpolation.pitch_transfer import PitchTransfer


@dataclass(frozen=True)
class SameTime(PitchTransfer):
    """One run in which the pitch type's attention and picture are a's inside the mask and b's outside."""
