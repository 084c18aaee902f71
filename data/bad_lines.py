"""Lines of a list that cannot be used: one of them should not cost the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from data.errors import InputError

EXIT_CODE = 3  # of a script that did everything but the lines it skipped


class BadLines:
    """What was skipped, as messages that name file and line; strict: the first bad line raises instead."""

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.messages: list[str] = []

    @contextmanager
    def skipping(self, place: str, kind: type[InputError] = InputError) -> Iterator[None]:
        """Inside, an error of that kind ends the block and is remembered; place: file and line, "" where there is none.

        Raises InputError if strict.
        """
        try:
            yield
        except kind as error:
            message = f"{place}: {error}" if place else str(error)
            if self.strict:
                raise InputError(message) from error
            self.messages.append(message)

    def none_left(self, name: str, since: int = 0) -> InputError:
        """The error of a list without a usable line; since: how many messages there were before it."""
        return InputError(f"{name} has no line that can be used; the first bad one: {self.messages[since]}")

    def summary(self) -> list[str]:
        """Lines to show at the end; none if nothing was skipped."""
        count = len(self.messages)
        if not count:
            return []
        lines = [f"skipped: {message}" for message in self.messages]
        return [*lines, f"{count} bad line{'s' if count > 1 else ''} skipped; --strict stops at the first"]
