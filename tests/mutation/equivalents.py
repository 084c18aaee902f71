"""The list of mutants that cannot be noticed, with their reasons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.mutation.mutant import Mutant

LIST = Path(__file__).with_name("equivalent.txt")


def read_equivalents(path: Path, mutants: Iterable[Mutant]) -> dict[str, str]:
    """Reasons by the key of the mutant. Lines are `file: function: before -> after | reason`; `#` begins a comment.

    Raises ValueError, naming the line, if a reason is missing or no mutant is called so.
    """
    known = {mutant.key for mutant in mutants}
    reasons = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, _, reason = line.rpartition(" | ")
        if not key or not reason.strip():
            raise ValueError(f"{path.name}:{number} has no reason: {line}")
        if key not in known:
            raise ValueError(f"{path.name}:{number} is no mutant (any more): {key}")
        reasons[key] = reason.strip()
    return reasons
