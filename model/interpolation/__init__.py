"""Two styles in one utterance: blended evenly, over time, or over frequency. See docs/interpolation.md."""

from __future__ import annotations

from model.interpolation.run import Interpolated, interpolate_frequency, interpolate_linear, interpolate_temporal
from model.interpolation.settings import Frequency, Linear, Temporal

__all__ = [
    "Frequency",
    "Interpolated",
    "Linear",
    "Temporal",
    "interpolate_frequency",
    "interpolate_linear",
    "interpolate_temporal",
]
