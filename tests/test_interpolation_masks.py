"""Pitch masks: a tone of known Hz at a known time, seen in the mel itself."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from data.mel import mel_spectrogram
from model.interpolation.pitch_mask import PitchMask, union
from model.style_attention import AttentionBlend
from params import Audio

AUDIO = Audio()
MASKS = PitchMask(AUDIO)
ROW_HZ = librosa.mel_frequencies(82, fmin=0, fmax=8000)[1:-1]
CONTOUR = np.concatenate([np.zeros(8), np.full(12, 220.0), np.zeros(16), np.full(4, 110.0), np.zeros(8)])  # 48 frames


def nearest_row(hz: float) -> int:
    return int(np.abs(ROW_HZ - hz).argmin())


def shown_by_the_mel(hz: float) -> np.ndarray:
    """(80,) amplitudes that a real tone leaves in the mel, relative to a tone at each row's own centre."""

    def amplitude(frequency: float) -> np.ndarray:
        tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(8192) / AUDIO.sample_rate)
        return np.exp(mel_spectrogram(tone.astype(np.float32), AUDIO)[:, 16])

    best = np.array([amplitude(centre)[row] for row, centre in enumerate(ROW_HZ)])
    return np.clip(amplitude(hz) / best, 0, 1)


@pytest.mark.parametrize("hz", [75.0, 137.0, 220.0, 431.0])
def test_the_mask_of_a_tone_is_what_its_mel_shows(hz: float) -> None:
    mask = MASKS.f0(np.full(3, hz)).numpy()
    assert mask.shape == (80, 3) and np.ptp(mask, axis=1).max() == 0
    # Side lobes are no part of the mask.
    np.testing.assert_allclose(mask[:, 0], shown_by_the_mel(hz), atol=0.03)
    assert abs(int(mask[:, 0].argmax()) - nearest_row(hz)) <= 1
    assert mask[:, 0].max() > 0.7


def test_a_tone_at_a_rows_centre_lights_that_row_fully() -> None:
    mask = MASKS.f0(ROW_HZ[2:12]).numpy()
    np.testing.assert_allclose(np.diagonal(mask[2:]), 1, atol=1e-6)
    assert (mask.argmax(0) == np.arange(2, 12)).all()


@pytest.mark.parametrize("kind", ["f0", "harmonics"])
def test_a_tone_at_a_known_time_lights_the_right_cells_at_every_level(kind: str) -> None:
    mask = getattr(MASKS, kind)(CONTOUR)
    assert mask.dtype == torch.float32 and mask.shape == (80, 48) and mask.min() >= 0 and mask.max() <= 1
    assert not mask[:, CONTOUR == 0].any()
    assert mask[:, CONTOUR > 0].sum(0).min() > 0.5
    blend = AttentionBlend(None, {"pitch": mask[None]})
    for level in range(3):
        pooled = blend.share("pitch", 80 >> level, 48 >> level, mask)[0]
        assert float(pooled.sum()) * 4**level == pytest.approx(float(mask.sum()), rel=1e-5)
        voiced = pooled.sum(0) > 0
        assert voiced.tolist() == [bool(CONTOUR[t << level] > 0) for t in range(48 >> level)]
        for start, end, hz in ((8, 20, 220.0), (36, 40, 110.0)):
            column = pooled[:, start >> level : end >> level]
            row = nearest_row(hz) >> level
            lowest = column[: (nearest_row(1.5 * hz) >> level) + 1]  # of harmonics, the first
            assert ((lowest.argmax(0) - row).abs() <= (level < 2)).all()
            if kind == "f0":
                assert (column.argmax(0) - row).abs().max() <= (level < 2)


