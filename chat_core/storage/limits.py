"""RateLimiter: how many messages may be sent, counted in Redis by the library `limits`."""

import time
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from ..errors import RateLimited
from . import keys


class RateLimiter:
    """Moving windows of so many messages per user and per address, like "20/minute"; the empty string
    allows everything. Ids of users cost nothing, addresses do; the `spared` one is not counted."""

    def __init__(self, redis: Redis, per_user: str, per_address: str = "", *, spared: str = "") -> None:
        self._per_user = parse(per_user) if per_user else None
        self._per_address = parse(per_address) if per_address else None
        self._spared = spared
        self._limiter = MovingWindowRateLimiter(_Counters(redis))

    async def check(self, user_id: str, address: str = "") -> None:
        """Counts one message of this user, sent from this address ("": not known). Raises RateLimited over
        one of the limits; what the user's own limit refuses is not counted."""
        await self._count(self._per_user, user_id)
        await self.check_address(address)

    async def check_address(self, address: str) -> None:
        """Counts something else that was asked for from this address. Raises RateLimited."""
        if address and address != self._spared:
            await self._count(self._per_address, "address", address)

    async def _count(self, limit: RateLimitItem | None, *key: str) -> None:
        if limit is None or await self._limiter.hit(limit, *key):
            return
        window = await self._limiter.get_window_stats(limit, *key)
        raise RateLimited(retry_after=max(1.0, window.reset_time - time.time()))


class _Counters(RedisStorage):
    """The library's storage over a client that is there already, of a server or of a cluster."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        super().__init__("async+redis://", implementation="redispy", key_prefix=keys.RATE_LIMIT_PREFIX)

    def configure_bridge(self) -> None:
        bridge: Any = self.bridge
        bridge.storage = self._redis
        bridge.connection_getter = lambda _: self._redis
