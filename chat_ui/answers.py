"""Answers that are made as a whole, some of them as long as a conversation: an address has few of them made
at once, and no more of them kept than it reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_core import THIS_MACHINE

# They take milliseconds, or long for each other: more at once would be no sooner there.
_AT_ONCE = 4
_LONG_CHARS = 250_000
_PART_BYTES = 65_536

_places: WeakKeyDictionary[Any, WeakValueDictionary[str, asyncio.Semaphore]] = WeakKeyDictionary()


@asynccontextmanager
async def place_of(address: str) -> AsyncIterator[None]:
    """Waits for one of the few places of that address, which is free again afterwards; the app's own machine,
    which may speak for many, has any number."""
    if address in ("", THIS_MACHINE):
        yield
        return
    places = _places.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    async with places.setdefault(address, asyncio.Semaphore(_AT_ONCE)):
        yield


def is_long(answer: Any) -> bool:
    """Whether there is much text in it."""
    values, chars = [answer], 0
    while values and chars <= _LONG_CHARS:
        value = values.pop()
        if isinstance(value, str):
            chars += len(value)
        elif isinstance(value, dict):
            values += value.values()
        elif isinstance(value, list | tuple):
            values += value
    return chars > _LONG_CHARS


class InParts:
    """ASGI middleware that sends a long body in parts, each once the client has room for it: what is written
    to a connection is copied, and would stay until it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_parts(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) <= _PART_BYTES:
                await send(message)
                return
            last = (len(body) - 1) // _PART_BYTES * _PART_BYTES
            for begin in range(0, last, _PART_BYTES):
                part = body[begin : begin + _PART_BYTES]
                await send({**message, "body": part, "more_body": True})
            await send({**message, "body": body[last:]})

        await self._app(scope, receive, send_parts)
