"""What one unit is in the natural logarithms that mels, energies and F0 are in."""

from __future__ import annotations

import math

AMPLITUDE_FLOOR = 1e-5  # of a mel band, before the logarithm
SILENCE = math.log(AMPLITUDE_FLOOR)  # no mel is lower
DECIBEL = math.log(10) / 20  # of an amplitude
SEMITONE = math.log(2) / 12  # of a frequency
