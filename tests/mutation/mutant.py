"""One changed line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WHOLE_MODULE = "<module>"


@dataclass(frozen=True)
class Mutant:
    """path: of the file, from the project's root; function: dotted name of what the line is in; source: the whole
    changed file; tests: the test files that must notice; compiled: the package must be built anew for it.
    """

    path: str
    line: int
    function: str
    before: str
    after: str
    source: str
    tests: tuple[str, ...]
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """What it is called in the list of equivalents: without the line's number, which edits elsewhere change."""
        return f"{self.path}: {self.function}: {self.before} -> {self.after}"


def spliced(
    text: bytes,
    start: int,
    end: int,
    new: bytes,
    path: str,
    function: str,
    tests: Sequence[str],
    compiled: bool = False,
) -> Mutant:
    """The mutant that has `new` instead of text[start:end]."""
    source = text[:start] + new + text[end:]
    first = text.rfind(b"\n", 0, start) + 1
    last = _line_end(text, end)
    new_last = _line_end(source, start + len(new))
    return Mutant(
        path=path,
        line=text.count(b"\n", 0, start) + 1,
        function=function,
        before=_one_line(text[first:last]),
        after=_one_line(source[first:new_last]),
        source=source.decode(),
        tests=tuple(tests),
        compiled=compiled,
    )


def _line_end(text: bytes, start: int) -> int:
    found = text.find(b"\n", start)
    return len(text) if found < 0 else found


def _one_line(text: bytes) -> str:
    return " ".join(text.decode().split())
