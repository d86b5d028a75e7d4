"""A page's streams are ended before something else is shown."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from chat_ui.page.watching import Watch, Watches


async def items(*values: int, then: asyncio.Event, ended: list[str]) -> AsyncGenerator[int, None]:
    try:
        for value in values:
            yield value
        await then.wait()
    finally:
        ended.append("ended")


async def test_a_watch_gives_what_comes_and_then_none() -> None:
    then, ended = asyncio.Event(), list[str]()
    then.set()
    watch, stream = Watch("page"), items(1, 2, then=then, ended=ended)
    assert [await watch.next(stream) for _ in range(4)] == [1, 2, None, None]
    assert ended == ["ended"]
    assert not watch.is_over


async def test_a_watch_that_waits_is_ended_at_once_and_so_is_what_it_waits_for() -> None:
    ended = list[str]()
    watch, stream = Watch("page"), items(1, then=asyncio.Event(), ended=ended)
    assert await watch.next(stream) == 1
    waiting = asyncio.create_task(watch.next(stream))
    await asyncio.sleep(0)
    watch.end()
    watch.end()
    async with asyncio.timeout(5):
        assert await waiting is None
    assert ended == ["ended"]
    assert await watch.next(stream) is None


async def test_a_timeout_of_what_is_watched_is_not_taken_for_the_end() -> None:
    async def fails() -> AsyncGenerator[int, None]:
        raise TimeoutError
        yield 1

    with pytest.raises(TimeoutError):
        await Watch("page").next(fails())


def test_the_streams_of_a_page_are_ended_together_and_those_of_others_go_on() -> None:
    watches = Watches()
    with watches.begin("mine") as first, watches.begin("mine") as second, watches.begin("another") as other:
        watches.end("mine", but=second)
        assert (first.is_over, second.is_over, other.is_over) == (True, False, False)
        watches.end("mine")
        assert (second.is_over, other.is_over) == (True, False)
        watches.end("nobody's")
    watches.end("mine")
    assert not watches._open
