"""Measures speech: pitch, energy, speaker, words, naturalness; intervals and comparisons; a page to look at.

Each file is one family of metrics and can be called by itself; `evaluation.measure` puts them together for a run.
"""
