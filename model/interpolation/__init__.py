"""Two styles in one utterance: blended evenly, over time, or over frequency. See docs/interpolation.md."""

from __future__ import annotations

from model.interpolation.interpolated import Interpolated
from model.interpolation.official import interpolate_official
from model.interpolation.run import interpolate_frequency, interpolate_linear, interpolate_temporal
from model.interpolation.settings import Frequency, Linear, Temporal

__all__ = [
    "Frequency",
    "Interpolated",
    "Linear",
    "Temporal",
    "interpolate_frequency",
    "interpolate_linear",
    "interpolate_official",
    "interpolate_temporal",
]
