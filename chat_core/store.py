"""SessionStore: a user's sessions and their messages in Redis, and how long they are kept."""

import asyncio
import logging
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from pydantic import ValidationError
from redis.exceptions import RedisError

from . import keys
from .errors import MessageNotFound, SessionNotFound, StoreUnavailable
from .messages import ChatMessage, Session

log = logging.getLogger(__name__)

# redis-py's annotations say "bytes or str" and "maybe awaitable" of everything, whatever the client is.
Redis = Any
Pipeline = Any


PATIENCE_SECONDS = 8.0


@asynccontextmanager
async def store_border(seconds: float | None = PATIENCE_SECONDS) -> AsyncIterator[None]:
    """Where Redis' exceptions end: nothing outside this package sees one, and nobody waits for longer than
    `seconds`, however often the client tries again."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (RedisError, TimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from error


class Messages(NamedTuple):
    """Stored messages, oldest first, and how many rows could not be read and are left out."""

    items: list[ChatMessage]
    unreadable: int = 0


# The index of a user's sessions lasts as long as the one that lasts longest.
_TOUCH = """
local index, pinned, head = unpack(KEYS)
local session_id, now, ttl_seconds = unpack(ARGV)
if now ~= '' then
    redis.call('HSET', head, 'updated_at', now)
    redis.call('ZADD', index, now, session_id)
end
redis.call('HINCRBY', head, 'revision', 1)
local function keep(key, for_ever)
    if for_ever or ttl_seconds == '0' then redis.call('PERSIST', key)
    else redis.call('EXPIRE', key, ttl_seconds) end