def test_harmonics_reach_as_far_as_rows_resolve_them() -> None:
    """37 Hz a row below 1 kHz, more above: a harmonic counts where rows are at most half of F0 apart."""
    spacing = np.gradient(ROW_HZ)
    assert spacing[5] == pytest.approx(37.2, abs=0.2)
    for hz in (60.0, 74.0, 75.0, 100.0, 200.0, 400.0):
        mask = MASKS.harmonics(np.array([hz]))[:, 0].numpy()
        resolved = ROW_HZ[spacing <= hz / 2]
        count = max(int(resolved[-1] / hz), 1) if len(resolved) else 1
        expected = np.max([MASKS.f0(np.array([k * hz]))[:, 0].numpy() for k in range(1, count + 1)], axis=0)
        np.testing.assert_allclose(mask, expected, atol=1e-6)
        top = nearest_row(count * hz)
        assert mask[top - 1 : top + 2].max() > 0.5 and not mask[top + 4 :].any()
    comb = MASKS.harmonics(np.array([220.0]))[:, 0].numpy()
    peaks = [k for k in range(1, 13) if comb[nearest_row(220 * k)] > 0.6]
    valleys = [k for k in range(1, 6) if comb[nearest_row(220 * (k + 0.5))] < 0.2]
    assert len(peaks) >= 10 and len(valleys) == 5
    # A low voice is not resolved at all beyond its F0, a high one far up.
    assert MASKS.harmonics(np.array([70.0]))[6:].sum() == 0
    assert MASKS.harmonics(np.array([400.0]))[nearest_row(3500) :].sum() > 1


def test_f0_and_formants() -> None:
    f0 = np.array([220.0, 220.0, 0.0, 220.0])
    frequency = np.array([[500.0, 0, 500, 3000], [1500] * 4, [2500] * 4, [3500] * 4])
    bandwidth = np.array([[200.0, 200, 200, 4], [150, 150, 150, 0], [200] * 4, [300] * 4])
    mask = MASKS.f0_and_formants(f0, frequency, bandwidth)
    assert mask.shape == (80, 4) and mask.min() >= 0 and mask.max() <= 1
    assert not mask[:, 2].any()
    assert (mask >= MASKS.f0(f0)).all()
    for hz in (500, 1500, 2500, 3500):
        assert mask[nearest_row(hz), 0] > 0.85
    at = nearest_row(500)
    assert mask[at, 1] < 0.2  # unknown there
    assert mask[nearest_row(1500), 3] < 0.3
    # Half at half the bandwidth: 100 Hz, and rows lie 37 Hz apart there.
    values = np.interp([400, 600], ROW_HZ, mask[:, 0].numpy())
    np.testing.assert_allclose(values, 0.5, atol=0.1)
    # Narrower than a row, it is as wide as a row.
    assert mask[nearest_row(3000), 3] > 0.75


def test_union_is_either() -> None:
    one, other = MASKS.f0(np.array([110.0, 0.0])), MASKS.f0(np.array([220.0, 220.0]))
    both = union(one, other)
    assert (both >= one).all() and (both >= other).all()
    assert torch.equal(torch.minimum(both - one, both - other), torch.zeros(80, 2))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.one_of(st.just(0.0), st.floats(60, 500)), min_size=0, max_size=12))
def test_frames_do_not_see_each_other(f0: list[float]) -> None:
    contour = np.array(f0, dtype=float)
    for kind in (MASKS.f0, MASKS.harmonics):
        mask = kind(contour)
        assert mask.shape == (80, len(f0))
        for t, hz in enumerate(f0):
            assert torch.equal(mask[:, t], kind(np.array([hz]))[:, 0])
            assert bool(mask[:, t].any()) == (hz > 0)


def test_pooling_by_area_keeps_the_mass_of_any_mask() -> None:
    mask = torch.rand(1, 80, 44, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    blend = AttentionBlend(None, {"pitch": mask})
    for level in range(3):
        pooled = blend.share("pitch", 80 >> level, 44 >> level, mask)
        torch.testing.assert_close(pooled, F.avg_pool2d(mask, 2**level))
