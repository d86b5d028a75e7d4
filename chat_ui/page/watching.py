"""Watches: which streams each open page has, so that one is ended before something else is shown."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Watch:
    """One stream to a page. It can be ended from outside while it waits for what comes next."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.is_over = False
        self._wait: asyncio.Timeout | None = None

    def end(self) -> None:
        """Nothing more is to come. May be called more than once."""
        self.is_over = True
        if self._wait:
            self._wait.reschedule(0)
            self._wait = None

    async def next(self, items: AsyncGenerator[T, None]) -> T | None:
        """The next of the items; None at their end or at that of the watch."""
        if self.is_over:
            return None
        try:
            async with asyncio.timeout(None) as self._wait:
                return await anext(items, None)
        except TimeoutError:
            if not self.is_over:
                raise
            return None
        finally:
            self._wait = None


class Watches:
    """The streams of all pages that this process has, by Gradio's session hash of the page."""

    def __init__(self) -> None:
        self._open: dict[str, list[Watch]] = {}

    @contextmanager
    def begin(self, page: str) -> Iterator[Watch]:
        """One more stream of the page. Those that it has go on until `end`."""
        watch = Watch(page)
        self._open.setdefault(page, []).append(watch)
        try:
            yield watch
        finally:
            self._open[page].remove(watch)
            if not self._open[page]:
                del self._open[page]

    def end(self, page: str, *, but: Watch | None = None) -> None:
        """Ends the page's streams, but this one."""
        for watch in self._open.get(page, ()):
            if watch is not but:
                watch.end()
