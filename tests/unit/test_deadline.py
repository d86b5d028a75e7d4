"""Deadline: it does what asyncio.timeout_at does, so both stand the same tests, but with a single timer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress

import pytest

from chat_core.models.deadline import Deadline

SOON = 0.05
NEVER = 3600.0


def now() -> float:
    return asyncio.get_running_loop().time()


async def in_a_deadline(seconds: float, what: Awaitable) -> object:
    with closing(Deadline(now() + seconds)) as deadline, deadline:
        return await what


async def in_a_timeout(seconds: float, what: Awaitable) -> object:
    async with asyncio.timeout_at(now() + seconds):
        return await what


@pytest.fixture(params=[in_a_deadline, in_a_timeout], ids=["Deadline", "asyncio.timeout_at"])
def limited(request: pytest.FixtureRequest) -> Callable[[float, Awaitable], Awaitable]:
    return request.param


async def forever() -> None:
    await asyncio.Event().wait()


async def at_once() -> str:
    return "done"


async def broken_when_cancelled() -> None:
    try:
        await forever()
    except asyncio.CancelledError:
        raise ConnectionError from None


@pytest.mark.parametrize("seconds", [NEVER, -1], ids=["in time", "after the deadline"])
async def test_what_needs_no_wait_is_returned(limited, seconds):
    assert await limited(seconds, at_once()) == "done"
    await asyncio.sleep(0)  # not cancelled later either


@pytest.mark.parametrize("seconds", [SOON, -1], ids=["by then", "from the start"])
async def test_what_takes_too_long_times_out_and_the_task_goes_on(limited, seconds):
    with pytest.raises(TimeoutError):
        await limited(seconds, forever())
    assert asyncio.current_task().cancelling() == 0


async def test_an_error_that_the_cancellation_turns_into_is_let_through(limited):
    with pytest.raises(ConnectionError):
        await limited(SOON, broken_when_cancelled())
    assert asyncio.current_task().cancelling() == 0


async def test_a_cancellation_by_somebody_else_is_no_time_out(limited):
    task = asyncio.create_task(limited(NEVER, forever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_by_somebody_else_outdoes_the_time_out(limited):
    async def cancelled_by_both() -> None:
        task.cancel()  # before the deadline, which is over already, does the same
        await forever()

    task = asyncio.create_task(limited(-1, cancelled_by_both()))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_out_inside_another_ends_alone(limited):
    async with asyncio.timeout(NEVER):
        with suppress(TimeoutError):
            await limited(SOON, forever())
        await asyncio.sleep(0)


async def test_a_time_out_around_it_is_not_its_own(limited):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON) as around:
            await limited(NEVER, forever())
    assert around.expired()


# What it is for


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.TimerHandle]:
    """All that a Deadline sets."""
    handles: list[asyncio.TimerHandle] = []
    original = Deadline._set

    def counted(deadline: Deadline) -> None:
        original(deadline)
        handles.append(deadline._timer)

    monkeypatch.setattr(Deadline, "_set", counted)
    return handles


async def test_one_timer_serves_waits_whose_deadline_moves_on(timers):
    with closing(Deadline(now() + NEVER)) as deadline:
        for _ in range(100):
            with deadline:
                await asyncio.sleep(0)
            deadline.at = now() + NEVER
    assert len(timers) == 1
    assert timers[0].cancelled()


async def test_a_deadline_that_has_moved_on_is_kept():
    with closing(Deadline(now() + SOON)) as deadline:
        deadline.at = moved = now() + 4 * SOON
        with pytest.raises(TimeoutError), deadline:
            await forever()
        assert now() >= moved - 0.01


async def test_a_deadline_may_move_closer():
    with closing(Deadline(now() + NEVER)) as deadline:
        with deadline:
            await asyncio.sleep(0)
        deadline.at = now() + SOON
        with pytest.raises(TimeoutError), deadline:
            await forever()


async def test_what_happens_between_two_waits_is_not_limited():
    with closing(Deadline(now() + SOON)) as deadline:
        with deadline:
            await asyncio.sleep(0)
        await asyncio.sleep(2 * SOON)
        deadline.at = now() + SOON
        with pytest.raises(TimeoutError), deadline:
            await forever()


async def test_two_tasks_may_take_turns():
    async def wait(deadline: Deadline) -> None:
        with deadline:
            await forever()

    with closing(Deadline(now() + SOON)) as deadline:
        with deadline:
            await asyncio.sleep(0)
        other = asyncio.create_task(wait(deadline))
        with pytest.raises(TimeoutError):
            await other
