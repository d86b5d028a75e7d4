"""Floods of calls from one address, and a person at another one who goes on talking."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from benchmarks.page_client import BOXES, Page, Tab
from benchmarks.scripted_model import Script
from tests.running import APP, RunningApp, running_app

from .owners import Owner, conversation

# As it comes, except that a limit of messages would soon end both the floods and the person's talk.
SETTINGS = {
    "OPENAI_API_KEY": "none",
    "OPENAI_MODEL": "scripted",
    "RATE_LIMIT": "",
    "RATE_LIMIT_ADDRESS": "",
    "PYTHONWARNINGS": "",
}

WORKERS = 8
FLOODING_ADDRESS = "127.0.0.2"
# That the app may have open; some systems allow hardly more.
MOST_FILES = 800
# Some 18,000 characters, most of them at once.
LONG_REPLY = Script(key=0, tokens=3000, ahead=2500, rate=20).message


@contextmanager
def app_over_scripted_model(
    directory: Path, *, program: Path = APP, prefix: Sequence[str] = (), **more: str
) -> Iterator[RunningApp]:
    """The app, which the `program` runs by the command `prefix`, over a model in a process of its own that
    says what it is asked for."""
    command = [sys.executable, "-m", "benchmarks.scripted_model"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as model:
        try:
            assert model.stdout
            address = model.stdout.readline().strip()
            settings = {"OPENAI_BASE_URL": address, **SETTINGS, **more}
            with running_app(directory, program=program, prefix=prefix, **settings) as app:
                yield app
        finally:
            model.terminate()


def client_at(address: str) -> aiohttp.ClientSession:
    """Connects from that address of this machine."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(address, 0), limit=0))


@dataclass
class Flooder:
    """Somebody who calls and calls; how the calls were answered, by status."""

    http: aiohttp.ClientSession
    url: str
    address: str = FLOODING_ADDRESS
    answers: Counter[int] = field(default_factory=Counter)
    _conversation: tuple[str, ...] = ()
    _unread: list[aiohttp.ClientResponse] = field(default_factory=list)
    _silent: list[asyncio.StreamWriter] = field(default_factory=list)
    _brought: asyncio.Task[Owner] | None = None
    _asking: set[asyncio.Task[aiohttp.ClientResponse]] = field(default_factory=set)

    def close(self) -> None:
        for one in (*self._unread, *self._silent):
            one.close()
        for asking in (*self._asking, *([self._brought] if self._brought else [])):
            asking.cancel()

    async def unread_answers(self) -> None:
        await self._call("roles")

    async def unread_streams(self) -> None:
        """Resumes one reply that runs."""
        if not self._conversation and (conversation := await self._start_chat()):
            self._conversation = conversation
            await self._call("chat", *conversation, LONG_REPLY, "", "")
        if self._conversation:
            await self._call("resume", *self._conversation, "")

    async def unread_replies(self) -> None:
        if conversation := await self._start_chat():
            await self._call("chat", *conversation, LONG_REPLY, "", "")

    async def stalled_readers(self) -> None:
        """Fetches replies and reads nothing of them."""
        if conversation := await self._start_chat():
            event_id = await self._call("chat", *conversation, LONG_REPLY, "", "")
            self._unread += [answer] if (answer := await self._listen("chat", event_id)) else []

    async def quick_answers(self) -> None:
        """Asks many times at once for what is answered within the request, and fetches it."""

        async def ask() -> None:
            async with self.http.post(f"{self.url}/gradio_api/run/roles", json={}) as answer:
                self.answers[answer.status] += 1
                await answer.read()

        await asyncio.gather(*(ask() for _ in range(20)))

    async def silent_connections(self) -> None:
        """Opens connections and says nothing."""
        app = urlsplit(self.url)
        if len(self._silent) < MOST_FILES:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(
                    app.hostname, app.port, local_addr=(self.address, 0)
                )
                self._silent.append(writer)

    async def long_answers(self) -> None:
        """Asks for all of a long conversation, in both ways, and reads nothing of it."""
        owner = await self._bring("long.json", conversation(980, 2000))
        await self._call("history", owner.user_id, owner.latest, 0)
        if len(self._asking) < MOST_FILES // 2:
            self._ask("history", user_id=owner.user_id, session_id=owner.latest)

    async def _bring(self, name: str, content: bytes) -> Owner:
        """Somebody who has imported the file, as all workers know them."""

        async def bring() -> Owner:
            owner = Owner(self.http, self.url)
            while not owner.latest:
                try:
                    await owner.bring(name, content)
                except (AssertionError, aiohttp.ClientResponseError):  # calls of an earlier flood count still
                    await asyncio.sleep(1)
            return owner

        self._brought = self._brought or asyncio.create_task(bring())
        return await asyncio.shield(self._brought)

    def _ask(self, name: str, **values: str) -> None:
        """Asks for what is answered within the request, and does not wait for it."""
        asking = asyncio.create_task(self.http.post(f"{self.url}/gradio_api/run/{name}", json=values))
        self._asking.add(asking)

        def answered(asking: asyncio.Task[aiohttp.ClientResponse]) -> None:
            self._asking.discard(asking)
            if not (asking.cancelled() or asking.exception()):
                self.answers[asking.result().status] += 1
                self._unread.append(asking.result())

        asking.add_done_callback(answered)

    async def all_of_it(self) -> None:
        """Does all that is done once and leaves its answer unread."""
        await asyncio.gather(self.unread_answers(), self.unread_streams(), self.unread_replies())

    async def _call(self, name: str, *data: str | int) -> str:
        """The id of the event, "" if there is none."""
        async with self.http.post(f"{self.url}/gradio_api/call/{name}", json={"data": data}) as answer:
            self.answers[answer.status] += 1
            return str((await answer.json()).get("event_id", ""))

    async def _listen(self, name: str, event_id: str) -> aiohttp.ClientResponse | None:
        if not event_id:
            return None
        answer = await self.http.get(f"{self.url}/gradio_api/call/{name}/{event_id}")
        self.answers[answer.status] += 1
        return answer if answer.ok else None

    async def _start_chat(self) -> tuple[str, ...]:
        """A new user and their conversation; empty if the call was refused."""
        if answer := await self._listen("start_chat", await self._call("start_chat", "", "")):
            started = json.loads((await answer.text()).rpartition("data: ")[2])[0]
            return started["user_id"], started["session_id"]
        return ()


