from __future__ import annotations

import math

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

import params
from data.mel import mel_spectrogram
from model.source_picture import STEPS_PER_OCTAVE, SourcePicture, flat_source
from model.style import TypedTokens
from model.style_pictures import FrameContours, StylePictures
from tests.tiny_model import random_style, randomise, seeded, tiny_model

AUDIO = params.Audio()


@pytest.fixture(scope="module")
def source() -> SourcePicture:
    return SourcePicture(AUDIO)


def voiced_picture(source: SourcePicture, f0: float) -> Tensor:
    """(n_mels,)"""
    return source(torch.tensor([[math.log(f0)]], dtype=source.table.dtype), torch.ones(1, 1))[0, :, 0]


def flat_tone_mel(f0: float) -> np.ndarray:
    """The mel (80, T) of a second of cosines of equal amplitude at every harmonic."""
    time = np.arange(AUDIO.sample_rate) / AUDIO.sample_rate
    tone = sum(np.cos(2 * np.pi * k * f0 * time) for k in range(1, int(10000 / f0)))
    return mel_spectrogram((0.01 * tone).astype(np.float32), AUDIO)


def test_the_rows_of_a_wider_mel_are_all_drawn() -> None:
    """A flat source is as strong in the highest rows as in those below them, wherever the mel ends."""
    for fmax in (8000.0, 10500.0):
        picture = flat_source(150.0, params.Audio(fmax=fmax))
        assert np.ptp(picture[60:]) < 0.1, fmax


@pytest.mark.parametrize("f0", [75.0, 100.0, 143.0, 200.0, 271.0, 380.0, 490.0])
def test_picture_is_what_the_mel_of_a_flat_tone_looks_like(source: SourcePicture, f0: float) -> None:
    middle = flat_tone_mel(f0)[:, 10:-10]
    picture = voiced_picture(source, f0).numpy()
    for frame in middle.T:
        assert np.corrcoef(frame, picture)[0, 1] > 0.95
    others = [np.corrcoef(middle.mean(1), voiced_picture(source, f0 * ratio).numpy())[0, 1] for ratio in (0.9, 1.1)]
    assert np.corrcoef(middle.mean(1), picture)[0, 1] > max(others) + 0.02


@pytest.mark.parametrize("f0", [150.0, 220.0])
def test_where_bins_resolve_harmonics_the_picture_has_their_amplitude(source: SourcePicture, f0: float) -> None:
    mel = flat_tone_mel(f0)[:, 10:-10].mean(1)
    picture = 1.5 * voiced_picture(source, f0).numpy()
    strong = picture > picture.mean()  # between harmonics both are near nothing, which has no shape
    assert np.abs((mel - mel[strong].mean()) - (picture - picture[strong].mean()))[strong].max() < 0.5


def test_an_octave_is_48_rows_and_moves_the_harmonics(source: SourcePicture) -> None:
    row = 40
    f0 = AUDIO.f0_min * 2 ** (row / STEPS_PER_OCTAVE)
    torch.testing.assert_close(voiced_picture(source, 2 * f0), source.table[row + 48], atol=1e-3, rtol=0)
    for value in (2 * f0, 4 * f0):
        picture = voiced_picture(source, value).numpy()
        centres = librosa.mel_frequencies(AUDIO.n_mels + 2, fmin=AUDIO.fmin, fmax=AUDIO.fmax)[1:-1]
        peaks = centres[[i for i in range(1, 24) if picture[i - 1] < picture[i] >= picture[i + 1]]]
        assert len(peaks) >= 2
        assert np.abs(peaks / value - (np.arange(len(peaks)) + 1)).max() * value < 37.3  # one mel bin, in Hz


def test_pictures_have_no_mean_and_go_flat_where_bins_are_wide(source: SourcePicture) -> None:
    assert source.table.mean(1).abs().max() < 1e-5
    high_rows_at_100_hz = voiced_picture(source, 100.0)[60:]
    assert high_rows_at_100_hz.std() < 0.05 < voiced_picture(source, 100.0)[:20].std()


def test_unvoiced_is_zero_and_voicing_scales(source: SourcePicture) -> None:
    log_f0 = torch.randn(3, 7, generator=seeded(0)) * 3 + 5
    assert source(log_f0, torch.ones(3, 7)).shape == (3, 80, 7)
    assert not source(log_f0, torch.zeros(3, 7)).any()
    torch.testing.assert_close(source(log_f0, torch.full((3, 7), 0.3)), 0.3 * source(log_f0, torch.ones(3, 7)))


def test_table_rows_are_drawn_exactly_and_between_them_linearly() -> None:
    source = SourcePicture(AUDIO).double()
    rows = torch.arange(len(source.table), dtype=torch.float64)
    log_f0 = (source.lowest + rows / source.steps)[None]
    drawn = source(log_f0, torch.ones_like(log_f0))[0].T  # (rows, n_mels)
    torch.testing.assert_close(drawn, source.table, atol=1e-10, rtol=0)
    between = source(log_f0[:, :-1] + 0.25 / source.steps, torch.ones_like(log_f0[:, :-1]))[0].T
    torch.testing.assert_close(between, 0.75 * source.table[:-1] + 0.25 * source.table[1:], atol=1e-9, rtol=0)
    for row in (0, 50, 120):
        f0 = AUDIO.f0_min * 2 ** (row / STEPS_PER_OCTAVE)
        np.testing.assert_allclose(source.table[row].numpy(), flat_source(f0, AUDIO), atol=1e-5)


