"""FramePacer: how many frames a second each viewer of a stream gets, and what goes into one."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

Item = TypeVar("Item")

# A frame costs server and browser far more than a token, so tokens travel together: at most five frames a
# second for a viewer, between which the page lets the text appear evenly (static/smoothing.js), and fewer
# when so many watch that frames would cost more than half a core.
_FRAME_SECONDS = 0.2
_FRAME_COST_SECONDS = 0.0005
_SHARE_OF_A_CORE = 0.5

# How many pages and callers may follow turns at once in this process.
MAX_STREAMS = 200


class FramePacer:
    """Shared by all streams of a process."""

    def __init__(self) -> None:
        self._viewers = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Counts one more viewer."""
        self._viewers += 1
        try:
            yield
        finally:
            self._viewers -= 1

    def interval(self) -> float:
        """The seconds between two frames."""
        return max(_FRAME_SECONDS, self._viewers * _FRAME_COST_SECONDS / _SHARE_OF_A_CORE)


async def together(items: AsyncGenerator[Item, None]) -> AsyncGenerator[list[Item], None]:
    """The items in lists of those that are there at the same time: the pieces of several replies come at
    once, and make one frame."""
    coming = asyncio.ensure_future(anext(items, None))
    try:
        while (item := await coming) is not None:
            there = [item]
            while True:
                coming = asyncio.ensure_future(anext(items, None))
                await asyncio.sleep(0)  # it comes now, or has to be waited for
                if not coming.done() or coming.exception() or (item := coming.result()) is None:
                    break
                there.append(item)
            yield there
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await coming  # before its generator is closed
