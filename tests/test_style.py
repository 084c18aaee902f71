from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import params
from model.style import TYPES, StyleEncoder, StyleSource, TimbreEncoder, TypedTokens, pool_contour
from tests.tiny_model import (
    N_EMOTIONS,
    N_MELS,
    N_SPEAKERS,
    in_dtype,
    one_item,
    random_style,
    randomise,
    seeded,
    without,
)

WIDTH = 12


def build(**changed: object) -> StyleEncoder:
    settings = params.Style(token_channels=WIDTH, timbre_bottleneck=4, **changed)
    encoder = StyleEncoder(settings, N_MELS, N_SPEAKERS, N_EMOTIONS)
    randomise(encoder, seeded(0))
    return encoder


@pytest.fixture(scope="module")
def encoder() -> StyleEncoder:
    return build()


def pitch_source(log_f0: list[float], voicing: list[float], length: int | None = None) -> StyleSource:
    return StyleSource(
        log_f0=torch.tensor([log_f0]),
        voicing=torch.tensor([voicing]),
        contour_lengths=torch.tensor([len(log_f0) if length is None else length]),
    )


# Pooling


def test_means_positions_and_mask_of_hand_made_numbers() -> None:
    values = torch.arange(1.0, 11.0)[None, :, None].repeat(2, 1, 2)
    values[..., 1] *= 10
    valid = torch.tensor([[1.0] * 10, [1.0] * 5 + [0.0] * 5])
    means, positions, mask = pool_contour(values, valid, 4)
    torch.testing.assert_close(means[0, :, 0], torch.tensor([2.5, 6.5, 9.5]))
    torch.testing.assert_close(means[1, :, 1], torch.tensor([25.0, 50.0, 0.0]))
    # Centres: frames 0-4, 4-8 and 8-10 of 10; 0-4 and 4-5 of 5.
    torch.testing.assert_close(positions[0], torch.tensor([0.2, 0.6, 0.9]))
    torch.testing.assert_close(positions[1, :2], torch.tensor([0.4, 0.9]))
    assert mask.tolist() == [[True, True, True], [True, True, False]]


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8, 11])
def test_padding_of_a_contour_changes_no_token(length: int) -> None:
    values = torch.randn(1, 12, 2, generator=seeded(1))
    valid = (torch.arange(12) < length).float()[None]
    padded, alone = pool_contour(values, valid, 4), pool_contour(values[:, :length], valid[:, :length], 4)
    count = -(-length // 4)
    assert int(padded[2].sum()) == int(alone[2].sum()) == alone[0].shape[1] == count
    for long, short in zip(padded[:2], alone[:2], strict=True):
        assert torch.equal(long[:, :count], short)
    assert alone[1].min() > 0 and alone[1].max() < 1
    assert padded[1].isfinite().all()


# Pitch tokens


def test_pitch_is_the_mean_over_voiced_frames(encoder: StyleEncoder) -> None:
    garbage = 123.0
    source = pitch_source(
        [5.0, 5.4, garbage, garbage, garbage, garbage, garbage, garbage, 4.8, 5.2], [1, 1, 0, 0, 0, 0, 0, 0, 1.0, 0.5]
    )
    values = encoder(source, 1).types["pitch"].values[0]  # (N, 2): voicing * log F0, voicing
    last = (4.8 + 0.5 * 5.2) / 1.5
    torch.testing.assert_close(values[:, 1], torch.tensor([0.5, 0.0, 0.75]))
    torch.testing.assert_close(values[:, 0], torch.tensor([5.2 * 0.5, 0.0, last * 0.75]))


def test_values_in_unvoiced_frames_do_not_matter(encoder: StyleEncoder) -> None:
    style = random_style([21, 17], [20, 20])
    other = torch.where(style.voicing > 0, style.log_f0, -77.0)
    one, two = (encoder(replace(style, log_f0=log_f0), 2).types["pitch"] for log_f0 in (style.log_f0, other))
    torch.testing.assert_close(one.tokens, two.tokens)
    torch.testing.assert_close(one.values, two.values)


def test_pitch_tokens_know_level_and_shape(encoder: StyleEncoder) -> None:
    """The absolute level and the one relative to the utterance's mean are two features: a shift moves only one."""
    seen = []
    handle = encoder.pitch.inner.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    for shift in (0.0, 0.4):
        encoder(pitch_source([5.1 + shift, 5.1 + shift, 5.5 + shift, 5.5 + shift], [1, 1, 1, 1]), 1)
        encoder(pitch_source([5.1 + shift] * 4 + [5.5 + shift] * 4, [1] * 8), 1)
    handle.remove()
    torch.testing.assert_close(seen[0][:, 0], torch.tensor([0.5, 0.0, 1.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[1][0], torch.tensor([0.0, 1.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[1][1], torch.tensor([-0.5, 0.5]), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[3][0], torch.tensor([1.0, 2.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[3][1:], seen[1][1:], atol=1e-5, rtol=0)


def test_a_wholly_unvoiced_contour_is_finite(encoder: StyleEncoder) -> None:
    pitch = encoder(pitch_source([0.0] * 9, [0.0] * 9), 1).types["pitch"]
    assert pitch.tokens.isfinite().all()
    assert not pitch.values.any()
    assert pitch.known.all()


def test_energy_tokens_are_means(encoder: StyleEncoder) -> None:
    source = StyleSource(energy=torch.tensor([[1.0, 2, 3, 4, 6, 8]]), contour_lengths=torch.tensor([6]))
    energy = encoder(source, 1).types["energy"]
    torch.testing.assert_close(energy.values[0, :, 0], torch.tensor([2.5, 7.0]))
    torch.testing.assert_close(energy.positions[0], torch.tensor([2 / 6, 5 / 6]))


# Timbre


@pytest.mark.parametrize("length", [1, 7, 8, 9, 24, 31])
def test_a_padded_reference_has_the_tokens_of_the_reference_alone(length: int) -> None:
    timbre = TimbreEncoder(N_MELS, 4, WIDTH, 8).double()
    randomise(timbre, seeded(2))
    mel = torch.randn(1, N_MELS, 31, generator=seeded(3), dtype=torch.float64)
    tokens, positions, mask = timbre(mel, torch.tensor([length]))
    alone, alone_positions, alone_mask = timbre(mel[:, :, :length], torch.tensor([length]))
    count = -(-length // 8)
    assert alone.shape == (1, count, WIDTH) and alone_mask.all()
    assert mask[0].tolist() == [True] * count + [False] * (4 - count)
    torch.testing.assert_close(tokens[:, :count], alone, atol=1e-12, rtol=0)
    torch.testing.assert_close(alone_positions[0], (torch.arange(count, dtype=torch.float64) + 0.5) / count)
    assert torch.equal(positions[:, :count], alone_positions)


def test_timbre_tokens_come_through_the_bottleneck(encoder: StyleEncoder) -> None:
    tokens = encoder(random_style([9], [300]), 1).types["timbre"].tokens[0]  # (38, 12)
    centred = tokens - tokens.mean(0)
    assert torch.linalg.matrix_rank(centred, atol=1e-4) == 4


def test_an_item_without_any_reference_stays_finite(encoder: StyleEncoder) -> None:
    style = random_style([9, 9], [24, 24])
    style = replace(style, reference_lengths=torch.tensor([24, 0]))
    for known in (None, {"timbre": torch.tensor([True, False])}):
        timbre = encoder(replace(style, known=known), 2).types["timbre"]
        assert timbre.tokens.isfinite().all() and timbre.positions.isfinite().all()


def test_token_size_must_be_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="timbre_frames must be a power of two, not 12"):
        TimbreEncoder(N_MELS, 4, WIDTH, 12)


# Labels


def test_labels_come_from_tables_or_from_embeddings(encoder: StyleEncoder) -> None:
    style = encoder(StyleSource(speaker=torch.tensor([3, 0]), emotion=torch.tensor([1, 2])), 2)
    assert torch.equal(style.types["speaker"].tokens[:, 0], encoder.speaker.weight[[3, 0]])
    assert torch.equal(style.types["emotion"].tokens[:, 0], encoder.emotion.weight[[1, 2]])
    external = build(speaker_embedding_dim=5, emotion_embedding_dim=7)
    speaker, emotion = torch.randn(2, 5, generator=seeded(1)), torch.randn(2, 7, generator=seeded(2))
    style = external(StyleSource(speaker=speaker, emotion=emotion), 2)
    torch.testing.assert_close(style.types["speaker"].tokens[:, 0], external.speaker(speaker))
    torch.testing.assert_close(style.types["emotion"].tokens[:, 0], external.emotion(emotion))


# Unknown types


def same(one: TypedTokens, other: TypedTokens) -> bool:
    names = ("tokens", "positions", "mask", "known", "values")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_what_is_left_out_is_a_null_token(encoder: StyleEncoder) -> None:
    style = encoder(StyleSource(), 3)
    assert tuple(style.types) == TYPES
    for name, tokens in style.types.items():
        assert torch.equal(tokens.tokens, encoder.null[name].expand(3, 1, -1))
        assert encoder.null[name].any()
        assert not tokens.known.any() and tokens.mask.all() and not tokens.values.any()
        assert (tokens.positions == 0.5).all()
    assert [style.types[name].values.shape[2] for name in TYPES] == [2, 1, 0, 0, 0]


@pytest.mark.parametrize("dropped", TYPES)
def test_a_type_that_is_left_out_changes_no_other(encoder: StyleEncoder, dropped: str) -> None:
    source = random_style([13, 9], [24, 17])
    full, part = encoder(source, 2), encoder(without(source, dropped), 2)
    null = encoder(StyleSource(), 2)
    for name in TYPES:
        expected = null if name == dropped else full
        assert same(part.types[name], expected.types[name]), name
    everything = encoder(without(source, *TYPES), 2)
    assert all(same(everything.types[name], null.types[name]) for name in TYPES)


@pytest.mark.parametrize("dropped", TYPES)
def test_an_item_whose_type_is_unknown_has_the_null_token_alone(encoder: StyleEncoder, dropped: str) -> None:
    source = random_style([13, 9], [24, 17])
    full = encoder(source, 2)
    part = encoder(replace(source, known={dropped: torch.tensor([True, False])}), 2)
    for name in TYPES:
        tokens, expected = part.types[name], full.types[name]
        if name != dropped:
            assert same(tokens, expected)
            continue
        assert torch.equal(tokens.tokens[0], expected.tokens[0]) and torch.equal(tokens.values[0], expected.values[0])
        assert torch.equal(tokens.mask[0], expected.mask[0])
        assert tokens.known.tolist() == [True, False]
        # What is left of item 1 is what `without` leaves of a batch.
        (kept,) = tokens.mask[1].nonzero().T.tolist()
        assert kept == [0]
        assert torch.equal(tokens.tokens[1, 0], encoder.null[dropped])
        assert tokens.positions[1, 0] == 0.5 and not tokens.values[1].any()


def test_known_does_not_revive_what_is_not_there(encoder: StyleEncoder) -> None:
    style = encoder(StyleSource(known={"pitch": torch.ones(2, dtype=torch.bool)}), 2)
    assert not style.types["pitch"].known.any()


def test_bundled_is_all_tokens_in_a_row(encoder: StyleEncoder) -> None:
    style = encoder(random_style([13, 9], [24, 17]), 2)
    bundle = style.bundled()
    assert bundle.tokens.shape[1] == 4 + 4 + 3 + 1 + 1
    assert torch.equal(bundle.tokens, torch.cat([style.types[name].tokens for name in TYPES], 1))
    assert torch.equal(bundle.positions, torch.cat([style.types[name].positions for name in TYPES], 1))
    assert bundle.mask.sum(1).tolist() == [13, 3 + 3 + 3 + 1 + 1]
    assert bundle.values.shape == (2, 13, 0)


def test_a_padded_batch_has_the_tokens_of_its_items(encoder: StyleEncoder) -> None:
    encoder = build().double()
    source = in_dtype(random_style([23, 6, 17], [40, 9, 33]), torch.float64)
    source = replace(source, known={"pitch": torch.tensor([True, True, False])})
    batch = encoder(source, 3)
    for i in range(3):
        alone = encoder(one_item(source, i), 1)
        for name in TYPES:
            padded, single = batch.types[name], alone.types[name]
            assert padded.known[i] == single.known[0]
            count = int(single.mask.sum())
            assert int(padded.mask[i].sum()) == count and padded.mask[i, :count].all()
            for field in ("tokens", "positions", "values"):
                one: Tensor = getattr(padded, field)[i, :count]
                torch.testing.assert_close(one, getattr(single, field)[0, :count], atol=1e-12, rtol=0)


def test_double_precision_stays_double() -> None:
    encoder = build().double()
    for source in (in_dtype(random_style([9], [9]), torch.float64), StyleSource()):
        for name, tokens in encoder(source, 1).types.items():
            for field in ("tokens", "positions", "values"):
                assert getattr(tokens, field).dtype == torch.float64, (name, field)
