"""Estimators: the networks inside the diffusion, by name. Adding one is one file here and one line in `ESTIMATORS`."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from model.estimators.cross_unet import CrossUNet
from model.estimators.unet import UNet
from model.style import Style
from params import Params


class Condition(Protocol):
    """What does not depend on the latent or the time; of the estimator's own type."""

    mu: Tensor  # (B, n_mels, T)
    mask: Tensor  # (B, 1, T)


class Estimator(Protocol):
    """An `nn.Module`."""

    length_multiple: int  # T must be a multiple of it
    types: tuple[str, ...]  # of style that it reads (`model.style.TYPES`)
    attends: bool  # whether `blend` takes shares that differ from cell to cell
    expects: bool  # whether it has `mean`, which is trained by itself

    @classmethod
    def of(cls, params: Params) -> Estimator:
        """For the conditional model."""

    def prepare(
        self, mu: Tensor, mask: Tensor, style: Style, frame_position: Tensor | None, content: Tensor | None
    ) -> Condition:
        """Once per utterance, or training crop; see `completed`.

        mu (B, n_mels, T), mask (B, 1, T) of 0 and 1, frame_position (B, T) in [0, 1] of the whole utterance, content
        (B, pictures, n_mels, T) of the text encoder; None where the model has none. Raises ValueError for a T that is
        no multiple of `length_multiple`.
        """

    def mean(
        self, mu: Tensor, mask: Tensor, style: Style, frame_position: Tensor | None, content: Tensor | None
    ) -> Tensor:
        """Mean of x_0 - mu that no latent is needed for, (B, n_mels, T). Arguments as of `prepare`."""

    def blend(
        self,
        a: Condition,
        b: Condition,
        weight: dict[str, Tensor],
        keep_mass: bool = False,
        drawn_share: Tensor | None = None,
    ) -> tuple[Condition, Any]:
        """Two styles over the same frames as one condition, and the `attention` for `forward`.

        weight: for each type, a's share of the cells, (1, n_mels, T); types left out are b's. keep_mass, drawn_share:
        of an estimator that attends (`CrossUNet.blend`). Raises ValueError for shares that it cannot do.
        """

    def completed(self, condition: Condition, attention: Any = None) -> Condition:
        """What `__call__` takes: with whatever is left to be computed once, in the precision of the evaluations."""

    def attention_sites(self) -> dict[str, Any]:
        """Its style attentions by name; a condition has `sites` with their keys. Empty where there are none."""

    def __call__(self, x: Tensor, t: Tensor, condition: Condition, attention: Any = None) -> Tensor:
        """x (B, n_mels, T), t (B,) -> (B, n_mels, T), masked.

        What they mean the wrapper decides (`model.diffusion`): noisy mel, diffusion time and score for
        `NoiseDiffusion`; scaled noisy residual, log noise level and EDM's F for `ResidualDiffusion`.
        """


ESTIMATORS: dict[str, type] = {
    "unet": UNet,
    "cross_unet": CrossUNet,
}
