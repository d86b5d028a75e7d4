"""A stage: a server, the model behind it, and the people in front of it."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from .clients import Client, Turn, close_all
from .contenders import Contender
from .processes import Server, end
from .scripted_model import Script

ROOT = Path(__file__).parent.parent

# As many connections as there are people, and as patient as a browser.
HTTP: dict[str, Any] = {
    "timeout": aiohttp.ClientTimeout(total=None, sock_read=120),
    "read_bufsize": 2**20,
    "headers": {"accept-language": "en-US", "user-agent": "benchmark"},
}


class Model:
    """The scripted model in its process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys = itertools.count(1)

    def script(self, tokens: int = 1, rate: float = 0, **more: Any) -> Script:
        """A reply that is like no other."""
        return Script(next(self._keys), tokens, rate, **more)


@contextmanager
def scripted_model() -> Iterator[Model]:
    """The model, while it is needed."""
    command = [sys.executable, "-m", "benchmarks.scripted_model"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        yield Model(process.stdout.readline().decode().strip())
    finally:
        end(process)


@dataclass(frozen=True)
class Stage:
    """What a measure works with."""

    contender: Contender
    server: Server
    model: Model
    http: aiohttp.ClientSession
    idle_bytes: int  # the server's memory before anybody came

    @asynccontextmanager
    async def people(self, count: int, *, opened: bool = True) -> AsyncIterator[list[Client]]:
        """That many, who have `opened` what they have to."""
        clients = [self.contender.client(self.http, self.server.url) for _ in range(count)]
        try:
            if opened:
                for client in clients:
                    await client.open()
            yield clients
        finally:
            await close_all(clients)

    async def ask(self, clients: Sequence[Client], scripts: Sequence[Script], within: float) -> list[Turn]:
        """Each asks for one reply, the last one `within` seconds of the first; the turns, whole."""
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(_ask(client, script, after=number * within / len(clients)))
                for number, (client, script) in enumerate(zip(clients, scripts, strict=True))
            ]
        turns = [task.result() for task in asked]
        broken = sum(not turn.whole for turn in turns)
        if broken:
            raise RuntimeError(f"{broken} of {len(turns)} replies of {self.contender.name} are not whole")
        return turns

    async def ask_all(
        self, clients: Sequence[Client], tokens: int = 1, rate: float = 0, within: float = 1.0
    ) -> list[Turn]:
        """The same, with replies of one kind."""
        return await self.ask(clients, [self.model.script(tokens, rate) for _ in clients], within)

    async def sent(self, script: Script) -> list[float]:
        """When the model sent each of that reply's tokens, in monotonic seconds."""
        async with self.http.get(f"{self.model.url.removesuffix('/v1')}/sent/{script.key}") as response:
            return list(await response.json())


async def _ask(client: Client, script: Script, after: float) -> Turn:
    await asyncio.sleep(after)
    return await client.ask(script)