FLOODS: dict[str, Callable[[Flooder], Awaitable[None]]] = {
    "unread answers": Flooder.unread_answers,
    "unread streams": Flooder.unread_streams,
    "unread replies": Flooder.unread_replies,
    "all of these": Flooder.all_of_it,
    "stalled readers": Flooder.stalled_readers,
    "quick answers": Flooder.quick_answers,
    "silent connections": Flooder.silent_connections,
    "long answers": Flooder.long_answers,
}


@asynccontextmanager
async def flooded(url: str, kind: str, address: str = FLOODING_ADDRESS) -> AsyncIterator[Counter[int]]:
    """Everything inside happens in a flood from one address; how its calls are answered, by status."""
    async with client_at(address) as http, asyncio.TaskGroup() as group:
        flooder = Flooder(http, url, address)

        async def call_and_call() -> None:
            while True:
                await FLOODS[kind](flooder)
                await asyncio.sleep(0.01)  # the machine is the person's too

        workers = [group.create_task(call_and_call()) for _ in range(WORKERS)]
        yield flooder.answers
        for worker in workers:
            worker.cancel()
        flooder.close()


class Person:
    """A tab with a reply that runs all the time, and one in which messages are sent and replies stopped."""

    def __init__(self, watching: Tab, talking: Tab) -> None:
        self._watching, self._talking = watching, talking
        self._keys = count(1)

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator["Person"]:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(client_at("127.0.0.3"))
            page = await Page.get(http, url)
            tabs = [await stack.enter_async_context(Tab(page, http)) for _ in range(2)]
            for tab in tabs:
                await tab.load()
            yield cls(*tabs)

    async def talk(self, seconds: float) -> list[float]:
        """Talks for so long: how many seconds each reply took to begin. Raises PageError if a stream is
        cut or something is refused."""
        watched = self._script(tokens=int(seconds * 10), rate=10)
        watching = asyncio.create_task(self._watching.send(watched.message))
        until, began = time.monotonic() + seconds, []
        while time.monotonic() < until:
            began.append(await self._send_and_stop())
        await watching
        assert watched.ending.strip() in "".join(self._watching.texts())
        return began

    async def _send_and_stop(self) -> float:
        """Sends a message and stops its reply, which would be a long one: the seconds until it began."""
        script, tab = self._script(tokens=600, rate=20), self._talking
        began: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def heard(text: str, when: float) -> None:
            if script.beginning in text and not began.done():
                began.set_result(when)

        tab.heard, sent = heard, time.monotonic()
        sending = asyncio.create_task(tab.send(script.message))
        await asyncio.wait({began, sending}, return_when=asyncio.FIRST_COMPLETED)
        box = next(target for target, event in tab.page.find("stop", types=BOXES).targets if event == "stop")
        assert box is not None
        tab.trigger(box, "stop")
        await sending
        assert script.ending.strip() not in "".join(tab.texts())
        return began.result() - sent

    def _script(self, *, tokens: int, rate: float) -> Script:
        return Script(key=next(self._keys), tokens=tokens, rate=rate)


def memory_of(app: RunningApp) -> float:
    """The megabytes that the app holds, without its store."""
    statm = Path(f"/proc/{app.process.pid}/statm").read_text()
    return int(statm.split()[1]) * 4096 / 1e6
