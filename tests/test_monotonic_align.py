"""The compiled alignment search against its reference, the definition, and unusable input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import monotonic_align
from monotonic_align import alignment_durations, maximum_path
from monotonic_align.search import LANES, search
from tests import alignment_reference as reference


def random_batch(seed: int, batch: int, rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normal scores (B, rows, width), and random lengths that fit: 1 <= tokens <= frames."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(1, min(rows, width) + 1, batch)
    frames = np.array([generator.integers(n, width + 1) for n in tokens])
    value = generator.standard_normal((batch, rows, width), dtype=np.float32)
    return torch.from_numpy(value), torch.from_numpy(tokens), torch.from_numpy(frames)


def expected_durations(value: torch.Tensor, tokens: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    durations = torch.zeros(value.shape[:2], dtype=torch.int64)
    for item, (n_tokens, n_frames) in enumerate(zip(tokens.tolist(), frames.tolist(), strict=True)):
        inside = value[item, :n_tokens, :n_frames].numpy()
        durations[item, :n_tokens] = torch.from_numpy(reference.alignment_durations(inside))
    return durations


def monotone_paths(tokens: int, frames: int):
    """The durations of every path there is."""
    for cuts in itertools.combinations(range(1, frames), tokens - 1):
        yield np.diff([0, *cuts, frames])


def path_sum(value: np.ndarray, durations: np.ndarray) -> float:
    token_of_frame = np.repeat(np.arange(len(durations)), durations)
    return float(value[token_of_frame, np.arange(value.shape[1])].sum(dtype=np.float64))


shapes = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 70), st.integers(1, 150)
)  # seed, batch, rows, width


@settings(deadline=None, max_examples=60)
@given(shapes)
def test_durations_equal_reference(shape):
    value, tokens, frames = random_batch(*shape)
    assert torch.equal(alignment_durations(value, tokens, frames), expected_durations(value, tokens, frames))


@pytest.mark.parametrize("lanes", LANES)
@settings(deadline=None, max_examples=40)
@given(shape=shapes)
def test_every_vector_width_equals_reference(lanes, shape):
    value, tokens, frames = random_batch(*shape)
    durations = torch.zeros(value.shape[:2], dtype=torch.int64)
    unusable = search(value.numpy(), tokens.numpy(), frames.numpy(), durations.numpy(), None, 1, lanes)
    assert unusable == 0
    assert torch.equal(durations, expected_durations(value, tokens, frames))


def test_unknown_vector_width_is_refused():
    one = np.ones(1, dtype=np.int64)
    with pytest.raises(ValueError, match="vectors of 3 tokens"):
        search(np.zeros((1, 1, 1), np.float32), one, one, np.zeros((1, 1), np.int64), None, 1, 3)


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(0, 3))
def test_ties_stay_on_their_token(shape, highest):
    """Small integers tie nearly everywhere, and sum without rounding."""
    value, tokens, frames = random_batch(*shape)
    value = value.abs().floor().clamp(max=highest)
    assert torch.equal(alignment_durations(value, tokens, frames), expected_durations(value, tokens, frames))


def test_equal_scores_give_the_last_token_what_is_left():
    durations = alignment_durations(torch.zeros(1, 4, 10), torch.tensor([4]), torch.tensor([10]))
    assert durations.tolist() == [[1, 1, 1, 7]]


@settings(deadline=None, max_examples=40)
@given(shapes)
def test_path_is_valid_and_its_sums_are_the_durations(shape):
    value, tokens, frames = random_batch(*shape)
    path = maximum_path(value, tokens, frames)
    assert path.shape == value.shape
    assert set(path.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(path.sum(2).long(), alignment_durations(value, tokens, frames))
    for item, (n_tokens, n_frames) in enumerate(zip(tokens.tolist(), frames.tolist(), strict=True)):
        inside = path[item, :n_tokens, :n_frames]
        assert path[item].sum() == n_frames == inside.sum()  # nothing in the padding
        assert torch.equal(inside.sum(0), torch.ones(n_frames))
        token_of_frame = inside.argmax(0)
        assert token_of_frame[0] == 0
        assert token_of_frame[-1] == n_tokens - 1
        assert set(token_of_frame.diff().tolist()) <= {0, 1}
        assert torch.equal(inside, torch.from_numpy(reference.maximum_path(value[item, :n_tokens, :n_frames].numpy())))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 6))
def test_no_path_is_better(seed, tokens, more_frames):
    frames = tokens + more_frames
    value = np.random.default_rng(seed).integers(-20, 20, (tokens, frames)).astype(np.float32)
    lengths = torch.tensor([tokens]), torch.tensor([frames])
    found = alignment_durations(torch.from_numpy(value)[None], *lengths)[0].numpy()
    assert path_sum(value, found) == max(path_sum(value, durations) for durations in monotone_paths(tokens, frames))


@pytest.mark.parametrize("frames", [*range(1, 70), 127, 128, 129])
def test_one_token_and_as_many_tokens_as_frames(frames):
    value, _, _ = random_batch(frames, 1, frames, frames)
    n = torch.tensor([frames])
    assert alignment_durations(value[:, :1], torch.tensor([1]), n).tolist() == [[frames]]
    assert alignment_durations(value, n, n).tolist() == [[1] * frames]
    assert torch.equal(maximum_path(value, n, n)[0], torch.eye(frames))


@settings(deadline=None, max_examples=20)
@given(shapes)
def test_item_in_a_batch_equals_the_item_alone(shape):
    value, tokens, frames = random_batch(*shape)
    together = maximum_path(value, tokens, frames)
    for item, (n_tokens, n_frames) in enumerate(zip(tokens.tolist(), frames.tolist(), strict=True)):
        inside = value[item : item + 1, :n_tokens, :n_frames].clone()
        alone = maximum_path(inside, tokens[item : item + 1], frames[item : item + 1])
        assert torch.equal(together[item, :n_tokens, :n_frames], alone[0])


def test_number_of_threads_does_not_matter():
    value, tokens, frames = random_batch(0, 32, 40, 90)
    expected = expected_durations(value, tokens, frames)
    for threads in (1, 2, 5):
        durations = torch.zeros(value.shape[:2], dtype=torch.int64)
        path = torch.full(value.shape, 7.0)
        search(value.numpy(), tokens.numpy(), frames.numpy(), durations.numpy(), path.numpy(), threads)
        assert torch.equal(durations, expected)
        assert torch.equal(path, maximum_path(value, tokens, frames))


@pytest.mark.parametrize("filler", [float("nan"), float("inf"), float("-inf"), 1e30])
def test_padding_does_not_matter(filler):
    value, tokens, frames = random_batch(1, 8, 37, 101)
    path = maximum_path(value, tokens, frames)
    padded = value.clone()
    for item, (n_tokens, n_frames) in enumerate(zip(tokens.tolist(), frames.tolist(), strict=True)):
        padded[item, n_tokens:] = filler
        padded[item, :, n_frames:] = filler
    assert torch.equal(maximum_path(padded, tokens, frames), path)


def test_layout_does_not_matter():
    value, tokens, frames = random_batch(2, 6, 33, 77)
    path = maximum_path(value, tokens, frames)
    wide = torch.full((12, 40, 200), float("nan"))
    wide[::2, 3:36, 50:127] = value
    every_second = torch.full((6, 33, 154), float("nan"))
    every_second[:, :, ::2] = value
    views = [
        value.transpose(1, 2).contiguous().transpose(1, 2),
        value.permute(1, 2, 0).contiguous().permute(2, 0, 1),
        wide[::2, 3:36, 50:127],
        every_second[:, :, ::2],
    ]
    for view in views:
        assert not view.is_contiguous()
        assert torch.equal(maximum_path(view, tokens, frames), path)
    same = value[:1].expand(6, -1, -1)
    n_tokens, n_frames = tokens[:1].expand(6), frames[:1].expand(6)
    assert torch.equal(maximum_path(same, n_tokens, n_frames), path[:1].expand(6, -1, -1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtype_is_kept(dtype):
    value, tokens, frames = random_batch(3, 4, 20, 50)
    value = value.to(dtype)
    path = maximum_path(value, tokens, frames)
    assert path.dtype == dtype
    assert torch.equal(path.float(), maximum_path(value.float(), tokens, frames))
    assert alignment_durations(value, tokens, frames).dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64])
def test_integer_dtype_of_lengths_does_not_matter(dtype):
    value, tokens, frames = random_batch(4, 4, 20, 50)
    assert torch.equal(maximum_path(value, tokens.to(dtype), frames.to(dtype)), maximum_path(value, tokens, frames))


def test_value_is_left_alone_and_gets_no_gradient():
    value, tokens, frames = random_batch(5, 4, 20, 50)
    value.requires_grad_()
    before = value.detach().clone()
    path = maximum_path(value, tokens, frames)
    assert not path.requires_grad
    assert torch.equal(value, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_tensors():
    value, tokens, frames = random_batch(6, 4, 20, 50)
    path = maximum_path(value.cuda(), tokens.cuda(), frames.cuda())
    assert path.is_cuda
    assert torch.equal(path.cpu(), maximum_path(value, tokens, frames))
    assert alignment_durations(value.cuda(), tokens, frames).is_cuda


@pytest.mark.parametrize("forbidden", [float("-inf"), -1e9, -1e30])
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), tokens=st.integers(1, 40), more_frames=st.integers(0, 80))
def test_forbidden_cells_are_avoided(forbidden, seed, tokens, more_frames):
    """Only a tube around a random path is allowed."""
    generator = np.random.default_rng(seed)
    frames = tokens + more_frames
    cuts = np.sort(generator.choice(np.arange(1, frames), tokens - 1, replace=False))
    token_of_frame = np.searchsorted(cuts, np.arange(frames), side="right")
    far = np.abs(np.arange(tokens)[:, None] - token_of_frame[None]) > generator.integers(0, 3)
    value = torch.from_numpy(np.where(far, forbidden, generator.standard_normal(far.shape)).astype(np.float32))[None]
    n_tokens, n_frames = torch.tensor([tokens]), torch.tensor([frames])
    path = maximum_path(value, n_tokens, n_frames)[0].numpy()
    assert not (path * far).any()
    assert np.array_equal(path, reference.maximum_path(value[0].numpy()))


@pytest.mark.parametrize("forbidden", [float("-inf"), -1e9, -3e38])
@pytest.mark.parametrize(("tokens", "frames"), [(1, 1), (1, 40), (7, 7), (9, 10), (20, 33), (33, 100), (64, 64)])
def test_a_path_is_found_where_everything_is_forbidden(forbidden, tokens, frames):
    value = torch.full((1, tokens, frames), forbidden)
    durations = alignment_durations(value, torch.tensor([tokens]), torch.tensor([frames]))[0]
    assert durations.sum() == frames
    assert durations.min() >= 1
    with np.errstate(over="ignore"):  # sums of -3e38 become -inf
        assert np.array_equal(durations.numpy(), reference.alignment_durations(value[0].numpy()))


def test_a_wall_is_crossed_and_the_rest_is_still_best():
    """One frame is forbidden to every token: a penalty that sums exactly changes nothing else."""
    generator = np.random.default_rng(7)
    value = torch.from_numpy(generator.integers(-8, 8, (1, 12, 60)).astype(np.float32))
    lengths = torch.tensor([12]), torch.tensor([60])
    value[:, :, 30] = 0
    expected = alignment_durations(value, *lengths)
    value[:, :, 30] = -(2.0**20)
    assert torch.equal(alignment_durations(value, *lengths), expected)


@pytest.mark.parametrize(
    ("tokens", "frames", "message"),
    [
        (9, 8, "batch item 1 has 9 tokens but only 8 frames"),
        (0, 8, "batch item 1 has 0 tokens and 8 frames: nothing to align"),
        (3, 0, "batch item 1 has 3 tokens and 0 frames: nothing to align"),
        (0, 0, "batch item 1 has 0 tokens and 0 frames: nothing to align"),
        (-1, 8, "batch item 1 has -1 tokens and 8 frames: nothing to align"),
        (11, 20, "batch item 1 has 11 tokens and 20 frames, beyond the tensor's 10 and 20"),
        (10, 21, "batch item 1 has 10 tokens and 21 frames, beyond the tensor's 10 and 20"),
    ],
)
def test_lengths_that_do_not_fit(tokens, frames, message):
    value = torch.zeros(2, 10, 20)
    lengths = torch.tensor([10, tokens]), torch.tensor([20, frames])
    for function in (maximum_path, alignment_durations):
        with pytest.raises(ValueError, match=message) as caught:
            function(value, *lengths)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("lanes", LANES)
def test_unusable_scores_are_found_wherever_they_are(value, lanes):
    """At every cell in turn, reachable or not, and at the ends of vectors, strips and blocks."""
    tokens, frames = 19, 41
    scores = np.zeros((1, tokens + 1, frames + 1), dtype=np.float32)
    durations = np.zeros((1, tokens + 1), dtype=np.int64)
    lengths = np.array([tokens]), np.array([frames])
    for token, frame in itertools.product(range(tokens + 1), range(frames + 1)):
        scores[0, token, frame] = value
        inside = token < tokens and frame < frames
        assert search(scores, *lengths, durations, None, 1, lanes) == inside
        scores[0, token, frame] = 0


def test_unusable_scores_are_named():
    value, tokens, frames = torch.zeros(3, 10, 20), torch.tensor([10, 10, 5]), torch.tensor([20, 20, 12])
    value[2, 4, 11] = float("nan")
    for function in (maximum_path, alignment_durations):
        with pytest.raises(ValueError, match=r"item 2 \(5 tokens, 12 frames\): value is nan at token 4, frame 11$"):
            function(value, tokens, frames)
    value[1, 9, 19] = float("inf")
    with pytest.raises(ValueError, match=r"batch item 1 \(10 tokens, 20 frames\): value is inf at token 9, frame 19$"):
        maximum_path(value, tokens, frames)


def test_wrong_shapes_and_dtypes():
    value, two = torch.zeros(2, 3, 4), torch.tensor([3, 3])
    with pytest.raises(ValueError, match="value must be a float"):
        maximum_path(value.long(), two, two)
    with pytest.raises(ValueError, match="value must be a float"):
        maximum_path(value[0], two, two)
    with pytest.raises(ValueError, match="text_lengths must be 2 integers"):
        maximum_path(value, two[:1], two)
    with pytest.raises(ValueError, match="frame_lengths must be 2 integers"):
        maximum_path(value, two, two.float())


def test_empty_batch_and_empty_tensor():
    none = torch.zeros(0, dtype=torch.int64)
    assert maximum_path(torch.zeros(0, 3, 4), none, none).shape == (0, 3, 4)
    assert alignment_durations(torch.zeros(0, 3, 4), none, none).shape == (0, 3)
    with pytest.raises(ValueError, match="nothing to align"):
        maximum_path(torch.zeros(1, 0, 0), torch.tensor([0]), torch.tensor([0]))


def test_reference_refuses_what_cannot_be_aligned():
    with pytest.raises(ValueError, match="3 tokens cannot be aligned with 2 frames"):
        reference.alignment_durations(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="0 tokens cannot be aligned with 2 frames"):
        reference.alignment_durations(np.zeros((0, 2)))


def test_scores_that_are_the_same_at_every_frame_may_share_memory():
    value, tokens, frames = random_batch(8, 3, 9, 30)
    repeated = value[:, :, :1].expand(-1, -1, 30)
    assert torch.equal(maximum_path(repeated, tokens, frames), maximum_path(repeated.contiguous(), tokens, frames))


def test_the_first_unusable_cell_is_named_and_padding_is_not_looked_at():
    value, tokens, frames = torch.zeros(2, 5, 8), torch.tensor([3, 4]), torch.tensor([6, 7])
    value[0, 3:] = value[0, :, 6:] = value[1, 4] = value[1, :, 7] = float("nan")
    value[1, 2, 5] = value[1, 3, 1] = value[1, 2, 6] = float("inf")
    with pytest.raises(ValueError, match=r"^batch item 1 \(4 tokens, 7 frames\): value is inf at token 2, frame 5$"):
        maximum_path(value, tokens, frames)


def test_what_the_compiled_search_is_called_with(monkeypatch):
    """Never with an empty batch; no more threads than items, nor than torch may use."""
    asked = []

    def search_asked(scores, tokens, frames, durations, path, threads):
        asked.append(threads)
        return search(scores, tokens, frames, durations, path, threads)

    monkeypatch.setattr(monotonic_align, "_search", search_asked)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    none = torch.zeros(0, dtype=torch.int64)
    assert alignment_durations(torch.zeros(0, 4, 6), none, none).shape == (0, 4)
    for batch in (1, 2, 3, 5):
        alignment_durations(*random_batch(9, batch, 4, 6))
    assert asked == [1, 2, 3, 3]


def test_a_search_that_gives_up_without_a_reason_is_a_defect(monkeypatch):
    monkeypatch.setattr(monotonic_align, "_search", lambda *arguments: 1)
    with pytest.raises(AssertionError, match="NaN or \\+inf where there is none"):
        alignment_durations(*random_batch(10, 2, 4, 6))
