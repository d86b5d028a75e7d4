"""StoreConnection: the Redis of a service, and how its failures reach callers."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from ..errors import StoreUnavailable
from . import keys

log = logging.getLogger(__name__)

STORE_TIMEOUT_SECONDS = 7.0
_HEALTH_SECONDS = 2.0
_HEALTH_KEY_SECONDS = 60


@asynccontextmanager
async def redis_errors_as_store_unavailable(
    seconds: float | None = STORE_TIMEOUT_SECONDS,
) -> AsyncIterator[None]:
    """Nothing outside chat_core sees an exception of Redis, and nobody waits for longer than `seconds`
    (None: without an end), however often the client tries again."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (RedisError, TimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from error


class StoreConnection:
    """A client of the Redis at `address`; of the embedded Valkey in `data_dir` when the address is empty.

    "memory://" keeps everything in this process. A `client` that is given is used as it is, and not closed.
    """

    def __init__(
        self, address: str = "memory://", data_dir: Path = Path("data"), client: Redis | None = None
    ) -> None:
        if not address and sys.platform == "win32":  # no unix sockets
            address = "memory://"
        self._given = client is not None
        self.is_lasting = address != "memory://" or self._given
        self._valkey: Any = None
        if not address and not self._given:
            self._valkey = _embedded_valkey(data_dir)
            address = f"unix://{self._valkey.socket}"
        self.redis: Redis = client if client is not None else _connect(address)

    async def open(self, stack: AsyncExitStack) -> None:
        """Starts the embedded Valkey, if it is needed; `stack` later closes what was opened. A server that
        cannot start is logged, and the app goes on without a store."""
        if self._given:
            return
        if self._valkey is not None:
            try:
                await asyncio.to_thread(self._valkey.start)
            except StoreUnavailable as error:
                log.error("%s", error)
            else:
                stack.push_async_callback(asyncio.to_thread, self._valkey.stop)
        stack.push_async_callback(self.redis.aclose)

    async def is_healthy(self) -> bool:
        """Whether the store takes what is written to it: one that is full or read-only still answers."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                return bool(await self.redis.set(keys.HEALTH, "1", ex=_HEALTH_KEY_SECONDS))
        except (RedisError, TimeoutError):
            return False


def _embedded_valkey(data_dir: Path) -> Any:
    from .valkey import EmbeddedValkey  # needs a system with unix sockets

    return EmbeddedValkey(data_dir)


def _connect(address: str) -> Redis:
    """A client that connects when it is first used."""
    if address == "memory://":
        from fakeredis import FakeAsyncRedis, FakeServer  # nobody needs it before

        return FakeAsyncRedis(server=FakeServer(), decode_responses=True)
    return Redis.from_url(
        address,
        decode_responses=True,
        max_connections=2000,
        health_check_interval=30,
        # One more try, not the library's ten: a person waits for the word that the store is away.
        socket_timeout=4,
        retry=Retry(ConstantBackoff(0.2), 1),
    )
