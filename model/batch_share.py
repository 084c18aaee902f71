"""One batch in several processes: each draws for the whole batch and keeps its own rows.

So what is random in a step does not depend on how many processes share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor


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
