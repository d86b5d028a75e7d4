"""What a crowd does at the same time is spread over rounds of the loop."""

import asyncio
import time

from chat_core.slices import next_slice, work_for

CROWD = 20
MOST_AT_ONCE = 4


async def have_a_slice() -> None:
    await next_slice()
    work()


def work(seconds: float = 0.004) -> None:
    time.sleep(seconds)


async def test_a_crowd_works_a_few_in_each_round_and_in_order() -> None:
    done: list[int] = []
    counts: list[int] = []

    async def have_one(which: int) -> None:
        await have_a_slice()
        done.append(which)

    async with asyncio.TaskGroup() as group:
        for which in range(CROWD):
            group.create_task(have_one(which))
        while len(done) < CROWD:
            before = len(done)
            await asyncio.sleep(0)
            counts.append(len(done) - before)
    assert done == [*range(CROWD)]
    assert 1 < max(counts) <= MOST_AT_ONCE


async def test_those_for_whom_it_is_done_take_turns() -> None:
    done: list[str] = []

    async def have_one(whom: str) -> None:
        work_for(whom)
        await have_a_slice()
        done.append(whom)

    async with asyncio.TaskGroup() as group:
        for whom in ["ana"] * CROWD + ["bob"] * 2 + ["cai"]:
            group.create_task(have_one(whom))
    begun = done[: 3 * MOST_AT_ONCE]
    assert (begun.count("bob"), begun.count("cai"), done.count("ana")) == (2, 1, CROWD)


async def test_while_rounds_are_long_each_has_one() -> None:
    counts: list[int] = []
    done: list[None] = []

    async def have_a_long_one() -> None:
        await next_slice()
        work(0.02)
        done.append(None)

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(have_a_long_one())
        while len(done) < 10:
            before = len(done)
            await asyncio.sleep(0)
            counts.append(len(done) - before)
    assert max(counts) == 1


async def test_one_alone_does_not_wait() -> None:
    alone = asyncio.create_task(next_slice())
    await asyncio.sleep(0)
    assert alone.done()


async def test_whoever_goes_away_holds_nobody_up() -> None:
    *gone, last = [asyncio.create_task(have_a_slice()) for _ in range(CROWD)]
    await asyncio.sleep(0)
    assert not last.done()
    for task in gone:
        task.cancel()
    async with asyncio.timeout(5):
        await last
    ended = await asyncio.gather(*gone, return_exceptions=True)
    assert sum(isinstance(end, asyncio.CancelledError) for end in ended) > CROWD / 2


def test_a_loop_that_ends_in_the_middle_of_a_round_holds_no_other_one_up() -> None:
    for _ in range(2):
        asyncio.run(asyncio.wait_for(next_slice(), 5))
