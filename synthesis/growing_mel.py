"""A mel that is heard while it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from model.text_to_mel import Synthesis


class GrowingMel:
    """The stretches of one piece's mel, (1, n_mels, T) each, as they are decoded; `frames` of all of them.

    seconds: what decoding took so far, on the clock `now`, from `began` on.
    """

    def __init__(self, frames: int, stretches: Iterator[Synthesis], now: Callable[[], float], began: float) -> None:
        self.frames = frames
        self.seconds = now() - began
        self._stretches = stretches
        self._now = now
        self._decoded: list[Synthesis] = []

    def __iter__(self) -> Iterator[Tensor]:
        while True:
            began = self._now()
            stretch = next(self._stretches, None)
            self.seconds += self._now() - began
            if stretch is None:
                return
            self._decoded.append(stretch)
            yield stretch.mel

    def whole(self) -> Synthesis:
        """What was decoded so far, as one."""
        joined = {
            name: torch.cat([getattr(stretch, name) for stretch in self._decoded], 2)
            for name in ("mel", "mu", "alignment")
        }
        return replace(self._decoded[0], **joined)
