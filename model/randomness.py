"""What is random, on any device and in any number of processes.

Gaussian noise that a seed determines; one batch in several processes: each draws for the whole batch and keeps its own
rows, so what is random in a step does not depend on how many processes share it; and modules that need no random
weights, since theirs are about to be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class BatchShare:
    """Which rows of a batch of `total` items a process has, at least one."""

    total: int
    rows: tuple[int, ...]


_current: ContextVar[BatchShare | None] = ContextVar("batch_share", default=None)


@contextmanager
def drawing_for(share: BatchShare | None) -> Iterator[None]:
    """Inside, `drawn` draws for the whole batch that `share` is a part of; None: the batch is whole."""
    token = _current.set(share)
    try:
        yield
    finally:
        _current.reset(token)


def drawn(draw: Callable[[tuple[int, ...]], Tensor], shape: Sequence[int]) -> Tensor:
    """`draw(shape)`, whose first dimension is the batch; inside `drawing_for`, the share's rows of the whole batch's.

    Raises ValueError if the shape is not of the share's rows.
    """
    share = _current.get()
    if share is None:
        return draw(tuple(shape))
    if shape[0] != len(share.rows):
        raise ValueError(f"the share has {len(share.rows)} rows, not {shape[0]}")
    return draw((share.total, *shape[1:]))[list(share.rows)]


def standard_normal(shape: Sequence[int], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """N(0, 1) of the given shape, in the dtype and on the device of `like`.

    It is drawn on the generator's own device, so that a CPU generator gives the same noise to every accelerator.
    """
    device = like.device if generator is None else generator.device
    options = {"generator": generator, "device": device, "dtype": like.dtype}
    return drawn(lambda size: torch.randn(size, **options), shape).to(like.device)


def frame_normal(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """N(0, 1) of the shape of `like`, (B, F, T), drawn frame after frame.

    The official code draws the start latent in this order, so a seed gives the same one.
    """
    batch, rows, frames = like.shape
    device = like.device if generator is None else generator.device
    noise = torch.empty(batch, frames, rows, device=device, dtype=like.dtype)
    return noise.transpose(1, 2).normal_(generator=generator).to(like.device)


def uniform(shape: Sequence[int], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """U[0, 1) of the given shape, drawn as `standard_normal` draws."""
    device = like.device if generator is None else generator.device
    options = {"generator": generator, "device": device, "dtype": like.dtype}
    return drawn(lambda size: torch.rand(size, **options), shape).to(like.device)


class Dropout(nn.Dropout):
    """torch's own, but what is dropped depends on the sizes alone, not on the memory layout.

    Of a shared batch (`model.randomness`) it drops what the whole batch's would in these rows; all processes must have
    the same sizes then, so their shares are padded alike.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = 1 - self.p
        mask = drawn(lambda shape: torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(kept), x.shape)
        return x * mask.div_(kept)


class SkipInit(TorchFunctionMode):
    """`with SkipInit():` a module is built without initial weights: `torch.nn.init` leaves its tensors as they are.

    Drawing millions of numbers that a checkpoint replaces takes time; on the meta device, where there is nothing to
    draw, it also loads torch's compiler, which takes a second.
    """

    def __torch_function__(
        self,
        function: Callable,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)
