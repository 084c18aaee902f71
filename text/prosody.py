"""What can be asked of how a stretch of text is spoken."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from common.errors import InputError

# The bounds keep nonsense out; what is useful lies well within them.
BOUNDS = {"pitch": (-24.0, 24.0), "range": (0.0, 4.0), "rate": (0.25, 4.0), "volume": (-96.0, 20.0)}
UNITS = {"pitch": " semitones", "range": "", "rate": "", "volume": " dB"}


@dataclass(frozen=True)
class Prosody:
    """Changes against what the style would do by itself; the defaults change nothing.

    pitch: semitones up. range: factor of the distances, in semitones, from the utterance's median. rate: factor of the
    speed, so durations are divided by it. volume: dB up.

    Raises InputError for a value out of `BOUNDS`.
    """

    pitch: float = 0.0
    range: float = 1.0
    rate: float = 1.0
    volume: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            low, high = BOUNDS[name]
            if not low <= value <= high:
                raise InputError(f"{name} must be from {low:g} to {high:g}{UNITS[name]}, not {value:g}")

    def then(self, inner: Prosody) -> Prosody:
        """Both at once: pitch and volume add up, range and rate multiply."""
        return Prosody(
            self.pitch + inner.pitch,
            self.range * inner.range,
            self.rate * inner.rate,
            self.volume + inner.volume,
        )


NEUTRAL = Prosody()