end
local any_pinned = redis.call('SCARD', pinned) > 0
keep(index, any_pinned)
keep(pinned, any_pinned)
local is_pinned = redis.call('SISMEMBER', pinned, session_id) == 1
for i = 3, #KEYS do keep(KEYS[i], is_pinned) end
"""


class SessionStore:
    """Sessions of users. Every method takes the user's id, so nobody reaches somebody else's session.

    Keeps the latest `max_messages` of each session (0: all) and everything of a session for
    `ttl_seconds` after its last change (0: for ever). The client must decode responses.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        max_messages: int,
        ttl_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._max_messages = max_messages
        self.ttl_seconds = ttl_seconds
        self._clock = clock

    async def create(self, user_id: str, session_id: str, role: str, model: str = "") -> Session:
        """A new, empty session."""
        return await self.add(user_id, session_id, {"role": role, "model": model})

    async def add(
        self,
        user_id: str,
        session_id: str,
        head: Mapping[str, str],
        messages: Sequence[ChatMessage] = (),
    ) -> Session:
        """A new session with these fields, in which this was said; of the messages the latest are kept."""
        last_turn = messages[-1].turn_id if messages else ""
        began = {"created_at": self._clock(), "last_turn": last_turn}
        async with self._redis.pipeline() as pipe:
            pipe.hset(keys.session(user_id, session_id), mapping={**head, **began})
            # Done again because the answer got lost, it must not say everything twice.
            pipe.delete(keys.messages(user_id, session_id))
            for message in messages[-self._max_messages :]:
                self.queue_append(pipe, user_id, session_id, message)
            self.queue_touch(pipe, user_id, session_id)
            await pipe.execute()
        return await self.get(user_id, session_id)

    async def forget_expired(self) -> None:
        """Frees what has expired, in a store that does so only for keys that are looked at: fakeredis."""
        await self._redis.dbsize()

    async def get(self, user_id: str, session_id: str) -> Session:
        """The session's head. Raises SessionNotFound."""
        async with self._redis.pipeline(transaction=False) as pipe:
            self._queue_head(pipe, user_id, session_id)
            session = self._session(session_id, await pipe.execute())
        if session is None:
            raise SessionNotFound()
        return session

    async def sessions(self, user_id: str, query: str = "") -> list[Session]:
        """The user's sessions, the one changed last first; with a `query` those whose title or messages
        contain it, in whatever case."""
        index = keys.sessions(user_id)
        ids: list[str] = await self._redis.zrevrange(index, 0, -1)
        async with self._redis.pipeline(transaction=False) as pipe:
            for session_id in ids:
                self._queue_head(pipe, user_id, session_id)
            rows = batched(await pipe.execute(), len(ids))
        heads = [self._session(session_id, row) for session_id, row in zip(ids, rows, strict=True)]
        if expired := [s for s, head in zip(ids, heads, strict=True) if head is None]:
            await self._redis.zrem(index, *expired)
            await self._redis.srem(keys.pinned(user_id), *expired)
        found = [head for head in heads if head is not None]
        return await self._matching(user_id, found, query.casefold()) if query else found

    async def _matching(self, user_id: str, sessions: list[Session], query: str) -> list[Session]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for session in sessions:
                pipe.lrange(keys.messages(user_id, session.id), 0, -1)
            stored = await pipe.execute()
        return [
            session
            for session, rows in zip(sessions, stored, strict=True)
            if query in session.title.casefold()
            or any(query in m.content.casefold() for m in read_messages(rows, session.id).items)
        ]

    async def messages(self, user_id: str, session_id: str, limit: int = 0) -> Messages:
        """The session's latest `limit` messages (0: all that are stored); of no session: none."""
        rows: list[str] = await self._redis.lrange(keys.messages(user_id, session_id), -limit, -1)
        return read_messages(rows, session_id)

    async def images(self, user_id: str, session_id: str, ids: Sequence[str]) -> dict[str, str]:
        """The data URLs of the session's images of these ids, as far as they are stored."""
        if not ids:
            return {}
        found = await self._redis.hmget(keys.images(user_id, session_id), ids)
        return {image_id: url for image_id, url in zip(ids, found, strict=True) if url}

    async def clear(self, user_id: str, session_id: str) -> int:
        """Removes what was said, the title and a running turn included; returns how many messages there
        were. Raises SessionNotFound."""
        head, messages = keys.session(user_id, session_id), keys.messages(user_id, session_id)

        async def queue(pipe: Pipeline) -> None:
            gone = await self._turn_keys(pipe, user_id, session_id)
            pipe.multi()
            pipe.llen(messages)
            pipe.delete(messages, keys.images(user_id, session_id), *gone)
            pipe.hset(head, mapping={"title": "", "last_turn": "", "open_turn": "", "images": ""})

        removed: int = (await self._change(user_id, session_id, queue))[0]
        return removed

    async def update(self, user_id: str, session_id: str, **head: str) -> None:
        """Sets fields of the session's head, like its title. Raises SessionNotFound."""

        async def queue(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.hset(keys.session(user_id, session_id), mapping=head)

        await self._change(user_id, session_id, queue, talked=False)

    async def pin(self, user_id: str, session_id: str, pinned: bool) -> None:
        """Keeps the session for ever, or from now on as long as others. Raises SessionNotFound."""

        async def queue(pipe: Pipeline) -> None:
            pipe.multi()
            (pipe.sadd if pinned else pipe.srem)(keys.pinned(user_id), session_id)

        await self._change(user_id, session_id, queue, talked=False)

    async def replace(self, user_id: str, session_id: str, changes: Mapping[str, ChatMessage]) -> bool:
        """Puts messages where the stored ones of these ids are; False, and nothing changed, unless all are
        there."""
        stored = keys.messages(user_id, session_id)

        async def queue(pipe: Pipeline) -> bool:
            rows = await pipe.lrange(stored, 0, -1)
            found = {message_id: index_of(rows, message_id) for message_id in changes}
            if None in found.values():
                return False
            last_turn = await pipe.hget(keys.session(user_id, session_id), "last_turn")
            pipe.multi()
            for message_id, index in found.items():
                pipe.lset(stored, index, changes[message_id].to_json())
            self.queue_touch(pipe, user_id, session_id, last_turn)
            return True

        replaced: bool = await self._redis.transaction(queue, stored, value_from_callable=True)
        return replaced

    async def truncate(self, user_id: str, session_id: str, message_id: str) -> None:
        """Removes that message and all that follow. Raises SessionNotFound or MessageNotFound."""
        stored = keys.messages(user_id, session_id)

        async def queue(pipe: Pipeline) -> None:
            index = index_of(await pipe.lrange(stored, 0, -1), message_id)
            if index is None:
                raise MessageNotFound()
            pipe.multi()
            self.queue_truncate(pipe, user_id, session_id, index)

        await self._change(user_id, session_id, queue)

    async def delete(self, user_id: str, session_id: str) -> None:
        """Removes everything of the session, a running turn included."""
        head = keys.session(user_id, session_id)

        async def queue(pipe: Pipeline) -> None:
            gone = await self._turn_keys(pipe, user_id, session_id)
            pipe.multi()
            pipe.zrem(keys.sessions(user_id), session_id)
            pipe.srem(keys.pinned(user_id), session_id)
            pipe.delete(head, keys.messages(user_id, session_id), keys.images(user_id, session_id), *gone)

        await self._redis.transaction(queue, head)

    async def _change(
        self,
        user_id: str,
        session_id: str,
        queue: Callable[[Pipeline], Awaitable[None]],
        *,
        talked: bool = True,
    ) -> list[Any]:
        """Runs what `queue` adds, and the touch, as one transaction; the results. Raises SessionNotFound:
        a change must not bring back half of what somebody deletes at the same moment."""
        head = keys.session(user_id, session_id)

        async def change(pipe: Pipeline) -> None:
            created, last_turn = await pipe.hmget(head, ["created_at", "last_turn"])
            if not created:
                raise SessionNotFound()
            await queue(pipe)
            self.queue_touch(pipe, user_id, session_id, last_turn, talked=talked)

        results: list[Any] = await self._redis.transaction(change, head)
        return results

    async def _turn_keys(self, pipe: Pipeline, user_id: str, session_id: str) -> list[str]:
        """The lease, and log and stop flag of every turn that a stored message belongs to."""
        rows = await pipe.lrange(keys.messages(user_id, session_id), 0, -1)
        last_turn = await pipe.hget(keys.session(user_id, session_id), "last_turn")
        said = read_messages(rows, session_id).items
        turns = {last_turn, *(version.turn_id for m in said for version in (m, *m.earlier))}
        found = [keys.lease(user_id, session_id)]
        for turn_id in filter(None, turns):
            found += [keys.log(user_id, turn_id), keys.stop(user_id, turn_id)]
        return found

    async def custom_prompt(self, user_id: str) -> str:
        """What the user wrote as the prompt of the role "custom"; "" if nothing."""
        key = keys.custom_prompt(user_id)
        # Asking for it is using it, and what is used does not expire.
        asked = self._redis.getex(key, ex=self.ttl_seconds) if self.ttl_seconds else self._redis.get(key)
        return await asked or ""

    async def set_custom_prompt(self, user_id: str, prompt: str) -> None:
        """Keeps the prompt for as long as a session is kept, from its last use on; "" removes it."""
        key = keys.custom_prompt(user_id)
        if prompt:
            await self._redis.set(key, prompt, ex=self.ttl_seconds or None)
        else:
            await self._redis.delete(key)

    def queue_append(self, pipe: Pipeline, user_id: str, session_id: str, message: ChatMessage) -> None:
        """Adds to the transaction `pipe`: append one message, drop the oldest over the limit."""
        stored = keys.messages(user_id, session_id)
        pipe.rpush(stored, message.to_json())
        if self._max_messages:
            pipe.ltrim(stored, -self._max_messages, -1)

    def queue_images(
        self, pipe: Pipeline, user_id: str, session_id: str, new: Mapping[str, str], gone: Collection[str]
    ) -> None:
        """Adds to the transaction `pipe`: store the data URLs of `new` images, by id, and remove others."""
        stored = keys.images(user_id, session_id)
        if new:
            pipe.hset(stored, mapping=new)
            pipe.hset(keys.session(user_id, session_id), "images", "1")
        if gone:
            pipe.hdel(stored, *gone)

    def queue_truncate(self, pipe: Pipeline, user_id: str, session_id: str, index: int) -> None:
        """Adds to the transaction `pipe`: only the first `index` messages stay."""
        stored = keys.messages(user_id, session_id)
        if index:
            pipe.ltrim(stored, 0, index - 1)
        else:
            pipe.delete(stored)

    def queue_touch(
        self,
        pipe: Pipeline,
        user_id: str,
        session_id: str,
        last_turn: str | None = None,
        *,
        talked: bool = True,
    ) -> None:
        """Adds to the transaction `pipe`: the session has changed, and all its keys expire together, or
        never while it is pinned. `talked` says whether that makes it the latest one."""
        lasting = [
            keys.session(user_id, session_id),
            keys.messages(user_id, session_id),
            keys.images(user_id, session_id),
        ]
        if last_turn:
            lasting.append(keys.log(user_id, last_turn))
        pipe.eval(
            _TOUCH,
            2 + len(lasting),
            keys.sessions(user_id),
            keys.pinned(user_id),
            *lasting,
            session_id,
            str(self._clock()) if talked else "",
            self.ttl_seconds,
        )

    def _queue_head(self, pipe: Pipeline, user_id: str, session_id: str) -> None:
        pipe.hgetall(keys.session(user_id, session_id))
        pipe.llen(keys.messages(user_id, session_id))
        pipe.exists(keys.lease(user_id, session_id))
        pipe.sismember(keys.pinned(user_id), session_id)

    def _session(self, session_id: str, row: Sequence[Any]) -> Session | None:
        head, messages, leased, pinned = row
        if not head:
            return None
        expires = self.ttl_seconds and not pinned
        return Session.model_validate(
            {
                **head,
                "id": session_id,
                "messages": messages,
                "running": bool(leased),
                "pinned": bool(pinned),
                "expires_at": float(head["updated_at"]) + self.ttl_seconds if expires else None,
            }
        )


def batched(rows: Sequence[Any], count: int) -> Iterator[Sequence[Any]]:
    """`rows` in `count` runs of the same length."""
    size = len(rows) // count if count else 0
    return (rows[i * size : (i + 1) * size] for i in range(count))


def index_of(rows: Iterable[str], message_id: str) -> int | None:
    """Where in stored rows the message of that id is."""
    for index, row in enumerate(rows):
        with suppress(ValidationError):
            if ChatMessage.model_validate_json(row).id == message_id:
                return index
    return None


def read_messages(rows: Iterable[str], session_id: str) -> Messages:
    """Stored rows as messages; what cannot be read is counted, logged and left out."""
    items: list[ChatMessage] = []
    unreadable = 0
    for row in rows:
        try:
            items.append(ChatMessage.model_validate_json(row))
        except ValidationError:
            unreadable += 1
    if unreadable:
        log.warning("session %.8s…: %d stored messages cannot be read", session_id, unreadable)
    return Messages(items, unreadable)
