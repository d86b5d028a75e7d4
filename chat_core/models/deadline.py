"""Deadline: a time-out for waits that are many and short."""

import asyncio
import math
from types import TracebackType
from typing import Self


class Deadline:
    """As `asyncio.timeout_at(at)` around each `with`: what is awaited in it ends with TimeoutError at the
    loop's time `at`, which may be moved between two waits. What happens between them takes as long as it
    likes, and what need not be waited for does not end: `check` asks there.

    A time-out of its own for every token costs more than parsing it. Here one timer serves all the waits:
    it is left where it is when `at` moves on, and looks again when it goes off. `close` ends it.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None
        self._goes_off = math.inf

    def __enter__(self) -> Self:
        if self.at < self._goes_off:
            self._set()
        self._waiting = asyncio.current_task()
        self._cancelling = self._waiting.cancelling() if self._waiting else 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        waiting, self._waiting = self._waiting, None
        if self._expired and waiting:
            self._expired = False
            # Somebody else may have cancelled too: then it is theirs. So asyncio.Timeout tells the two apart.
            if waiting.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def check(self) -> None:
        """Raises TimeoutError if it is over."""
        if self._loop.time() > self.at:
            raise TimeoutError

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _set(self) -> None:
        self.close()
        self._goes_off = self.at
        self._timer = self._loop.call_at(self.at, self._look)

    def _look(self) -> None:
        self._goes_off = math.inf
        if self._loop.time() < self.at:
            self._set()
        elif self._waiting:
            self._expired = True
            self._waiting.cancel()
