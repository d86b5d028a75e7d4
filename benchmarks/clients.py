"""One person at each server: opens what there is to open, sends messages, and notes when which part of the
reply came. All speak the protocols that browsers and programs use."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from .page_client import Page, Received, Tab, read_events
from .scripted_model import Script


@dataclass
class Turn:
    """What became of one message. Times are monotonic seconds; `bytes` and `frames` were received."""

    script: Script
    sent: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    bytes: int = 0
    frames: int = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)  # when how much of the reply was there

    def hear(self, text: str, when: float) -> None:
        """A text that may hold the reply, as far as it has come."""
        begin = text.find(self.script.beginning)
        if begin < 0:
            return
        expected, got = self.script.text, text[begin:]
        # What follows the reply on a page, if anything, is not part of it.
        length = len(got) if expected.startswith(got) else _common(expected, got)
        if length > (self.arrivals[-1][1] if self.arrivals else 0):
            self.arrivals.append((when, length))

    @property
    def whole(self) -> bool:
        """Every token came."""
        return bool(self.arrivals) and self.arrivals[-1][1] == len(self.script.text)

    @property
    def first_token_seconds(self) -> float:
        """From Send to the first character of the reply."""
        return self.arrivals[0][0] - self.sent

    def lags(self, sent: list[float]) -> list[float]:
        """For each token the seconds from the model's sending it, at these times, to its arrival."""
        lags, arrivals = [], iter(self.arrivals)
        when, length = next(arrivals)
        for at, end in zip(sent, self.script.ends, strict=True):
            while length < end:
                when, length = next(arrivals)
            lags.append(when - at)
        return lags


def _common(one: str, other: str) -> int:
    """The length of what both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class Client(Protocol):
    """Somebody in front of a server."""

    async def open(self) -> None:
        """Everything that happens before a message can be sent."""

    async def ask(self, script: Script) -> Turn:
        """Sends a message; returns when the reply has ended and is stored, where replies are stored."""

    async def close(self) -> None: ...


class RelayClient:
    """A program that calls the relay."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def open(self) -> None:
        pass

    async def ask(self, script: Script) -> Turn:
        turn, received, text = Turn(script), Received(), ""
        body = {"messages": [{"role": "user", "content": script.message}]}
        async with self._http.post(f"{self._url}/chat", json=body) as response:
            response.raise_for_status()
            async for event in read_events(response, received):
                text += json.loads(event)["text"]
                received.frames += 1
                turn.hear(text, time.monotonic())
        return _ended(turn, received)

    async def close(self) -> None:
        pass


class PageClient:
    """A tab with a Gradio page."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._tab: Tab | None = None

    @property
    def tab(self) -> Tab:
        assert self._tab, "not opened"
        return self._tab

    async def open(self) -> None:
        page = await Page.get(self._http, self._url)
        self._tab = await Tab(page, self._http).__aenter__()
        await self.tab.load()

    async def ask(self, script: Script) -> Turn:
        turn = Turn(script)
        before = Received(self.tab.received.bytes, self.tab.received.frames)
        self.tab.heard = turn.hear
        await self.tab.send(script.message)
        after = self.tab.received
        return _ended(turn, Received(after.bytes - before.bytes, after.frames - before.frames))

    async def close(self) -> None:
        if self._tab:
            await self._tab.__aexit__()


class EventsClient:
    """A program that calls our endpoint /chat_events."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, f"{url}/gradio_api/call"
        self.who: dict[str, str] = {}  # in which conversation

    async def open(self) -> None:
        async for answer in self._call("start_chat", {}, Received()):
            self.who = {name: answer[name] for name in ("user_id", "session_id")}

    async def ask(self, script: Script) -> Turn:
        turn, received, text = Turn(script), Received(), ""
        asked = {name: self.who[name] for name in ("user_id", "session_id")} | {"message": script.message}
        async for event in self._call("chat_events", asked, received):
            received.frames += 1
            if event["type"] == "text":
                text += event["text"]
                turn.hear(text, time.monotonic())
        return _ended(turn, received)

    async def _call(self, name: str, parameters: dict[str, str], received: Received) -> AsyncIterator[Any]:
        """What the endpoint yields. Gradio repeats the last item of a stream when it ends."""
        async with self._http.post(f"{self._url}/v2/{name}", json=parameters) as response:
            response.raise_for_status()
            event_id = (await response.json())["event_id"]
            received.bytes += response.content.total_raw_bytes
        async with self._http.get(f"{self._url}/{name}/{event_id}") as response:
            response.raise_for_status()
            async for event in read_events(response, received):
                values = json.loads(event)
                if isinstance(values, dict):
                    raise RuntimeError(f"{name} failed: {values}")
                if values:
                    yield values[0]

    async def close(self) -> None:
        pass


class ChainlitClient:
    """A tab with Chainlit's page: what it asks for when it is opened, then socket.io over a WebSocket."""

    OPENING = ("/", "/project/translations?language=en-US", "/auth/config", "/user", "/project/settings")

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._received, self._turn, self._text = Received(), Turn(Script(0)), ""
        self._idle = asyncio.Event()

    async def open(self) -> None:
        for path in self.OPENING:
            async with self._http.get(self._url + path) as response:
                await response.read()
        self._socket = await self._http.ws_connect(
            f"{self._url}/ws/socket.io/?EIO=4&transport=websocket", max_msg_size=0
        )
        await self._socket.receive()  # the engine's greeting
        who = {"sessionId": str(uuid.uuid4()), "clientType": "webapp", "userEnv": "{}", "chatProfile": ""}
        await self._socket.send_str("40" + json.dumps(who))
        await self._socket.receive()
        self._reader = asyncio.create_task(self._read())
        self._idle.clear()
        await self._emit("connection_successful")
        await self._idle.wait()

    async def ask(self, script: Script) -> Turn:
        self._text, self._received = "", Received()
        self._turn = turn = Turn(script)
        self._idle.clear()
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        message = {
            "id": str(uuid.uuid4()),
            "threadId": "",
            "name": "user",
            "type": "user_message",
            "output": script.message,
            "createdAt": now,
        }
        await self._emit("client_message", {"message": message, "fileReferences": []})
        await self._idle.wait()
        return _ended(turn, self._received)

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()

    async def _emit(self, *event: Any) -> None:
        await self._socket.send_str("42" + json.dumps(event))

    async def _read(self) -> None:
        async for message in self._socket:
            when = time.monotonic()
            self._received.bytes += len(message.data)
            if message.data == "2":
                await self._socket.send_str("3")  # still there
            elif message.data.startswith("42"):
                name, *data = json.loads(message.data[2:])
                self._take(name, data[0] if data else {}, when)

    def _take(self, name: str, data: Any, when: float) -> None:
        self._received.frames += 1
        match name:
            case "stream_start":
                self._text = data["output"]
            case "stream_token":
                self._text += data["token"]
            case "task_end":
                self._idle.set()
        if name.startswith("stream_"):
            self._turn.hear(self._text, when)


def _ended(turn: Turn, received: Received) -> Turn:
    turn.ended = time.monotonic()
    turn.bytes, turn.frames = received.bytes, received.frames
    return turn


async def close_all(clients: list[Any]) -> None:
    """Closes them, whatever comes of it."""
    with suppress(aiohttp.ClientError):
        await asyncio.gather(*(client.close() for client in clients))
