"""Clients that never read, clients that vanish, crowds that come at once: their places are free again, and
nobody else notices."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from benchmarks.page_client import Page, Tab
from benchmarks.scripted_model import Script
from tests.conftest import eventually
from tests.running import RunningApp

from .floods import Flooder, Person, app_over_scripted_model, client_at, memory_of
from .owners import Owner, archive, conversation
from .prober import probed
from .watching import (
    MOST_SECONDS,
    MOST_STARVATION,
    TIMED_APP,
    connections_of,
    longest_round_of,
    starvation_of,
)

MOST_MEGABYTES = 150
SECONDS = 8
KEY = "a-key-of-the-crowd-that-nobody-guesses"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[RunningApp]:
    settings = {
        "MAX_CONCURRENT_REPLIES": "400",
        "MAX_REPLIES_PER_ADDRESS": "0",
        "MAX_CALLS_PER_ADDRESS": "0",
        "API_KEYS": KEY,
    }
    with app_over_scripted_model(tmp_path, program=TIMED_APP, **settings) as app:
        yield app


@pytest.mark.parametrize(("number", "stay"), [(180, True), (200, False)], ids=["never read", "vanish"])
async def test_others_notice_nothing_and_the_places_are_free_again(
    app: RunningApp, number: int, stay: bool
) -> None:
    async with Person.at(app.url) as person:
        await person.talk(3)  # what is made once is there
        memory, connections = memory_of(app), connections_of(app)
        await longest_round_of(app)
        with probed(f"{app.url}/livez") as probes, starvation_of(app) as starved:
            async with client_at("127.0.0.1") as http:
                clients = [Flooder(http, app.url) for _ in range(number)]
                for few in range(0, number, 20):
                    await asyncio.gather(*(client.stalled_readers() for client in clients[few : few + 20]))
                    for client in clients[few : few + 20] if not stay else ():
                        client.close()  # in the middle of the reply
                began = await person.talk(SECONDS)
                for client in clients:
                    assert set(client.answers) == {200}
                    client.close()
            gone = time.monotonic()

            async def are_gone() -> bool:
                return connections_of(app) <= connections + 2

            await eventually(are_gone, 5)
            freed = time.monotonic() - gone
            began += await person.talk(2)
            rounds = await longest_round_of(app)
        blocked = probes.slowest(0.99)
        grown = memory_of(app) - memory
        print(
            f"began after {max(began):.2f} s, gone after {freed:.1f} s, {grown:.0f} MB more, "
            f"{blocked:.3f} s, {rounds}, starved {starved[0]:.2f}"
        )
        assert max(began) <= 2 or starved[0] > MOST_STARVATION
        assert blocked <= MOST_SECONDS or starved[0] > MOST_STARVATION
        assert rounds.busiest <= MOST_SECONDS
        assert rounds.longest <= MOST_SECONDS or starved[0] > MOST_STARVATION
        assert grown < MOST_MEGABYTES


async def never_read(app: RunningApp) -> None:
    async with client_at("127.0.0.1") as http:
        clients = [Flooder(http, app.url) for _ in range(180)]
        await asyncio.gather(*(client.stalled_readers() for client in clients))
        for client in clients:
            assert set(client.answers) == {200}
            client.close()


async def open_pages(app: RunningApp) -> None:
    async with client_at("127.0.0.1") as http, AsyncExitStack() as stack:
        page = await Page.get(http, app.url)
        tabs = [await stack.enter_async_context(Tab(page, http)) for _ in range(100)]
        await asyncio.gather(*(tab.load() for tab in tabs))


async def complete(app: RunningApp) -> None:
    asked = {"model": "scripted", "messages": [{"role": "user", "content": Script(0, 500).message}]}
    headers = {"authorization": f"Bearer {KEY}"}

    async def ask(http: aiohttp.ClientSession, stream: bool) -> None:
        address = f"{app.url}/v1/chat/completions"
        async with http.post(address, json=asked | {"stream": stream}, headers=headers) as answer:
            assert answer.status == 200
            await answer.read()

    async with client_at("127.0.0.1") as http:
        await asyncio.gather(*(ask(http, stream) for stream in [True, False] * 50))


async def move_a_long_conversation(app: RunningApp) -> None:
    async with client_at("127.0.0.1") as http:
        call = (owner := Owner(http, app.url)).call
        stored = {"session_id": await owner.bring("long.json", conversation(1000, 4000))}
        for format in ("json", "markdown"):
            await call("export_session", **stored, format=format)
        last = (await call("history", **stored))["messages"][-1]["id"]
        await call("branch", **stored, message_id=last)
        link = await call("share", **stored, days=1)
        await call("import_share", token=link["token"])
        await call("export_all")


async def search_many_conversations(app: RunningApp) -> None:
    many = archive(200, conversation(100, 2000))
    async with client_at("127.0.0.1") as http:
        owner = Owner(http, app.url)
        await owner.bring("many.zip", many)
        assert not (await owner.call("search_sessions", query="nowhere"))["sessions"]
        assert len((await owner.call("search_sessions", query="ipsum"))["sessions"]) == 200


CROWDS: dict[str, Callable[[RunningApp], Awaitable[None]]] = {
    "never read": never_read,
    "open pages": open_pages,
    "complete": complete,
    "move a long conversation": move_a_long_conversation,
    "search many conversations": search_many_conversations,
}


async def test_no_crowd_holds_the_loop_up(app: RunningApp) -> None:
    async with Person.at(app.url) as person:
        await person.talk(3)  # what is made once is there
        for name, come in CROWDS.items():
            await longest_round_of(app)
            with starvation_of(app) as starved:
                await asyncio.gather(come(app), person.talk(3))
                rounds = await longest_round_of(app)
            print(f"{name}: {rounds}, starved {starved[0]:.2f}")
            assert rounds.busiest <= MOST_SECONDS
            assert rounds.longest <= MOST_SECONDS or starved[0] > MOST_STARVATION
