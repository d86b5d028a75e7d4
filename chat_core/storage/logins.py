"""LoginStore: who has logged in, and how often it was tried."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from . import keys
from .scripts import Redis, Script, ScriptCall, run_scripts

_COUNT_TRY = Script(Path(__file__).parent / "count_try.lua")


class TryLimit(NamedTuple):
    """So many tries are `free`; each later one doubles the wait, from a second to `longest_seconds`."""

    free: int
    longest_seconds: int


class LoginStore:
    """Logins that last for `login_seconds`. Redis is told neither their tokens nor the names that were tried,
    but digests of them."""

    def __init__(self, redis: Redis, *, login_seconds: int, forget_tries_seconds: int) -> None:
        self._redis = redis
        self._login_seconds = login_seconds
        self._forget_tries_ms = forget_tries_seconds * 1000

    async def add(self, token: str, owner: str) -> None:
        """Keeps whose login the token is."""
        await self._redis.set(keys.login(_digest(token)), owner, ex=self._login_seconds)

    async def owner(self, token: str) -> str:
        """Whose login the token is, "" if nobody's."""
        return await self._redis.get(keys.login(_digest(token))) or ""

    async def remove(self, token: str) -> None:
        """Ends the login."""
        await self._redis.delete(keys.login(_digest(token)))

    async def count_try(self, kind: str, who: str, limit: TryLimit) -> float:
        """Counts a try of this name or from this address as one that fails: 0, or for how many seconds none
        is taken."""
        tries = keys.login_tries(kind, _digest(who))
        arguments = limit.free, limit.longest_seconds * 1000, self._forget_tries_ms
        (left,) = await run_scripts(
            self._redis, ScriptCall(_COUNT_TRY, [tries, keys.login_wait(tries)], arguments)
        )
        return float(left) / 1000

    async def forget_tries(self, kind: str, who: str) -> None:
        """The name's password is known now."""
        tries = keys.login_tries(kind, _digest(who))
        await self._redis.delete(tries, keys.login_wait(tries))

    async def take_back_try(self, kind: str, who: str) -> None:
        """The latest try that was counted did not fail."""
        tries = keys.login_tries(kind, _digest(who))
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.decr(tries)
            pipe.pexpire(tries, self._forget_tries_ms)
            pipe.delete(keys.login_wait(tries))
            await pipe.execute()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
