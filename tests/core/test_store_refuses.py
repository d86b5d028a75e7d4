"""Redis answers and refuses to write: it is full, read-only, or without its replicas."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from chat_core import ChatService, Settings
from chat_core.errors import StoreUnavailable
from tests.conftest import eventually, running_valkey
from tests.scripted_model import ScriptedModel

from .conftest import Chat

REFUSALS = {
    "full": (("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory", 0), "full"),
    "without its replicas": (
        ("CONFIG", "SET", "min-replicas-to-write", 1),
        ("CONFIG", "SET", "min-replicas-to-write", 0),
        "not_writing",
    ),
    "read-only": (("REPLICAOF", "127.0.0.1", 1), ("REPLICAOF", "NO", "ONE"), "read_only"),
}


class Refusal(NamedTuple):
    """Lets a server refuse to write, and write again."""

    redis: Redis
    refuse: tuple[str | int, ...]
    relent: tuple[str | int, ...]
    trouble: str

    async def begin(self) -> None:
        await self.redis.execute_command(*self.refuse)

    async def end(self) -> None:
        await self.redis.execute_command(*self.relent)


@pytest.fixture(params=REFUSALS.values(), ids=REFUSALS)
async def refusal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Refusal]:
    with running_valkey(tmp_path) as server:
        async with Redis.from_url(f"unix://{server.socket}", decode_responses=True) as redis:
            yield Refusal(redis, *request.param)


@pytest.fixture
async def chat(refusal: Refusal, model: ScriptedModel) -> AsyncIterator[Chat]:
    """A session on a server of its own."""
    async with ChatService(
        Settings(rate_limit="", openai_model="big", title_model="off"), redis=refusal.redis, model=model
    ) as service:
        user, session = await service.start_session()
        yield Chat(service, model, user, session.id)
        await refusal.end()


async def test_a_message_that_cannot_be_stored_is_refused_in_the_stores_name_each_time(
    chat: Chat, refusal: Refusal
) -> None:
    await chat.say("One?", "1.")
    await refusal.begin()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await chat.service.start_turn(chat.user, chat.id, "Two?")
        with pytest.raises(StoreUnavailable):
            await chat.service.regenerate(chat.user, chat.id)
    assert await chat.contents() == ["One?", "1."]
    await refusal.end()
    assert chat.model.silent
    await chat.say("Two?", "2.")
    assert await chat.contents() == ["One?", "1.", "Two?", "2."]


async def test_after_a_reply_that_cannot_be_saved_the_store_is_named_each_time(
    chat: Chat, refusal: Refusal
) -> None:
    turn_id, call = await chat.ask("One?")
    follower = asyncio.create_task(chat.read(turn_id))
    call.say("1.")
    await chat.read_until("1.")
    await refusal.begin()
    call.end()
    await call.closed.wait()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await chat.service.start_turn(chat.user, chat.id, "Two?")
    await refusal.end()
    await chat.say("Two?", "2.")
    assert (await follower)[1].status == "done"
    assert await chat.contents() == ["One?", "1.", "Two?", "2."]


async def test_a_store_that_cannot_write_is_not_healthy_and_it_is_told_why(
    chat: Chat, refusal: Refusal
) -> None:
    assert (await chat.service.health()).store
    await refusal.begin()
    async with asyncio.timeout(2):
        assert (await chat.service.health()).store_trouble == refusal.trouble
    await refusal.end()

    async def heals() -> bool:
        return (await chat.service.health()).store

    await eventually(heals)
    left = {key: await refusal.redis.ttl(key) for key in [key async for key in refusal.redis.scan_iter("*")]}
    assert min(left.values()) > 0
