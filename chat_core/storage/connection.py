"""StoreConnection: the Redis of a service, and how its failures reach callers."""

import asyncio
import logging
import math
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from ..errors import StoreUnavailable
from ..store_address import StoreAddress
from . import keys
from .clients import connect
from .trouble import REASONS, STORE_ERRORS, StoreTrouble, trouble_of

log = logging.getLogger(__name__)

STORE_TIMEOUT_SECONDS = 7.0
_PROBE_SECONDS = 2.0
# How often it is looked at: a store in trouble and an embedded one, which may have to be started, more often.
_CLOSE_WATCH_SECONDS = 1.0
_WATCH_SECONDS = 5.0

_IN_MEMORY = StoreAddress("memory://")


@asynccontextmanager
async def redis_errors_as_store_unavailable(
    seconds: float | None = STORE_TIMEOUT_SECONDS,
) -> AsyncIterator[None]:
    """Nothing outside chat_core sees an exception of Redis, and nobody waits for longer than `seconds`
    (None: without an end), however often the client tries again."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (*STORE_ERRORS, TimeoutError) as error:
        raise StoreUnavailable(REASONS[trouble_of(error)]) from error


class StoreConnection:
    """A client of the Redis at `address`; of the embedded Valkey in `data_dir` when that has no URL.

    A `client` that is given is used as it is, and not closed.
    """

    def __init__(
        self,
        address: StoreAddress = _IN_MEMORY,
        data_dir: Path = Path("data"),
        client: Redis | None = None,
    ) -> None:
        if not address.url and sys.platform == "win32":  # no unix sockets
            address = _IN_MEMORY
        self._given = client is not None
        # The embedded one belongs to this machine.
        self.can_be_shared = bool(address.url) and address != _IN_MEMORY
        self.is_lasting = address != _IN_MEMORY or self._given
        self._valkey: Any = None
        if not address.url and not self._given:
            self._valkey = _embedded_valkey(data_dir)
            address = StoreAddress(f"unix://{self._valkey.socket}")
        self.address = address
        # Where a cluster's client differs from a server's, nothing of it is used.
        self.redis: Redis = client if client is not None else connect(address)
        self.seconds = 0.0  # that the latest look at the store took
        self._noted = ""

    async def open(self, stack: AsyncExitStack) -> None:
        """Starts the embedded Valkey, if it is needed; `stack` later closes what was opened. A server that
        cannot start is logged, and the app goes on without a store."""
        if self._given:
            return
        if self._valkey is not None:
            stack.push_async_callback(asyncio.to_thread, self._valkey.stop)
            self._note(await self._start_valkey())
        stack.push_async_callback(self.redis.aclose)

    async def watch(self) -> None:
        """Logs why the store cannot be used, once, and starts the embedded Valkey again when it has died.
        Until it is cancelled; of a client that was given, and of this process's memory, nothing."""
        if self._given or not self.is_lasting:
            return
        while True:
            trouble = await self.trouble()
            reason = REASONS[trouble] if trouble else ""
            seconds = _CLOSE_WATCH_SECONDS if trouble or self._valkey is not None else _WATCH_SECONDS
            if trouble and self._valkey is not None and not self._valkey.is_listening():
                if reason := await self._start_valkey():
                    seconds = _WATCH_SECONDS
                else:
                    self._note("the embedded Valkey had died, it was started again")
            self._note(reason)
            await asyncio.sleep(seconds)

    async def trouble(self) -> StoreTrouble | None:
        """Why the store cannot be used now, within two seconds. One that is full or read-only still answers,
        so it is written to: a key that is never there is set where it is."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self.redis.set(keys.HEALTH, "1", xx=True)
        except (*STORE_ERRORS, TimeoutError) as error:
            self.seconds = math.inf
            return trouble_of(error)
        self.seconds = time.monotonic() - started
        return None

    async def _start_valkey(self) -> str:
        """Why it could not be started, "" if it runs."""
        try:
            await asyncio.to_thread(self._valkey.start)
        except StoreUnavailable as error:
            return error.reason
        return ""

    def _note(self, reason: str) -> None:
        if reason == self._noted:
            return
        self._noted = reason
        if reason:
            log.error("The store cannot be used: %s.", reason)
        else:
            log.warning("The store can be used again.")


def _embedded_valkey(data_dir: Path) -> Any:
    from .valkey import EmbeddedValkey  # needs a system with unix sockets

    return EmbeddedValkey(data_dir)
