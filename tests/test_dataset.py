from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.batching import Batch, LengthBuckets, collate, has_share, share_rows
from data.cache import FeatureCache
from data.dataset import MOST_REFERENCE_FRAMES, UtteranceDataset, count_phones
from data.filelist import Utterance
from params import Audio
from text.front_end import front_end
from text.symbols import BLANK

AUDIO = Audio()
RATE = AUDIO.sample_rate
LETTERS = "abcdefgh"
LABELLED = 2  # the utterance that has a label file


class Letters:
    """A front end whose symbols are letters, with blanks between."""

    def encode(self, text):
        if not text.isalpha():
            raise InputError(f"nothing to speak in {text!r}")
        symbols = [BLANK, *(s for letter in text for s in (letter, BLANK))]
        return SimpleNamespace(ids=[1 if s == BLANK else 2 + LETTERS.index(s) for s in symbols], symbols=symbols)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Utterances 0-5: speakers x x x x y x; number 3 is long, number 5 is at another rate."""
    folder = tmp_path_factory.mktemp("corpus")
    lengths, texts = [6000, 9000, 12000, 80000, 7000, 6500], ["ab", "cde", "abc", "fgh", "a", "bb"]
    utterances = []
    for i, (length, text) in enumerate(zip(lengths, texts, strict=True)):
        time = np.arange(length) / RATE
        audio = sum(np.sin(2 * np.pi * (110 + 10 * i) * k * time) / k for k in range(1, 6)) * 0.2
        path = folder / f"{i}.wav"
        soundfile.write(path, audio, 2 * RATE if i == 5 else RATE)
        utterances.append(Utterance(path, text, "y" if i == 4 else "x", "sad" if i == 1 else "neutral"))
    seconds = 12000 / RATE
    np.savez(
        folder / f"{LABELLED}.labels.npz",
        f0=np.full(round(seconds * 80), 99.0),
        frame_rate=80.0,
        symbols=np.array(list("abc")),
        symbol_seconds=np.array([0.25, 0.5, 0.25]) * seconds,
    )
    return utterances, FeatureCache(folder / "cache", AUDIO)


def make(corpus, **changes) -> UtteranceDataset:
    utterances, cache = corpus
    names = dict(speakers=["y", "x"], emotions=["neutral", "sad"])
    return UtteranceDataset(**(dict(utterances=utterances, cache=cache, front_end=Letters(), seed=3) | names | changes))


@pytest.fixture(scope="module")
def dataset(corpus):
    return make(corpus)


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return a == b


def test_an_item_is_the_utterance(corpus, dataset):
    item, features = dataset[1], corpus[1].get(corpus[0][1].wav)
    assert item.index == 1 and item.speaker == 1 and item.emotion == 1
    assert item.ids.tolist() == [1, 4, 1, 5, 1, 6, 1] and item.ids.dtype == torch.int64
    for name in ("mel", "f0", "voicing", "energy"):
        np.testing.assert_array_equal(getattr(item, name).numpy(), getattr(features, name))
    assert item.token_spans is None and item.speaker_embedding is None
    assert dataset[4].speaker == 0 and dataset[0].emotion == 0


def test_frames_by_the_header_are_the_mels(dataset):
    assert dataset.frames.tolist() == [dataset[i].mel.shape[1] for i in range(len(dataset))]
    assert dataset.frames.tolist() == [23, 35, 46, 312, 27, 12]


def test_labels_give_spans_of_every_token_if_the_text_is_theirs(corpus, dataset):
    item = dataset[LABELLED]
    frames = 12000 / 256
    assert item.token_spans.shape == (7, 2) and item.token_spans.dtype == torch.int64
    assert item.token_spans[3].tolist() == [int(frames / 4) - 1, int(np.ceil(frames * 3 / 4)) + 1]
    assert item.token_spans[0].tolist() == [0, 6] and item.token_spans[-1, 1] == item.mel.shape[1]
    np.testing.assert_allclose(item.f0.numpy(), 99.0 * item.voicing.numpy(), rtol=1e-6)
    assert item.voicing.any()
    utterances = list(corpus[0])
    utterances[LABELLED] = Utterance(utterances[LABELLED].wav, "abd", "x")
    assert make(corpus, utterances=utterances)[LABELLED].token_spans is None


def references(dataset, epochs: int, index: int) -> list[torch.Tensor]:
    return [dataset[(epoch, index)].reference_mel for epoch in range(epochs)]


def test_the_reference_is_another_utterance_of_the_speaker(dataset):
    mels = {i: dataset[i].mel for i in range(len(dataset))}
    seen = set()
    for reference in references(dataset, 30, 0):
        length = reference.shape[1]
        assert 0 < length <= MOST_REFERENCE_FRAMES and reference.shape[0] == 80
        source = {
            i
            for i, mel in mels.items()
            if any(torch.equal(mel[:, s : s + length], reference) for s in range(mel.shape[1] - length + 1))
            and length == min(mel.shape[1], MOST_REFERENCE_FRAMES)
        }
        assert len(source) == 1
        seen |= source
    assert seen == {1, 2, 3, 5}


def test_a_long_reference_is_cropped_at_random(dataset):
    long = [r for r in references(dataset, 60, 0) if r.shape[1] == MOST_REFERENCE_FRAMES]
    assert len(long) > 3 and any(not torch.equal(long[0], other) for other in long[1:])


def test_a_lone_utterance_is_its_own_reference(dataset):
    assert torch.equal(dataset[4].reference_mel, dataset[4].mel)


def test_items_depend_on_seed_epoch_and_index_alone(corpus, dataset):
    forward = [dataset[(2, i)] for i in range(6)]
    other = make(corpus)
    backward = [other[(2, i)] for i in reversed(range(6))][::-1]
    for a, b in zip(forward, backward, strict=True):
        assert all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    assert torch.equal(dataset[(0, 1)].reference_mel, dataset[1].reference_mel)
    lengths = [[r.shape[1] for r in references(d, 12, 0)] for d in (dataset, make(corpus, seed=4))]
    assert lengths[0] != lengths[1] and len(set(lengths[0])) > 1


def test_embeddings_come_by_the_wavs_name(corpus):
    table = {str(i): np.full(8, i, np.float32) for i in range(6)}
    dataset = make(corpus, speaker_embeddings=table)
    assert dataset[3].speaker_embedding.tolist() == [3.0] * 8
    batch = collate([dataset[3], dataset[1]])
    assert batch.speaker_embedding.shape == (2, 8) and batch.emotion_embedding is None
    with pytest.raises(InputError, match="has no emotion embedding"):
        make(corpus, emotion_embeddings={"0": np.zeros(8)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speakers": ["y", "z"]}, "speaker 'x' is not one of: y, z"),
        ({"emotions": ["neutral"]}, "emotion 'sad' is not one of: neutral"),
    ],
)
def test_unknown_names_list_the_known_ones(corpus, changes, message):
    with pytest.raises(InputError, match=message):
        make(corpus, **changes)


@pytest.mark.parametrize(
    ("text", "message"), [("a" * 12, "23 frames for 25 tokens"), ("!", r"0\.wav: nothing to speak")]
)
def test_texts_that_cannot_be_trained_on_are_found_at_once(corpus, text, message):
    with pytest.raises(InputError, match=message):
        make(corpus, utterances=[Utterance(corpus[0][0].wav, text, "x")])


def test_a_wav_that_is_no_audio_is_found_at_once(corpus, tmp_path):
    (tmp_path / "no.wav").write_text("x")
    with pytest.raises(InputError, match=r"no\.wav cannot be read as audio"):
        make(corpus, utterances=[Utterance(tmp_path / "no.wav", "a", "x")])


# --- batches -----------------------------------------------------------------------------------------------------


def test_collate_pads_with_zeros_and_keeps_every_value(dataset):
    items = [dataset[i] for i in (1, LABELLED, 4)]
    batch = collate(items)
    assert batch.id_lengths.tolist() == [7, 7, 3]
    assert batch.mel_lengths.tolist() == [35, 46, 27] and batch.mel.shape == (3, 80, 46)
    assert batch.ids.shape == (3, 7) and batch.token_spans.shape == (3, 7, 2)
    assert batch.speaker.tolist() == [1, 1, 0] and batch.emotion.tolist() == [1, 0, 0]
    assert batch.phones.tolist() == [3, 3, 1]
    for row, item in enumerate(items):
        s, t, r = len(item.ids), item.mel.shape[1], item.reference_mel.shape[1]
        assert batch.reference_lengths[row] == r
        for padded, value in (
            (batch.ids[row], item.ids), (batch.mel[row], item.mel), (batch.f0[row], item.f0),
            (batch.voicing[row], item.voicing), (batch.energy[row], item.energy),
            (batch.reference_mel[row], item.reference_mel),
        ):  # fmt: skip
            length = value.shape[-1]
            assert torch.equal(padded[..., :length], value) and not padded[..., length:].any()
        expected = item.token_spans if item.token_spans is not None else torch.tensor([[0, t]]).repeat(s, 1)
        assert torch.equal(batch.token_spans[row, :s], expected) and not batch.token_spans[row, s:].any()


def test_without_any_labels_there_are_no_spans(dataset):
    assert collate([dataset[0], dataset[1]]).token_spans is None


def test_a_batch_moves_whole(dataset):
    batch = collate([dataset[0], dataset[LABELLED]]).to("meta")
    assert isinstance(batch, Batch) and batch.speaker_embedding is None
    values = [getattr(batch, f.name) for f in fields(batch)]
    assert all(value.device.type == "meta" for value in values if value is not None)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_the_same_batches_with_any_number_of_workers(dataset, workers):
    def batches(first):
        sampler = LengthBuckets(dataset.frames, 2, seed=5)
        sampler.set_epoch(3, first)
        loader = torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=workers)
        return list(loader)

    plain = [collate([dataset[key] for key in keys]) for keys in _epoch(LengthBuckets(dataset.frames, 2, seed=5), 3)]
    assert len(plain) == 3
    for found, expected in ((batches(0), plain), (batches(2), plain[2:])):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def _epoch(sampler: LengthBuckets, epoch: int, first: int = 0) -> list[list[tuple[int, int]]]:
    sampler.set_epoch(epoch, first)
    return list(sampler)


_lengths = st.lists(st.integers(1, 500), min_size=1, max_size=300)


@settings(deadline=None, max_examples=60)
@given(lengths=_lengths, size=st.integers(1, 9), ranks=st.integers(1, 4), epoch=st.integers(0, 3))
def test_ranks_share_every_batch(lengths, size, ranks, epoch):
    whole = _epoch(LengthBuckets(lengths, size, 1), epoch)
    assert sorted(key for batch in whole for key in batch) == [(epoch, i) for i in range(len(lengths))]
    shares = [_epoch(LengthBuckets(lengths, size, 1, rank, ranks), epoch) for rank in range(ranks)]
    sampler = LengthBuckets(lengths, size, 1, 0, ranks)
    assert len(sampler) == sampler.batches_per_epoch == len(whole) and {len(share) for share in shares} == {len(whole)}
    for number, batch in enumerate(whole):
        parts = [share[number] for share in shares]
        assert all(part == batch[:1] for part in parts[len(batch) :])  # nothing was left for these
        assert sorted(key for part in parts[: len(batch)] for key in part) == sorted(batch)
        for rank, part in enumerate(parts):
            assert part == [batch[row] for row in share_rows(len(batch), rank, ranks)]
            assert has_share(len(batch), rank) == (rank < len(batch))
        sizes = [len(part) for part in parts[: len(batch)]]
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None, max_examples=40)
@given(lengths=_lengths, first=st.integers(0, 40), epoch=st.integers(0, 2))
def test_an_epoch_resumes_at_any_batch(lengths, first, epoch):
    whole = _epoch(LengthBuckets(lengths, 4, seed=2), epoch)
    sampler = LengthBuckets(lengths, 4, seed=2)
    assert _epoch(sampler, epoch, first) == whole[first:]
    assert len(sampler) == len(whole[first:])
    assert _epoch(sampler, epoch) == whole


def test_epochs_and_seeds_shuffle():
    lengths = list(range(200))
    orders = [str([[i for _, i in b] for b in _epoch(LengthBuckets(lengths, 4, s), e)])
              for s, e in ((0, 0), (0, 1), (1, 0))]  # fmt: skip
    assert len(set(orders)) == 3


def test_texts_padded_further_are_the_same_texts(dataset):
    batch = collate([dataset[0], dataset[LABELLED]])
    longer = batch.with_tokens(batch.ids.shape[1] + 3)
    assert longer.ids.shape == (2, batch.ids.shape[1] + 3) and longer.token_spans.shape[1] == longer.ids.shape[1]
    assert same(longer.ids[:, :-3], batch.ids) and not longer.ids[:, -3:].any() and not longer.token_spans[:, -3:].any()
    assert same(longer.token_spans[:, :-3], batch.token_spans) and same(longer.mel, batch.mel)
    assert collate([dataset[0]]).with_tokens(99).token_spans is None
    assert dataset.tokens[[0, LABELLED]].tolist() == batch.id_lengths.tolist()


def test_batches_are_of_similar_length():
    lengths = np.random.default_rng(0).integers(50, 800, 1600)
    spread = [np.ptp(lengths[[i for _, i in batch]]) for batch in _epoch(LengthBuckets(lengths, 16), 0)]
    assert np.mean(spread) < 50 < 600 < np.ptp(lengths)


@pytest.mark.parametrize(("size", "rank", "ranks"), [(0, 0, 1), (4, 1, 1), (4, -1, 2)])
def test_impossible_shares_are_refused(size, rank, ranks):
    with pytest.raises(ValueError, match="cannot be"):
        LengthBuckets([1, 2], size, 0, rank, ranks)


@pytest.mark.parametrize("kind", ["arpabet", "official"])
def test_phones_are_counted_without_blanks_and_marks(kind):
    assert count_phones(front_end(kind).encode("It is, it is.").symbols) == 8
