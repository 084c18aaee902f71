"""The one exception that users are meant to see, and how a script ends with it."""

from __future__ import annotations

import errno
import functools
import sys
from collections.abc import Callable

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
