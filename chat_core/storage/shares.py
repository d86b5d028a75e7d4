"""ShareStore: conversations that may be read by whoever has their link."""

import logging
import math
import time
from collections.abc import Callable

from pydantic import ValidationError
from redis.exceptions import ResponseError

from ..sharing import Share, SharedConversation
from . import keys
from .damage import is_of_wrong_type, sets_damage_aside
from .scripts import Redis

log = logging.getLogger(__name__)


class ShareStore:
    """Copies of conversations by the tokens of their links, until each expires. What a token stands for lies
    with its owner's other keys, so that it goes with them."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    @sets_damage_aside
    async def add(self, user_id: str, share: Share, copy: SharedConversation) -> None:
        """Stores the copy under the share's token."""
        seconds = max(1, math.ceil(share.expires_at - self._clock()))
        stored = copy.model_dump_json(exclude_defaults=True)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(keys.share(user_id, share.token), stored, ex=seconds)
            pipe.hset(keys.shares(user_id), share.token, share.model_dump_json())
            await pipe.execute()
        await self._redis.set(keys.share_owner(share.token), user_id, ex=seconds)

    @sets_damage_aside
    async def all(self, user_id: str) -> list[Share]:
        """The user's links that hold, the oldest first; others are forgotten."""
        found = []
        gone = []
        for token, row in (await self._redis.hgetall(keys.shares(user_id))).items():
            try:
                share = Share.model_validate_json(row)
            except ValidationError:
                log.warning("a shared link of a user cannot be read")
                gone.append(token)
                continue
            if share.expires_at > self._clock():
                found.append(share)
            else:
                gone.append(token)
        if gone:
            await self.remove(user_id, *gone)
        return sorted(found, key=lambda share: (share.created_at, share.token))

    async def find(self, token: str) -> SharedConversation | None:
        """What may be read under the token, if anything."""
        try:
            user_id = await self._redis.get(keys.share_owner(token))
            stored = await self._redis.get(keys.share(user_id, token)) if user_id else None
            return SharedConversation.model_validate_json(stored) if stored else None
        except (ValidationError, ResponseError) as error:
            if isinstance(error, ResponseError) and not is_of_wrong_type(error):
                raise
            log.warning("a shared conversation cannot be read")
            return None

    @sets_damage_aside
    async def remove(self, user_id: str, *tokens: str) -> bool:
        """Ends the user's links of these tokens; whether there was one."""
        if not tokens:
            return False
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.shares(user_id), *tokens)
            pipe.delete(*(keys.share(user_id, token) for token in tokens))
            removed, _ = await pipe.execute()
        return bool(removed)

    async def remove_of_session(self, user_id: str, session_id: str) -> None:
        """Ends all links to the session."""
        links = await self.all(user_id)
        await self.remove(user_id, *(link.token for link in links if link.session_id == session_id))
