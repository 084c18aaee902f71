"""The one exception that users are meant to see, and how a script ends with it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what is wrong, where (file and line number when there is one), what to do.
    """


def reports_input_errors(main: Callable[..., int | None]) -> Callable[..., int]:
    """Wrap a script's `main` so that an `InputError` becomes one line on standard error and exit code 2."""

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        try:
            return main(*args, **kwargs) or 0
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    return wrapped
