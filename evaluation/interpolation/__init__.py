"""How well two styles are interpolated: the comparison table of docs/interpolation.md."""
