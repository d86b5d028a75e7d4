"""Logins: who may come in, who has, and how often it may be tried."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping

from ..errors import LoginFailed, StoreUnavailable, TooManyLoginTries
from ..passwords import verify_password
from ..storage import LoginStore, Redis, TryLimit, redis_errors_as_store_unavailable
from ..validation import SIGNED_IN, validate_ids

_PROVIDER = "provider"  # in the place of what tells one password of a user from another
LOGIN_SECONDS = 14 * 24 * 3600
_FORGET_TRIES_SECONDS = 3600
# A name waits for a minute at most: somebody else's tries must not keep its owner out for long.
_PER_NAME = TryLimit(free=5, longest_seconds=60)
_PER_ADDRESS = TryLimit(free=20, longest_seconds=900)

# Passwords are checked one after the other, so that a flood of them takes one processor and no more memory.
_MOST_WAITING = 32
# Every request asks; a store that is frozen must not stop those who are in.
_ASK_SECONDS = 2.0
_MOST_REMEMBERED = 10_000


class Logins:
    """Logins of `users`, whose passwords' hashes are given by their names, or with `signs_in` of whoever a
    provider names. They are kept in Redis, so that they hold in every process; one ends when its user, or the
    password, is another one."""

    def __init__(self, users: Mapping[str, str], redis: Redis, *, signs_in: bool = False) -> None:
        self._users = users
        self._signs_in = signs_in
        self._store = LoginStore(
            redis, login_seconds=LOGIN_SECONDS, forget_tries_seconds=_FORGET_TRIES_SECONDS
        )
        self._checking = asyncio.Semaphore(1)
        self._waiting = 0
        self._last_known: OrderedDict[str, str] = (
            OrderedDict()
        )  # owners by tokens, for when the store is away

    async def log_in(self, name: str, password: str, address: str = "") -> str:
        """The token of a new login, tried from this address ("": not to be counted). Raises LoginFailed, and
        TooManyLoginTries for any password that comes too early."""
        async with redis_errors_as_store_unavailable():
            if address:
                await self._count("address", address, _PER_ADDRESS)
            await self._count("name", name, _PER_NAME)
        if not await self._matches(name, password):
            raise LoginFailed()
        async with redis_errors_as_store_unavailable():
            await self._store.forget_tries("name", name)
            if address:
                await self._store.take_back_try("address", address)
            return await self._new(self._owner(name))

    @redis_errors_as_store_unavailable()
    async def sign_in(self, subject: str) -> str:
        """The token of a new login of whom a provider knows by this name. Raises InvalidInput for a name that
        no user can have."""
        name = f"{SIGNED_IN}{subject}"
        validate_ids(name)
        return await self._new(f"{name} {_PROVIDER}")

    async def _new(self, owner: str) -> str:
        token = secrets.token_urlsafe(32)
        await self._store.add(token, owner)
        self._remember(token, owner)
        return token

    async def user(self, token: str) -> str:
        """The name of whose token it is; "" for a token of nobody's. While the store is away those are known
        who were seen here before; raises StoreUnavailable for others."""
        try:
            async with redis_errors_as_store_unavailable(_ASK_SECONDS):
                owner = await self._store.owner(token)
        except StoreUnavailable:
            owner = self._last_known.get(token, "")
            if not owner:
                raise
        else:
            self._remember(token, owner)
        name, _, proof = owner.partition(" ")
        if proof == _PROVIDER:
            return name if self._signs_in else ""
        return name if name in self._users and owner == self._owner(name) else ""

    async def log_out(self, token: str) -> None:
        """Ends the login, everywhere."""
        if token in self._last_known:
            self._last_known[token] = ""  # who asked just before may hear of it late
        async with redis_errors_as_store_unavailable():
            await self._store.remove(token)

    async def _count(self, kind: str, who: str, limit: TryLimit) -> None:
        if left := await self._store.count_try(kind, who, limit):
            raise TooManyLoginTries(retry_after=max(1.0, left))

    async def _matches(self, name: str, password: str) -> bool:
        """Checks in a thread. A name that nobody has takes as long as any other."""
        if self._waiting >= _MOST_WAITING:
            raise TooManyLoginTries(retry_after=5.0)
        password_hash = self._users.get(name) or next(iter(self._users.values()))
        self._waiting += 1
        try:
            async with self._checking:
                matches = await asyncio.to_thread(verify_password, password, password_hash)
        finally:
            self._waiting -= 1
        return matches and name in self._users

    def _owner(self, name: str) -> str:
        """The name, and which of its passwords it logged in with."""
        return f"{name} {hashlib.sha256(self._users[name].encode()).hexdigest()[:16]}"

    def _remember(self, token: str, owner: str) -> None:
        if not self._last_known.get(token, owner):
            return
        self._last_known.pop(token, None)
        if owner:
            self._last_known[token] = owner
            if len(self._last_known) > _MOST_REMEMBERED:
                self._last_known.popitem(last=False)
