"""Callers of the app's endpoints over plain HTTP, many at once."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

Json = dict[str, Any]


class Caller:
    """Somebody with a conversation of their own, who notes what they are told and when."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self.url = url  # the app may come back at another address
        self.conversation: Json = {}
        self.heard: list[tuple[float, str]] = []
        self.started = asyncio.Event()  # the turn
        self.began = asyncio.Event()  # the reply's text
        self.last: Json = {}

    async def start(self) -> None:
        """Begins a conversation, another one if there was one."""
        answer = await self.call_bare("start_chat")
        self.conversation = {"user_id": answer["user_id"], "session_id": answer["session_id"]}

    async def call(self, endpoint: str, **values: Any) -> Json:
        """The endpoint's last answer. Raises RuntimeError with the sentence of a refusal."""
        return await self.call_bare(endpoint, **self.conversation, **values)

    async def call_bare(self, endpoint: str, **values: Any) -> Json:
        """The same, without saying which conversation."""
        answers = [answer async for answer in self._events(endpoint, values)]
        return answers[-1]

    def events(self, endpoint: str, **values: Any) -> AsyncGenerator[Json, None]:
        """The endpoint's answers as they come. Who closes them hangs up."""
        return self._events(endpoint, {**self.conversation, **values})

    async def _events(self, endpoint: str, values: Json) -> AsyncGenerator[Json, None]:
        address = f"{self.url}/gradio_api/call/v2/{endpoint}"
        async with self._http.post(address, json=values) as answer:
            answer.raise_for_status()
            event_id = (await answer.json())["event_id"]
        async with self._http.get(f"{self.url}/gradio_api/call/{endpoint}/{event_id}") as stream:
            kind = ""
            async for line in stream.content:
                name, _, value = line.decode().rstrip().partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "error":
                    raise RuntimeError(value)
                elif name == "data" and kind in ("generating", "complete") and value != "null":
                    yield json.loads(value)[0]

    async def ask(self, message: str) -> None:
        """Listens to a reply until its end, or the app's."""
        try:
            async for event in self.events("chat_events", message=message):
                self.last = event
                if event["type"] == "started":
                    self.started.set()
                elif event["type"] == "text":
                    self.heard.append((time.monotonic(), event["text"]))
                    self.began.set()
        except (aiohttp.ClientError, ConnectionError):
            return

    def text(self, until: float) -> str:
        """What was heard until then."""
        return "".join(text for when, text in self.heard if when <= until)

    async def history(self) -> list[Json]:
        """The stored messages."""
        messages: list[Json] = (await self.call("history"))["messages"]
        return messages


async def ask_all(people: Sequence[Caller], message: str) -> list[asyncio.Task[None]]:
    """All ask; returns when all have heard the beginning of their replies."""
    asking = [asyncio.create_task(person.ask(message)) for person in people]
    async with asyncio.timeout(20):
        await asyncio.gather(*(person.began.wait() for person in people))
    return asking


@asynccontextmanager
async def callers(
    url: str, number: int, address: str = "127.0.0.1", headers: Mapping[str, str] = {}
) -> AsyncIterator[list[Caller]]:
    """So many, each with a conversation, at one address of this machine."""
    connector = aiohttp.TCPConnector(limit=0, local_addr=(address, 0))
    timeout = aiohttp.ClientTimeout(30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as http:
        people = [Caller(http, url) for _ in range(number)]
        await asyncio.gather(*(person.start() for person in people))
        yield people
