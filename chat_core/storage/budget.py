"""TokenBudget: how many tokens may be spent in a day, counted in Redis by what replies really took."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from redis.asyncio import Redis

from ..errors import TokensUsedUp, TokensUsedUpAtAddress
from . import keys
from .trouble import STORE_ERRORS

_DAY = 24 * 3600
# Of the limit, so little is left that a person is told.
_NEAR = 0.2
# Users and addresses of which a process remembers what they have spent.
_MOST_KNOWN = 100_000


class TokensLeft(NamedTuple):
    """How many tokens of a `limit` are left, and when there are new ones, in UTC."""

    left: int
    limit: int
    opens_at: str


class TokenBudget:
    """So many tokens a day (UTC) for each user, and for each address; 0: any number.

    The reply that spends the last ones is not cut. To save a round trip before each reply, a process asks
    Redis once a day what somebody has spent, and hears it after each reply then: it may begin one more after
    others have spent the rest.
    """

    def __init__(
        self, redis: Redis, per_user: int, per_address: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._per_user = per_user
        self._per_address = per_address
        self._clock = clock
        self._stored: dict[str, int] = {}  # as Redis told last, by key
        self._unwritten: Counter[str] = Counter()
        self._writing: asyncio.Task[None] | None = None

    async def check(self, user_id: str, address: str = "") -> None:
        """Raises TokensUsedUp, or TokensUsedUpAtAddress, when nothing is left of a limit."""
        limits = self._limits(user_id, address)
        if unknown := [key for key in limits if key not in self._stored]:
            async with self._redis.pipeline(transaction=False) as pipe:  # they may lie at several nodes
                for key in unknown:
                    pipe.get(key)
                values = await pipe.execute()
            self._remember({key: int(value or 0) for key, value in zip(unknown, values, strict=True)})
        for key, (limit, error) in limits.items():
            if self._spent(key) >= limit:
                raise error(limit, self._opens() - self._clock(), self._opens_at())

    def spend(self, user_id: str, address: str, tokens: int) -> None:
        """Counts them, at once for this process and soon for all; what cannot be written goes with the next
        ones."""
        self._unwritten.update(dict.fromkeys(self._limits(user_id, address), tokens))
        if +self._unwritten and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Waits until all is written."""
        if self._writing:
            await self._writing

    def nearly_used_up(self, user_id: str, address: str = "") -> TokensLeft | None:
        """What is left where that is little, as far as this process knows without asking."""
        limits = self._limits(user_id, address).items()
        found = [
            TokensLeft(max(0, limit - self._spent(key)), limit, self._opens_at())
            for key, (limit, _) in limits
        ]
        return min((one for one in found if one.left <= one.limit * _NEAR), default=None)

    async def _write(self) -> None:
        while written := +self._unwritten:
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for key, tokens in written.items():
                        pipe.incrby(key, tokens)
                        pipe.expire(key, 2 * _DAY)
                    totals = (await pipe.execute())[::2]
            except STORE_ERRORS:
                return
            self._remember(dict(zip(written, totals, strict=True)))
            self._unwritten -= written

    def _remember(self, totals: dict[str, int]) -> None:
        if len(self._stored) > _MOST_KNOWN:
            self._stored.clear()
        self._stored |= totals

    def _spent(self, key: str) -> int:
        return self._stored.get(key, 0) + self._unwritten[key]

    def _limits(self, user_id: str, address: str) -> dict[str, tuple[int, type[TokensUsedUp]]]:
        """The limits that hold, by the key that counts."""
        day = int(self._clock() // _DAY)
        limits: dict[str, tuple[int, type[TokensUsedUp]]] = {}
        if self._per_user:
            limits[keys.tokens("user", user_id, day)] = self._per_user, TokensUsedUp
        if self._per_address and address:
            limits[keys.tokens("address", address, day)] = self._per_address, TokensUsedUpAtAddress
        return limits

    def _opens(self) -> float:
        return (self._clock() // _DAY + 1) * _DAY

    def _opens_at(self) -> str:
        return f"{datetime.fromtimestamp(self._opens(), UTC):%Y-%m-%d %H:%M}"
