"""How a training script is asked to stop: Ctrl-C or SIGTERM once to save and end, twice to be killed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stopping_on_signals(patiently: bool = False) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether SIGINT or SIGTERM has come; a second one kills the process.

    patiently: it does not, as under torchrun, which passes on what every process may have got already, and kills those
    that take too long. The handlers that were there before come back at the end.
    """
    asked = False
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(_number: int, _frame: object) -> None:
        nonlocal asked
        asked = True
        for number in before:
            signal.signal(number, signal.SIG_IGN if patiently else signal.SIG_DFL)

    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
