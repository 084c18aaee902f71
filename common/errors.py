"""Mistakes that users are meant to see: one line each, and how a script ends with them."""

from __future__ import annotations

import errno
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what is wrong, where (file and line number when there is one), what to do.
    """


class TextError(InputError):
    """It lies in one text; others may do."""


def reports_input_errors(main: Callable[..., int | None]) -> Callable[..., int]:
    """Wrap a script's `main` so that an `InputError` becomes one line on standard error and exit code 2.

    So does a full disk, wherever it is met.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        try:
            return main(*args, **kwargs) or 0
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            print(f"error: {where}{error.strerror}; free space, or choose another folder", file=sys.stderr)
            return 2

    return wrapped


SOME_SKIPPED = 3  # of a script that did everything but the lines it skipped


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