def test_table_covers_the_range_and_clamps_outside_it(source: SourcePicture) -> None:
    assert voiced_picture(source, AUDIO.f0_min).equal(source.table[0])
    assert AUDIO.f0_min * 2 ** ((len(source.table) - 1) / STEPS_PER_OCTAVE) >= AUDIO.f0_max
    for below in (1.0, 20.0, 59.0):
        assert voiced_picture(source, below).equal(source.table[0])
    for above in (600.0, 1e4):
        assert voiced_picture(source, above).equal(source.table[-1])


def test_gradient_of_log_f0_is_the_tables_slope_and_finite() -> None:
    source = SourcePicture(AUDIO).double()
    row = torch.tensor([[-50.0, 10.25, 60.5, 200.0]], dtype=torch.float64)
    log_f0 = (source.lowest + row / source.steps).requires_grad_()
    weight = torch.randn(1, 80, 4, generator=seeded(1), dtype=torch.float64)
    (source(log_f0, torch.ones_like(row)) * weight).sum().backward()
    assert log_f0.grad.isfinite().all()
    assert log_f0.grad[0, 0] == log_f0.grad[0, 3] == 0  # clamped
    for i, below in ((1, 10), (2, 60)):
        slope = ((source.table[below + 1] - source.table[below]) * weight[0, :, i]).sum() * source.steps
        torch.testing.assert_close(log_f0.grad[0, i], slope)


def test_table_is_no_part_of_a_checkpoint(source: SourcePicture) -> None:
    assert not source.state_dict()


# Contours carried to frames, and drawn


@pytest.fixture(scope="module")
def pictures() -> StylePictures:
    made = StylePictures(params.Audio(n_mels=16), 12, 0.75)
    randomise(made, seeded(0))
    return made


def tokens_of(values: Tensor) -> TypedTokens:
    batch, count, _ = values.shape
    return TypedTokens(
        tokens=torch.randn(batch, count, 12, generator=seeded(4)),
        positions=((torch.arange(count) + 0.5) / count).expand(batch, -1),
        mask=torch.ones(batch, count, dtype=torch.bool),
        known=torch.ones(batch, dtype=torch.bool),
        values=values,
    )


def test_pitch_is_averaged_over_voiced_tokens_alone(pictures: StylePictures) -> None:
    voicing = torch.tensor([[1.0, 0.0, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.5]])
    log_f0 = torch.full_like(voicing, math.log(200))
    style = random_style([48], [20])
    encoded = tiny_model().style(style, 1)
    types = {**encoded.types, "pitch": tokens_of(torch.stack([voicing * log_f0, voicing], -1))}
    mu = torch.randn(1, 16, 30, generator=seeded(2))
    position = (torch.arange(30)[None] + 0.5) / 30
    contours = pictures.contours(type(encoded)(types), mu, position)
    # However the attention mixes tokens, and whatever stands where none is voiced, it is 200 Hz that it carries.
    torch.testing.assert_close(contours.log_f0, torch.full_like(contours.log_f0, math.log(200)), atol=1e-5, rtol=0)
    assert (contours.voicing >= 0).all() and (contours.voicing <= 1 + 1e-6).all()
    torch.testing.assert_close(pictures.draw_pitch(contours), pictures.source(contours.log_f0, contours.voicing))
    torch.testing.assert_close(pictures.draw_energy(contours), contours.energy[:, None].expand(-1, 16, -1))


def test_a_narrow_prior_carries_each_token_to_its_place(pictures: StylePictures) -> None:
    narrow = StylePictures(params.Audio(n_mels=16), 12, 0.05)
    log_f0 = torch.linspace(4.5, 5.8, 12)[None]
    values = torch.stack([log_f0, torch.ones(1, 12)], -1)
    encoded = tiny_model().style(random_style([48], [20]), 1)
    style = type(encoded)({**encoded.types, "pitch": tokens_of(values)})
    for frames in (12, 36):  # a contour transfers to a text of another length
        position = (torch.arange(frames)[None] + 0.5) / frames
        carried = narrow.contours(style, torch.randn(1, 16, frames, generator=seeded(2)), position).log_f0
        torch.testing.assert_close(carried, log_f0.repeat_interleave(frames // 12, 1), atol=1e-3, rtol=0)


def test_unknown_types_are_drawn_as_learned_vectors_item_by_item(pictures: StylePictures) -> None:
    generator = seeded(5)
    contours = FrameContours(
        log_f0=torch.full((3, 6), 5.0),
        voicing=torch.ones(3, 6),
        energy=torch.randn(3, 6, generator=generator),
        pitch_known=torch.tensor([True, False, True]),
        energy_known=torch.tensor([False, False, True]),
    )
    source, loudness = pictures.draw_pitch(contours), pictures.draw_energy(contours)
    assert source.shape == loudness.shape == (3, 16, 6)
    pitch, energy = pictures.unknown["pitch"], pictures.unknown["energy"]
    assert pitch.any() and energy.any()
    assert torch.equal(source[1], pitch[:, None].expand(16, 6))
    assert torch.equal(loudness[0], energy[:, None].expand(16, 6)) and torch.equal(loudness[1], loudness[0])
    assert torch.equal(source[0], source[2]) and torch.equal(loudness[2], contours.energy[2].expand(16, 6))
