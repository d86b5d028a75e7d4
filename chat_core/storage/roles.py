"""RoleStore: who may answer a user, with the roles of their own."""

import logging
from collections.abc import Iterable

from pydantic import ValidationError

from ..errors import UnknownRole
from ..roles import CUSTOM, Role, Roles
from . import keys
from .damage import sets_damage_aside
from .scripts import Redis

log = logging.getLogger(__name__)


class RoleStore:
    """Everybody's `roles` and those that users write, which are kept for `ttl_seconds` after their last use
    (0: for ever). Everybody's are found without asking Redis."""

    def __init__(self, redis: Redis, roles: Roles, *, ttl_seconds: int) -> None:
        self._redis = redis
        self._roles = roles
        self._ttl_seconds = ttl_seconds

    @sets_damage_aside
    async def own(self, user_id: str) -> list[Role]:
        """The user's own roles, the oldest first."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.roles(user_id))
            pipe.getex(keys.custom_prompt(user_id), ex=self._ttl_seconds or None)
            self._queue_use(pipe, user_id)
            rows, prompt, *_ = await pipe.execute()
        found = dict(_readable(rows.items()))
        if prompt:
            found.setdefault(CUSTOM.key, CUSTOM.model_copy(update={"prompt": prompt}))
        return [found[key] for key in sorted(found)]

    async def roles_for(self, user_id: str, wanted: Iterable[str]) -> Roles:
        """Everybody's roles; the user's own too if one of the `wanted` keys is not among them."""
        if all(not key or key in self._roles for key in wanted):
            return self._roles
        return self._roles.with_own(await self.own(user_id))

    async def find(self, user_id: str, key: str) -> Role:
        """The role of that key; the empty key means the default. Raises UnknownRole."""
        role = await self._find(user_id, key)
        if role is None:
            raise UnknownRole(key, list(self._roles))
        return role

    async def find_or_default(self, user_id: str, key: str) -> Role:
        """The same, and the default role when none has that key (any more)."""
        return await self._find(user_id, key) or self._roles[""]

    @sets_damage_aside
    async def _find(self, user_id: str, key: str) -> Role | None:
        if not key or key in self._roles:
            return self._roles[key]
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(keys.roles(user_id), key)
            pipe.getex(keys.custom_prompt(user_id), ex=self._ttl_seconds or None)
            self._queue_use(pipe, user_id)
            row, prompt, *_ = await pipe.execute()
        for _, role in _readable([(key, row)] if row else []):
            return role
        if key != CUSTOM.key:
            return None
        # Callers name it whether it was written or not.
        return CUSTOM.model_copy(update={"prompt": prompt}) if prompt else CUSTOM

    @sets_damage_aside
    async def save(self, user_id: str, *roles: Role) -> None:
        """Stores the roles, each in the place of that of its key."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for role in roles:
                pipe.hset(keys.roles(user_id), role.key, role.to_json())
            self._queue_use(pipe, user_id)
            if any(role.key == CUSTOM.key for role in roles):
                pipe.delete(keys.custom_prompt(user_id))
            await pipe.execute()

    @sets_damage_aside
    async def delete(self, user_id: str, key: str) -> bool:
        """Removes the user's own role of that key; whether there was one."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.roles(user_id), key)
            if key == CUSTOM.key:
                pipe.delete(keys.custom_prompt(user_id))
            return any(await pipe.execute())

    def _queue_use(self, pipe: Redis, user_id: str) -> None:
        if self._ttl_seconds:
            pipe.expire(keys.roles(user_id), self._ttl_seconds)


def _readable(rows: Iterable[tuple[str, str]]) -> Iterable[tuple[str, Role]]:
    for key, row in rows:
        try:
            yield key, Role.model_validate_json(row)
        except ValidationError:
            log.warning("the role %.12s… of a user cannot be read", key)
