"""Two apps over one store: what is done in one reaches the other, and of two things at once one runs."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import eventually
from tests.fake_openai import FakeOpenAI
from tests.faults.callers import Caller, Json, callers
from tests.running import RunningApp, running_app

QUESTION = " ".join(f"word{number:03}" for number in range(200))  # ten seconds
LEASE_SECONDS = 5
RACES = 200


@pytest.fixture
def apps(
    tmp_path: Path, settings: dict[str, str], valkey: EmbeddedValkey
) -> Iterator[tuple[RunningApp, RunningApp]]:
    limits = {"MAX_STORED_MESSAGES": "0", "MAX_REPLIES_PER_USER": "0"}
    address = {"REDIS_URL": f"unix://{valkey.socket}"}
    with (
        running_app(tmp_path, **settings, **address, **limits) as first,
        running_app(tmp_path, **settings, **address, **limits) as second,
    ):
        yield first, second


def elsewhere(person: Caller, app: RunningApp) -> Caller:
    """The same person at the other app."""
    other = Caller(person._http, app.url)
    other.conversation = person.conversation
    return other


async def resume(person: Caller) -> Json:
    """Follows the reply to its end, and notes that it has begun."""
    async for event in person.events("resume"):
        person.last = event
        if event["type"] == "text":
            person.began.set()
    return person.last


async def test_a_stop_from_the_other_process_closes_the_upstream_connection(
    apps: tuple[RunningApp, RunningApp], provider: FakeOpenAI
) -> None:
    first, second = apps
    async with callers(first.url, 1) as (person,):
        asking = asyncio.create_task(person.ask(QUESTION))
        await asyncio.wait_for(person.began.wait(), 10)
        request = provider.requests[-1]
        stopped = time.monotonic()
        answer = await elsewhere(person, second).call("stop")
        await eventually(lambda: _is_closed(provider), max(0.0, stopped + 1 - time.monotonic()))
        assert request.said == QUESTION
        assert answer["stopped"]
        await asking
        assert person.last["status"] == "stopped"


async def _is_closed(provider: FakeOpenAI) -> bool:
    return provider.requests[-1].closed.is_set()


async def test_of_a_killed_process_the_upstream_is_closed_and_followers_elsewhere_are_told(
    apps: tuple[RunningApp, RunningApp], provider: FakeOpenAI
) -> None:
    first, second = apps
    async with callers(first.url, 1) as (person,):
        asking = asyncio.create_task(person.ask(QUESTION))
        await asyncio.wait_for(person.began.wait(), 10)
        follower = elsewhere(person, second)
        following = asyncio.create_task(resume(follower))
        await asyncio.wait_for(follower.began.wait(), 10)
        killed = time.monotonic()
        await asyncio.to_thread(first.end, SIGKILL)
        await eventually(lambda: _is_closed(provider), max(0.0, killed + 1 - time.monotonic()))
        end = await asyncio.wait_for(following, killed + LEASE_SECONDS + 1 - time.monotonic())
        assert end["status"] == "interrupted"
        await asking
        assert (await follower.call("chat_events", message="again"))["status"] == "done"


@pytest.mark.timeout(300)
async def test_of_two_sends_at_once_in_two_processes_exactly_one_runs(
    apps: tuple[RunningApp, RunningApp],
) -> None:
    async with callers(apps[0].url, 10) as people:
        won = await asyncio.gather(*(_race(person, apps, RACES // len(people)) for person in people))
        assert sum(won) > RACES / 2  # they did race


async def _race(person: Caller, apps: tuple[RunningApp, RunningApp], races: int) -> int:
    """How many races had one winner."""
    won = 0
    other = elsewhere(person, apps[1])
    for number in range(races):
        messages = [f"{number}a", f"{number}b"]
        ends = await asyncio.gather(
            *(
                one.call("chat_events", message=message)
                for one, message in zip((person, other), messages, strict=True)
            ),
            return_exceptions=True,
        )
        # A reply of two words may be over before the other has asked: then both ran, one after the other.
        assert any(isinstance(end, dict) for end in ends), ends
        assert all(isinstance(end, dict) or "still being written" in str(end) for end in ends), ends
        won += sum(isinstance(end, dict) for end in ends) == 1
    await check_nothing_is_interleaved(person)
    return won


async def test_of_five_sends_at_once_exactly_one_runs(apps: tuple[RunningApp, RunningApp]) -> None:
    async with callers(apps[0].url, 1) as (person,):
        others = [elsewhere(person, apps[number % 2]) for number in range(5)]
        sending = [
            asyncio.create_task(other.call("chat_events", message=f"{QUESTION} {number}"))
            for number, other in enumerate(others)
        ]
        done, running = await asyncio.wait(sending, timeout=5)
        assert len(running) == 1
        for task in done:
            assert "still being written" in str(task.exception())
        assert (await running.pop())["status"] == "done"
        await check_nothing_is_interleaved(person)


async def check_nothing_is_interleaved(person: Caller) -> None:
    """Each question is followed by the answer to it, and none is there twice."""
    messages = await person.history()
    asked = [message["content"] for message in messages[::2]]
    assert messages
    assert len(set(asked)) == len(asked)
    assert [message["content"] for message in messages[1::2]] == [f"You said: {text}" for text in asked]
    assert [message["role"] for message in messages] == ["user", "assistant"] * len(asked)
