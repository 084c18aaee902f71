"""From texts and a checkpoint to audio: `load_model(path).synthesise(texts)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthesis.result import Result
    from synthesis.synthesiser import Synthesiser, load_model

__all__ = ["Result", "Synthesiser", "load_model"]


def __getattr__(name: str) -> Any:
    """Import torch only with the first name that needs it, so that scripts report bad arguments at once."""
    if name == "Result":
        from synthesis.result import Result

        return Result
    if name in ("Synthesiser", "load_model"):
        from synthesis import synthesiser

        return getattr(synthesiser, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
