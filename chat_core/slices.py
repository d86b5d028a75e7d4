"""Slices: a share of each round of the event loop for work that comes in crowds.

What is ready at the same time – the replies of 180 models, the frames of their followers, a hundred
requests – the loop does in one round, in which nobody else is served. Whoever waits for a slice before each
piece of such work does it in one of the next rounds where this one has had enough of it. Those for whom it
is done take turns, so that nobody has to wait for all that somebody else wants.
"""

import asyncio
import time
from collections import deque
from contextvars import ContextVar
from weakref import WeakKeyDictionary

# After so long a round takes no more of it, and the next one begins with so many of those that wait; with one
# if the last round has taken longer.
_ROUND_SECONDS = 0.01
_WOKEN = 4

_whom: ContextVar[str] = ContextVar("whom", default="")


def work_for(whom: str) -> None:
    """Whatever this task does from now on, and those that it creates, is done for that one, as whoever serves
    many of them tells them apart."""
    _whom.set(whom)


async def next_slice() -> None:
    """Returns at once while the round has room; else in a later one, when it is the turn of that one for whom
    this is done, in the order in which it was asked for. What follows should take milliseconds at most."""
    loop = asyncio.get_running_loop()
    line = _lines.get(loop)
    if line is None:
        line = _lines[loop] = _Line(loop)
    if waiter := line.enter():
        await waiter


class _Line:
    """Those who wait for a slice in one loop, by the one for whom they work. Whose turn it is comes first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._ends_at: float | None = None  # of the round, while somebody has a slice of it

    def enter(self) -> asyncio.Future[None] | None:
        """What to wait for; None for a slice of this round."""
        if self._ends_at is None:
            self._begin_round()
        elif self._waiting or time.monotonic() > self._ends_at:
            self._waiting.setdefault(_whom.get(), deque()).append(waiter := self._loop.create_future())
            return waiter
        return None

    def _begin_round(self) -> None:
        self._ends_at = time.monotonic() + _ROUND_SECONDS
        self._loop.call_soon(self._next_round)

    def _next_round(self) -> None:
        was_long = self._ends_at is not None and time.monotonic() > self._ends_at
        self._ends_at = None
        woken = 0
        while self._waiting and woken < (1 if was_long else _WOKEN):
            waiter = self._next_waiter()
            if not waiter.done():  # it may have been cancelled
                waiter.set_result(None)
                woken += 1
        if woken:
            self._begin_round()

    def _next_waiter(self) -> asyncio.Future[None]:
        whom = next(iter(self._waiting))
        line = self._waiting.pop(whom)
        waiter = line.popleft()
        if line:
            self._waiting[whom] = line  # at the end
        return waiter


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()
