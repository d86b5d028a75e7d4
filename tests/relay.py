"""A wire between a browser and the app that can be cut."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from anyio.from_thread import start_blocking_portal


class Relay:
    """Passes on what comes to its `port`, and the answers, while it is whole."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._ends: set[asyncio.StreamWriter] = set()
        self._whole = True
        self._streams: set[asyncio.StreamWriter] = set()
        self._stalled: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._break()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Every connection breaks, and no new one comes about."""
        self._loop.call_soon_threadsafe(self._break)

    def stall(self) -> None:
        """Of the streams of events that there are now nothing passes any more, also not that they end."""
        self._stalled |= self._streams

    def mend(self) -> None:
        self._whole = True

    def _break(self) -> None:
        self._whole = False
        for end in self._ends | self._stalled:
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._ends |= {writer, back}
        await asyncio.gather(self._pass(reader, back, writer), self._pass(there, writer))
        self._ends -= {writer, back}

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: asyncio.StreamWriter | None = None,
    ) -> None:
        with suppress(OSError):
            while some := await reader.read(65536):
                if client and b"/queue/data?" in some.partition(b"\r\n")[0]:
                    self._streams.add(client)
                if writer not in self._stalled:
                    writer.write(some)
                    await writer.drain()
        if writer not in self._stalled:
            writer.close()


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """The relay in a thread of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Relay(port)) as relay:
        yield relay
