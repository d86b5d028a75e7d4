"""Measures of our app with much in its store: a conversation of a thousand messages, a thousand of those."""

import asyncio
import json
import time

from .clients import Client, EventsClient, PageClient
from .load import MILLI, watched
from .page_client import Page, Tab
from .report import Results, median
from .stage import Stage

# The page's ids of what this needs: the buttons that export and import, and where an exported file appears.
EXPORT, FILE, IMPORT = "as-json", "download", "import"

MANY = 1000


async def conversation_file(stage: Stage, messages: int) -> bytes:
    """A conversation with that many messages, as our page imports it: a turn that was exported, repeated."""
    page = await Page.get(stage.http, stage.server.url)
    async with Tab(page, stage.http) as tab:
        await tab.load()
        await tab.send(stage.model.script(tokens=60).message)
        tab.trigger(page.component(elem_id=EXPORT), "click")
        await tab.settled()
        file = tab.values[page.component(elem_id=FILE)]
    conversation = json.loads(file["text"])
    turn = conversation["messages"]
    conversation["messages"] = [
        {**message, "id": f"{message['id']}{number}"} for number in range(messages // 2) for message in turn
    ]
    return json.dumps(conversation).encode()


async def bring(tab: Tab, file: bytes) -> None:
    """Imports a conversation, which the tab shows then."""
    button = tab.page.component(elem_id=IMPORT)
    tab.values[button] = await tab.upload("conversation.json", file)
    tab.trigger(button, "upload")
    await tab.settled()


async def stored_messages(stage: Stage, results: Results, *, quick: bool) -> None:
    """What a token costs in a new conversation and in one of a thousand messages."""
    tokens, rate = (150 if quick else 450), 150
    file = await conversation_file(stage, MANY)
    for messages in (0, MANY):
        async with stage.people(2) as clients:
            for client in clients if messages else []:
                await _give(stage, client, file)
            await stage.ask_all(clients)
            async with watched(stage.server) as spent:
                await stage.ask_all(clients, tokens, rate, within=0.0)
        cost = spent.cpu_seconds * MILLI / (len(clients) * tokens) * 1000
        what = f"{messages:,} stored messages, {rate} tokens/s"
        results.add("history", what, "CPU ms per 1,000 tokens", stage.contender.name, cost)


async def _give(stage: Stage, client: Client, file: bytes) -> None:
    """The client goes on in that conversation."""
    if isinstance(client, PageClient):
        await bring(client.tab, file)
    elif isinstance(client, EventsClient):
        page = await Page.get(stage.http, stage.server.url)
        async with Tab(page, stage.http) as tab:
            await tab.load()
            await bring(tab, file)
            client.who = tab.values[page.component(type="browserstate")]


async def visits(stage: Stage, results: Results, *, quick: bool) -> None:
    """How long the page's load takes: with little stored, in a conversation of a thousand messages, and
    beside a list of a thousand."""
    many = MANY // 10 if quick else MANY
    file = await conversation_file(stage, many)
    page = await Page.get(stage.http, stage.server.url)
    identity = page.component(type="browserstate")
    for what, many_messages, many_sessions in (
        ("little stored", False, False),
        (f"a conversation of {many:,} messages", True, False),
        (f"a list of {many:,} conversations", False, True),
    ):
        async with Tab(page, stage.http) as tab:
            await tab.load()
            if many_messages:
                await bring(tab, file)
            else:
                await tab.send(stage.model.script().message)
            who = tab.values[identity]
            if many_sessions:
                await _start_sessions(tab, who["user_id"], many)
        took, size = [], 0
        async with watched(stage.server) as spent:
            for _ in range(_VISITS):
                async with Tab(page, stage.http) as tab:
                    tab.values[identity] = who
                    began = time.monotonic()
                    await tab.load()
                    took.append((time.monotonic() - began) * MILLI)
                    size = tab.received.bytes
        name = stage.contender.name
        results.add("visits", what, "p50 ms", name, median(took))
        results.add("visits", what, "CPU ms", name, spent.cpu_seconds * MILLI / _VISITS)
        results.add("visits", what, "bytes", name, size)


_VISITS = 5


async def _start_sessions(tab: Tab, user_id: str, count: int) -> None:
    """Empty conversations of that user."""
    for _ in range(count // _AT_ONCE):
        await asyncio.gather(*(tab.call("start_chat", user_id, "", None) for _ in range(_AT_ONCE)))


_AT_ONCE = 10
