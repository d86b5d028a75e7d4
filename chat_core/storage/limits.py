"""RateLimiter: how many messages a user may send, counted in Redis by the library `limits`."""

import time
from typing import cast

from limits import parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from ..errors import RateLimited
from . import keys


class RateLimiter:
    """A moving window of `limit`, like "20/minute", per user; the empty string allows everything."""

    def __init__(self, redis: Redis, limit: str) -> None:
        self._limit = parse(limit) if limit else None
        self._limiter = MovingWindowRateLimiter(
            RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix=keys.RATE_LIMIT_PREFIX,
                connection_pool=cast(str, redis.connection_pool),  # annotated too narrowly there,
            )
        )

    async def check(self, user_id: str) -> None:
        """Counts one message of this user. Raises RateLimited, and counts nothing, over the limit."""
        if self._limit is None or await self._limiter.hit(self._limit, user_id):
            return
        window = await self._limiter.get_window_stats(self._limit, user_id)
        raise RateLimited(retry_after=max(1.0, window.reset_time - time.time()))
