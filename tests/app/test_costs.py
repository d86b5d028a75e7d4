"""What a turn on the page costs, counted: the figures that the benchmarks measure come from these."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from benchmarks.page_client import Page, Tab
from chat_core import ChatMessage
from chat_core.storage import keys
from tests.fake_openai import DONE, FakeOpenAI, finish, paced, stream, text
from tests.running import RunningApp

TOKENS, RATE = 90, 30


@pytest.fixture
async def store(app: RunningApp, app_directory: Path) -> AsyncIterator[Redis]:
    """What the app keeps its conversations in."""
    async with Redis(
        unix_socket_path=str(app_directory / "data/valkey.sock"), decode_responses=True
    ) as redis:
        yield redis


@pytest.fixture
async def tab(app: RunningApp) -> AsyncIterator[Tab]:
    """A tab in which something was said."""
    async with aiohttp.ClientSession() as http:
        page = await Page.get(http, app.url)
        async with Tab(page, http) as tab:
            await tab.load()
            await tab.send("Hello")
            yield tab


async def test_a_stream_is_a_few_small_frames_a_second(tab: Tab, provider: FakeOpenAI) -> None:
    words = [text(f"w{number:03} ") for number in range(TOKENS)]
    provider.answers.append(stream(*paced(words, RATE), finish(), DONE))
    frames, size, began = tab.received.frames, tab.received.bytes, time.monotonic()
    await tab.send("Tell me much")
    frames, size = tab.received.frames - frames, tab.received.bytes - size
    seconds = time.monotonic() - began  # more than the reply was to take where the machine is busy
    assert TOKENS / RATE * 4 <= frames <= seconds * 5 + 5
    # A frame has less than 200 bytes beside its text; Send and the end have the rest, the list of
    # conversations once.
    assert size < 3_200 + frames * 240


async def test_a_turn_takes_few_commands_and_no_connections_of_its_own(tab: Tab, store: Redis) -> None:
    before = await counts(store)
    for _ in range(3):
        await tab.send("One token")
    commands, connections, _ = (now - then for now, then in zip(await counts(store), before, strict=True))
    # Sent by the app; those that its scripts run are counted too.
    assert commands / 3 <= 85
    assert connections <= 2


async def test_a_turn_reads_no_more_of_a_long_history(tab: Tab, store: Redis) -> None:
    async def read_by_a_turn() -> int:
        before = await counts(store)
        await tab.send("One token")
        return (await counts(store))[2] - before[2]

    short = await read_by_a_turn()
    (messages,) = [key async for key in store.scan_iter("*:messages") if await is_of(tab, key)]
    old = ChatMessage(id="m", role="user", content="x" * 200, timestamp=1.0).to_json()
    await store.lpush(messages, *[old] * 1000)
    assert await read_by_a_turn() < 4 * short


async def test_a_turn_in_a_long_conversation_sends_what_is_shown_once(tab: Tab) -> None:
    sizes = []
    for _ in range(13):  # of which the last exceed what is shown
        before = tab.received.bytes
        await tab.send("One token")
        sizes.append(tab.received.bytes - before)
    # A turn on a busy machine has a frame more.
    assert min(sizes[-3:]) < 1.2 * max(sizes[:9])


async def test_a_visit_asks_for_the_list_and_the_roles(tab: Tab, store: Redis) -> None:
    async with Tab(tab.page, tab.http) as new_tab:
        await store.config_resetstat()
        await new_tab.load()
        asked = {name.removeprefix("cmdstat_") for name in await store.info("commandstats")}
    of_the_script, of_the_health_check = {"smembers", "zrevrange"}, {"set"}
    assert asked - of_the_script - of_the_health_check == {
        "evalsha",
        "hgetall",
        "getex",
        "expire",
        "config|resetstat",
    }


async def test_a_visit_and_a_turn_cost_no_more_beside_a_thousand_conversations(
    tab: Tab, store: Redis
) -> None:
    user_id = tab.values[tab.page.component(type="browserstate")]["user_id"]

    async def add(count: int) -> None:
        async with store.pipeline() as pipe:
            for number in range(count):
                session_id = f"{count}-{number}"
                head = {"role": "assistant", "title": "Old", "created_at": "1", "updated_at": "1"}
                pipe.hset(keys.session(user_id, session_id), mapping=head)
                pipe.zadd(keys.sessions(user_id), {session_id: 1})
            await pipe.execute()

    async def spent() -> tuple[int, int]:
        """Bytes that were read from the store, and sent to the page."""
        read, sent = (await counts(store))[2], tab.received.bytes
        await tab.load()
        await tab.send("One token")
        return (await counts(store))[2] - read, tab.received.bytes - sent

    await add(60)
    read, sent = await spent()
    await add(1000)
    read_then, sent_then = await spent()
    assert read_then < 1.5 * read
    assert sent_then < 1.5 * sent


async def counts(store: Redis) -> tuple[int, int, int]:
    """Commands, connections, and bytes that were read, until now."""
    stats = await store.info("stats")
    names = ("total_commands_processed", "total_connections_received", "total_net_output_bytes")
    return tuple(int(stats[name]) for name in names)  # type: ignore[return-value]


async def is_of(tab: Tab, key: str) -> bool:
    """Whether the key belongs to the conversation that the tab shows."""
    state = tab.values[tab.page.component(elem_id="tab-state")]
    return str(state["session_id"]) in key
