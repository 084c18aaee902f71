"""Mistakes that users are meant to see: one line each, and how a script ends with them."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

SOME_SKIPPED = 3  # of a script that did everything but the lines it skipped
INTERRUPTED = 130  # of one that was stopped by a signal
MOST_SHOWN = 100  # skipped lines that a summary lists
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what is wrong, where (file and line number when there is one), what to do.
    """


class TextError(InputError):
    """It lies in one text; others may do."""


def shown(text: object) -> str:
    """A text in one line of characters that a terminal only prints: others, such as ESC, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def reports_input_errors(main: Callable[..., int | None]) -> Callable[..., int]:
    """The door through which every script ends: wrap its `main` so that nothing a user can cause is a traceback.

    An `InputError`, a full disk, a closed pipe and every other `OSError`, too little memory, and nesting that is too
    deep become one line on standard error and exit code 2; the signals of `stop_signals` one line and 130, after
    `finally` blocks have cleared away what is half made. What the output cannot encode is escaped. Errors of the
    program itself keep their traceback.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        _prepare_output()
        with _stopping() as was_stopped:
            try:
                code = main(*args, **kwargs) or 0
                if sys.stdout is not None:
                    sys.stdout.flush()  # what cannot be written shows here, and not after the last line
                return code
            except SystemExit:  # argparse's, after --help
                try:
                    sys.stdout.flush()
                except OSError as error:
                    return _end(f"error: {_line(error)}", 2)
                raise
            except KeyboardInterrupt:
                return _end("stopped; what is finished stays", INTERRUPTED)
            except Exception as error:
                if was_stopped():  # the exception that a signal raises may become another one on its way
                    return _end("stopped; what is finished stays", INTERRUPTED)
                line = _line(error)
                if line is None:
                    raise
                return _end(f"error: {line}", 2)

    return wrapped


def _line(error: Exception) -> str | None:
    """What to say of an error that the user or the machine caused; None: of the program's own."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, BrokenPipeError):
        return "the reader of the output is gone; what is finished stays"
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        advice = "free space, or choose another folder" if error.errno in _NO_ROOM else "check the place and its rights"
        return f"{where}{error.strerror or error}; {advice}"
    if is_out_of_memory(error):
        return "there is too little memory; give less at a time: shorter texts, smaller batches, a smaller model"
    if isinstance(error, RecursionError):
        return "something given is nested too deeply; simplify it"
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Also torch's ways of saying so, and of a machine that gives no further thread."""
    words = ("can't allocate memory", "not enough memory", "can't start new thread", "bad_alloc")
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and any(part in str(error) for part in words))
    )


def _end(line: str, code: int) -> int:
    with suppress(OSError, ValueError):
        print(shown(line), file=sys.stderr, flush=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _discard(stream)  # else Python tries again at its very end, and complains
    return code


def _discard(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _prepare_output() -> None:
    """Streams that exist, and that escape what their encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            with suppress(OSError, ValueError):  # one that another program has put there
                stream.reconfigure(errors="backslashreplace")


def stop_signals() -> tuple[signal.Signals, ...]:
    """Those that ask a script to end: Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes, unless nohup is there."""
    hang_up = (signal.SIGHUP,) if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else ()
    return (signal.SIGINT, signal.SIGTERM, *hang_up)


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Inside, all `stop_signals` are answered as Ctrl-C is; yields a function that tells whether one has come."""
    asked = False
    if threading.current_thread() is not threading.main_thread():  # it gets no signals
        yield lambda: False
        return

    def stop(_number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    numbers = stop_signals()
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield lambda: asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


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
        """Lines to show at the end, of which `MOST_SHOWN` name a bad line; none if nothing was skipped."""
        count = len(self.messages)
        if not count:
            return []
        lines = [shown(f"skipped: {message}") for message in self.messages[:MOST_SHOWN]]
        if count > MOST_SHOWN:
            lines.append(f"skipped: {count - MOST_SHOWN} more")
        return [*lines, f"{count} bad line{'s' if count > 1 else ''} skipped; --strict stops at the first"]
