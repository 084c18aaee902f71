"""What the benchmarks say of a vocoder's quality, and the lists that they have spoken."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import vocoders
from params import Audio
from speed.outcome import Settings
from speed.speech import _held_out

from .tiny_synthesiser import tiny_vocoder


@pytest.fixture
def settings(tmp_path):
    return Settings("checkpts/default.pt", "", (), "", None, threads=1, repeats=1, quick=True, out=tmp_path)


def test_a_vocoder_beside_itself_differs_in_nothing():
    generator, audio = tiny_vocoder(), Audio()
    mel = torch.randn(1, audio.n_mels, 40, generator=torch.Generator().manual_seed(0))
    same = vocoders.Sides(generator, generator, "fp32")
    universal, other = same(mel)
    assert universal.shape == (40 * audio.hop_length,) and np.array_equal(universal, other)


def test_error_rates_are_over_all_words():
    rows = [
        {"mos_universal": 4.0, "mos": 3.0, "words": 10, "errors_universal": 1, "errors": 2},
        {"mos_universal": 4.0, "mos": 4.0, "words": 30, "errors_universal": 1, "errors": 6},
    ]
    means = vocoders.summary(rows)
    assert means == {"mos_universal": 4.0, "mos": 3.5, "wer_universal": 0.05, "wer": 0.2}


def test_what_could_not_be_measured_has_no_row():
    means = dict.fromkeys(vocoders.COLUMNS, 1.0) | {"wer": math.nan, "wer_universal": math.nan}
    rows = vocoders._quality_rows("2 recordings", means)
    assert [row.what.partition(": ")[2] for row in rows] == [
        "MOS below V1's",
        "F0 median off V1's",
        "speaker cosine to V1's",
    ]
    assert [row.verdict for row in rows] == ["goal", "missed", "goal"]


def test_more_texts_than_there_are_begin_again(settings):
    lines = _held_out(settings, 103).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 103 and lines[100:] == lines[:3] and len(set(lines)) == 100


def test_the_default_vocoder_says_what_v1_says(settings):
    outcome = vocoders.vocoder_quality(settings)
    means = outcome.data["held-out sentences"]
    assert means["snr_db"] > 15 and means["f0_semitones"] < 0.1
    assert "recordings" not in outcome.data and any("--recordings" in line for line in outcome.lines)
