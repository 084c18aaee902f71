"""One computation at a time, in the order in which they were asked for."""

from __future__ import annotations

import threading
from types import TracebackType

from common.errors import InputError

MOST_WAITING = 8


class Turns:
    """Hands out tickets; the one that is first in the line may compute."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most = most_waiting
        self._line: list[Ticket] = []
        self._ended = False
        self._moved = threading.Condition()

    def join(self) -> Ticket:
        """A place at the line's end, which is given up when the ticket's `with` block ends.

        Raises:
            InputError: too many are waiting, or no more turns are given.
        """
        with self._moved:
            self._check()
            if len(self._line) > self._most:
                raise InputError(f"{len(self._line)} computations are waiting already; try again in a minute")
            ticket = Ticket(self)
            self._line.append(ticket)
            return ticket

    def ahead_of(self, ticket: Ticket) -> int:
        with self._moved:
            return self._line.index(ticket)

    def wait(self, ticket: Ticket, seconds: float) -> bool:
        """Raises InputError when no more turns are given."""
        with self._moved:
            first = self._moved.wait_for(lambda: self._ended or self._line[0] is ticket, seconds)
            self._check()
            return first

    def leave(self, ticket: Ticket) -> None:
        with self._moved:
            self._line.remove(ticket)
            self._moved.notify_all()

    def end(self, seconds: float) -> None:
        """Give no more turns, and wait for whoever has one, but not longer than this."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()
            self._moved.wait_for(lambda: not self._line, seconds)

    def _check(self) -> None:
        if self._ended:
            raise InputError("the studio was stopped; start it again")


class Ticket:
    """A place in the line."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    @property
    def ahead(self) -> int:
        """How many come before."""
        return self._turns.ahead_of(self)

    def wait(self, seconds: float) -> bool:
        """Wait until it is first, but not longer than this; whether it is.

        Raises:
            InputError: no more turns are given, also to the one that is first.
        """
        return self._turns.wait(self, seconds)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._turns.leave(self)
