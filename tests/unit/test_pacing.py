"""What of a stream goes into one frame."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from chat_ui.page.pacing import together


async def test_what_is_there_at_once_makes_one_frame() -> None:
    more, closed = asyncio.Event(), asyncio.Event()

    async def items() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
            await more.wait()
            yield 3
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with aclosing(items()) as one_by_one, aclosing(together(one_by_one)) as frames:
        assert await anext(frames) == [1, 2]
        more.set()
        assert await anext(frames) == [3]
        waiting = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0)
        waiting.cancel()  # as one that is ended while it waits
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert closed.is_set()


async def test_a_failure_comes_after_what_was_there() -> None:
    async def items() -> AsyncGenerator[int, None]:
        yield 1
        raise LookupError

    frames = together(items())
    assert await anext(frames) == [1]
    with pytest.raises(LookupError):
        await anext(frames)
