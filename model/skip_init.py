"""Building a module whose weights are about to be loaded, without drawing initial ones first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode


class SkipInit(TorchFunctionMode):
    """`with SkipInit():` the functions of `torch.nn.init` leave their tensor as it is.

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
