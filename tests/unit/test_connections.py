"""How many connections an address may have, and when one is given up whose client does not go on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from chat_ui.connections import Connections

PATIENCE = 0.2
HEAD = b"POST / HTTP/1.1\r\nhost: test\r\n"
# More than the system takes over.
LONG_PARTS, PART_BYTES = 60, 65_536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[..., Awaitable[Streams]]


async def answer_slowly(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body, for longer than clients may be silent."""
    if scope["path"] == "/long":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(LONG_PARTS):
            await send({"type": "http.response.body", "body": bytes(PART_BYTES), "more_body": True})
        await send({"type": "http.response.body"})
        return
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for text in (b"read ", b"%d." % length):
        await send({"type": "http.response.body", "body": text, "more_body": True})
        await asyncio.sleep(PATIENCE * 1.5)
    await send({"type": "http.response.body"})


@pytest.fixture
async def open_connection() -> AsyncIterator[Connect]:
    """Opens connections to a server, from that address of this machine."""
    connections = Connections(per_address=2, in_all=1000, proxies=["127.0.0.9/32"], patience=PATIENCE)
    config = uvicorn.Config(answer_slowly, port=0, http=cast(Any, connections), ws="none", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with AsyncExitStack() as stack:
        while not server.started:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]

        async def connected(address: str) -> Streams:
            streams = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            stack.callback(streams[1].close)
            return streams

        yield connected
    server.should_exit = True
    await serving


async def ends(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends."""
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""


async def drip(writer: asyncio.StreamWriter, some: bytes, times: int) -> None:
    for _ in range(times):
        writer.write(some)
        await asyncio.sleep(PATIENCE / 3)


async def test_who_says_nothing_or_too_little_is_not_waited_for(open_connection: Connect) -> None:
    async def silent(address: str, said: bytes, then: bytes = b"") -> float:
        began = time.monotonic()
        reader, writer = await open_connection(address)
        writer.write(said)
        dripping = asyncio.create_task(drip(writer, then, 10))
        assert await ends(reader) == b""
        dripping.cancel()
        return time.monotonic() - began

    waited = await asyncio.gather(
        silent("127.0.0.2", b""),
        silent("127.0.0.3", HEAD, b"x-more: and more\r\n"),
        silent("127.0.0.4", HEAD + b"content-length: 100\r\n\r\nsome"),
        silent("127.0.0.1", b""),
    )
    assert all(PATIENCE * 0.9 < seconds < PATIENCE * 5 for seconds in waited)


async def test_who_goes_on_slowly_is_waited_for_and_answered_to_the_end(open_connection: Connect) -> None:
    reader, writer = await open_connection("127.0.0.2")
    writer.write(HEAD + b"content-length: 18\r\n\r\n")
    await drip(writer, b"abc", 6)  # twice as long as it may be silent
    writer.write(HEAD + b"content-length: 2\r\nconnection: close\r\n\r\nab")  # ahead of the answer
    answers = await ends(reader)
    assert b"18." in answers
    assert b"2." in answers.rpartition(b"HTTP/1.1")[2]


async def test_who_does_not_read_an_answer_is_not_waited_for(open_connection: Connect) -> None:
    async def ask(address: str) -> Streams:
        reader, writer = await open_connection(address)
        writer.write(b"GET /long HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        return reader, writer

    slow, _ = await ask("127.0.0.2")
    await ask("127.0.0.3")
    silent, _ = await ask("127.0.0.3")
    read = 0
    while some := await slow.read(2_000_000):  # for longer than the other may be silent
        read += len(some)
        await asyncio.sleep(PATIENCE / 2)
    assert read > LONG_PARTS * PART_BYTES
    again, _ = await ask("127.0.0.3")  # which had two
    assert await again.readline() == b"HTTP/1.1 200 OK\r\n"
    with suppress(ConnectionResetError):
        assert len(await silent.read()) < LONG_PARTS * PART_BYTES


async def test_when_half_of_all_are_there_an_address_has_fewer() -> None:
    connections = Connections(per_address=16, in_all=32, proxies=[])

    def taken(address: str, number: int) -> int:
        return sum(connections.take((address, 1)) is not None for _ in range(number))

    assert [taken("192.0.2.1", 20), taken("192.0.2.2", 20)] == [16, 2]
    for _ in range(10):
        connections.give_back("192.0.2.1")
    assert taken("192.0.2.2", 20) == 8


async def test_a_head_without_end_is_refused(open_connection: Connect) -> None:
    reader, writer = await open_connection("127.0.0.2")
    writer.write(HEAD)
    for _ in range(70):
        writer.write(b"x-more: " + b"a" * 1000 + b"\r\n")
    assert b"400 Bad Request" in await ends(reader)


async def test_a_long_body_is_no_long_head(open_connection: Connect) -> None:
    reader, writer = await open_connection("127.0.0.2")
    writer.write(HEAD + b"content-length: 200000\r\nconnection: close\r\n\r\n" + b"a" * 200_000)
    assert b"200000." in await ends(reader)


async def test_an_address_has_so_many_and_a_proxy_any_number(open_connection: Connect) -> None:
    held = [await open_connection("127.0.0.2") for _ in range(2)]
    assert await ends((await open_connection("127.0.0.2"))[0]) == b""
    for address in ("127.0.0.3", "127.0.0.9", "127.0.0.9", "127.0.0.9", "127.0.0.1"):
        reader, writer = await open_connection(address)
        writer.write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 200 OK\r\n"
    for reader, _ in held:
        await ends(reader)
    reader, writer = await open_connection("127.0.0.2")
    writer.write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
    assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 200 OK\r\n"
