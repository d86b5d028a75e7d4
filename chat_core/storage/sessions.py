"""SessionStore: a user's sessions and their messages in Redis, and how long they are kept."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import MessageNotFound, SessionChanged, SessionNotFound, SessionUnreadable
from ..messages import ChatMessage, Note, Session, SessionList, StoredMessages, Summary
from ..slices import next_slice
from . import keys
from .changes import Change, SessionState, require_last_turn, session_of
from .damage import is_of_wrong_type, sets_damage_aside
from .notes import parse_notes, queue_notes
from .rows import index_of, parse_rows
from .scripts import Redis, Script, ScriptCall, run_scripts

log = logging.getLogger(__name__)

# How long what was taken back can be restored.
UNDONE_SECONDS = 600

# Conversations that are read in one round trip when something is looked for in all of them.
_SEARCHED_AT_ONCE = 20
_LISTED_AT_ONCE = 200
_WORD_SECONDS = 600

_LIST = Script(Path(__file__).parent / "list.lua")
_LATEST = Script(Path(__file__).parent / "latest.lua")

Pipeline = Any
# What is to be changed in the session as it was read; None for nothing.
Plan = Callable[[SessionState], Awaitable[Change | None]]
# Messages by the ids of those whose places they take in the session as it was read.
Replacement = Callable[[SessionState], Mapping[str, ChatMessage]]

# The summary that a session is to have, made of the session as it was read; None for no other one.
SummaryPlan = Callable[[SessionState], Summary | None]


class UndoneTurn(BaseModel):
    """What a session has lost by an undo: the rows, and which turn was its last one before and after."""

    restore_id: str
    rows: Sequence[str]
    last_turn: str
    last_turn_left: str


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
        self.max_messages = max_messages
        self.ttl_seconds = ttl_seconds
        self._redis = redis
        self._clock = clock
        self._unreadable: set[str] = set()  # what was logged already, for lists are read all the time

    # Reading

    async def get(self, user_id: str, session_id: str) -> Session:
        """The session's head. Raises SessionNotFound or SessionUnreadable."""
        async with self._redis.pipeline(transaction=False) as pipe:
            _queue_head(pipe, user_id, session_id)
            return self._found(session_id, await _executed(pipe))

    async def get_with_messages(
        self, user_id: str, session_id: str, limit: int = 0
    ) -> tuple[Session, StoredMessages]:
        """The session's head and its latest `limit` messages (0: all). Raises SessionNotFound or
        SessionUnreadable."""
        async with self._redis.pipeline(transaction=False) as pipe:
            _queue_head(pipe, user_id, session_id)
            pipe.lrange(keys.messages(user_id, session_id), -limit, -1)
            *row, rows = await _executed(pipe)
        session = self._found(session_id, row)
        stored = parse_rows(rows, session_id, max(0, session.messages - len(rows)))
        return session, stored._replace(dropped=session.dropped, summary=session.summary)

    async def sessions(self, user_id: str, query: str = "", folder: str = "") -> list[Session]:
        """The user's sessions, the one changed last first; with a `query` those whose title or messages
        contain it, in whatever case; with a `folder` those in it. One that cannot be read is left out, and
        logged once."""
        found = (await self.latest_sessions(user_id)).items
        if folder:
            found = [session for session in found if session.folder == folder]
        return await self._matching(user_id, found, query.casefold()) if query else found

    @sets_damage_aside
    async def latest_sessions(self, user_id: str, limit: int = 0, including: str = "") -> SessionList:
        """The user's latest `limit` sessions (0: all), the one changed last first; besides, in their places,
        all that are pinned and the one of the id `including`."""
        older, rows = await self._listed(user_id, limit or _LISTED_AT_ONCE, including)
        if older and not limit:
            older, rows = 0, await self._with_older(user_id, rows)
        found, unreadable = [], {}
        for number, (session_id, fields, *facts) in enumerate(rows, 1):
            if number % _LISTED_AT_ONCE == 0:
                await next_slice()
            head = dict(zip(fields[::2], fields[1::2], strict=True))
            if session := self._readable(session_id, head, *facts):
                found.append(session)
            else:
                unreadable[session_id] = head.get("title", "")
        return SessionList(found, older, unreadable)

    async def _listed(self, user_id: str, limit: int, including: str, *ids: str) -> tuple[int, list[Any]]:
        """What `list.lua` returns."""
        # One script, not four commands for each session: a pipeline of thousands takes longer than they do.
        index = [keys.sessions(user_id), keys.pinned(user_id)]
        call = ScriptCall(_LIST, index, [keys.session(user_id, ""), limit, including, *ids])
        ((older, rows),) = await run_scripts(self._redis, call)
        return older, rows

    async def _with_older(self, user_id: str, rows: list[Any]) -> list[Any]:
        """These and the rows of all other sessions of the user's: some at a time, for the store does nothing
        else meanwhile."""
        ids: list[str] = await self._redis.zrevrange(keys.sessions(user_id), 0, -1)
        read = {row[0]: row for row in rows}
        left = [session_id for session_id in ids if session_id not in read]
        for begin in range(0, len(left), _LISTED_AT_ONCE):
            _, some = await self._listed(user_id, 0, "", *left[begin : begin + _LISTED_AT_ONCE])
            read |= {row[0]: row for row in some}
        return [read[session_id] for session_id in ids if session_id in read]

    @sets_damage_aside
    async def latest_with_role(self, user_id: str, role: str) -> str:
        """The id of the session that was changed last among those with that role in which something was said;
        "" if there is none."""
        call = ScriptCall(_LATEST, [keys.sessions(user_id)], [keys.session(user_id, ""), role])
        (found,) = await run_scripts(self._redis, call)
        return str(found)

    async def messages(self, user_id: str, session_id: str, limit: int = 0) -> StoredMessages:
        """The session's latest `limit` messages (0: all that are stored); of no session: none."""
        rows: Sequence[str] = await self._redis.lrange(keys.messages(user_id, session_id), -limit, -1)
        return parse_rows(rows, session_id)

    async def images(self, user_id: str, session_id: str, ids: Sequence[str]) -> dict[str, str]:
        """The data URLs of the session's images of these ids, as far as they are stored."""
        if not ids:
            return {}
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.images(user_id, session_id), ids)
            (found,) = await _executed(pipe)
        return {image_id: url for image_id, url in zip(ids, found or (), strict=False) if url}

    async def image_ids(self, user_id: str, session_id: str) -> set[str]:
        """The ids of the session's stored images."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hkeys(keys.images(user_id, session_id))
            (found,) = await _executed(pipe)
        return set(found or ())

    async def read(self, user_id: str, session_id: str, limit: int = 0) -> SessionState:
        """The session with its latest `limit` rows (0: all), to be changed; its head may be unreadable.
        Raises SessionNotFound."""
        async with self._redis.pipeline(transaction=False) as pipe:
            _queue_state(pipe, user_id, session_id, limit)
            return _state_of(session_id, await _executed(pipe))

    async def read_with_notes(
        self, user_id: str, session_id: str, limit: int = 0
    ) -> tuple[SessionState, list[Note]]:
        """The same, and the user's notes for all roles, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            _queue_state(pipe, user_id, session_id, limit)
            queue_notes(pipe, user_id, self.ttl_seconds)
            head, total, rows, notes, *_ = await _executed(pipe)
        return _state_of(session_id, (head, total, rows)), parse_notes(notes or {})

    # Changing

    async def create(
        self,
        user_id: str,
        session_id: str,
        head: Mapping[str, str],
        messages: Sequence[ChatMessage] = (),
        images: Mapping[str, str] = {},
        *,
        pinned: bool = False,
    ) -> Session:
        """A new session with these fields, in which this was said, with the data URLs of its `images`, by id;
        of the messages the latest are kept."""
        last_turn = messages[-1].turn_id if messages else ""
        change = Change(user_id, session_id)
        change.set_head(**head, created_at=self._clock(), last_turn=last_turn, dropped=0)
        # Done again because the answer got lost, it must not say everything twice.
        change.truncate(0)
        await next_slice()
        change.append(*messages)
        change.set_images(images)
        if pinned:
            change.add("SADD", keys.pinned(user_id), session_id)
        await self.commit(change)
        return await self.get(user_id, session_id)

    async def update(self, user_id: str, session_id: str, **head: str) -> None:
        """Sets fields of the session's head, like its title. Raises SessionNotFound."""

        async def plan(state: SessionState) -> Change:
            change = self._planned(user_id, state, reorder=False)
            change.set_head(**head)
            return change

        await self.change(user_id, session_id, plan)

    async def retitle(self, user_id: str, session_id: str, before: str, title: str) -> None:
        """Gives the session another title, unless it has another one than `before` by now. Raises
        SessionNotFound."""

        async def plan(state: SessionState) -> Change | None:
            if state.head.get("title") != before:
                return None
            change = self._planned(user_id, state, reorder=False)
            change.set_head(title=title)
            return change

        await self.change(user_id, session_id, plan, limit=1)

    async def pin(self, user_id: str, session_id: str, pinned: bool) -> None:
        """Keeps the session for ever, or from now on as long as others. Raises SessionNotFound."""

        async def plan(state: SessionState) -> Change:
            change = self._planned(user_id, state, reorder=False)
            change.add("SADD" if pinned else "SREM", keys.pinned(user_id), session_id)
            return change

        await self.change(user_id, session_id, plan)

    async def clear(self, user_id: str, session_id: str, *, last_turn: str | None = None) -> int:
        """Removes what was said, the title and a running turn included; returns how many messages there
        were. Raises SessionNotFound, and what `require_last_turn` does."""
        removed = 0

        async def plan(state: SessionState) -> Change | None:
            nonlocal removed
            if removed and not state.rows:  # done before, only the answer got lost
                return None
            require_last_turn(state, last_turn)
            removed = len(state.rows)
            change = self._planned(user_id, state)
            stored = keys.messages(user_id, session_id)
            undone = keys.undone(user_id, session_id)
            change.add("DEL", stored, keys.images(user_id, session_id), undone, *_turn_keys(user_id, state))
            change.set_head(title="", last_turn="", open_turn="", images="", dropped=0)
            change.set_latest(None)
            change.set_summary(None)
            return change

        await self.change(user_id, session_id, plan)
        return removed

    async def replace(
        self,
        user_id: str,
        session_id: str,
        replacement: Replacement,
        images: Mapping[str, str] = {},
    ) -> bool:
        """Puts messages where stored ones are, as `replacement` makes them of what is stored at that very
        moment, and stores the data URLs of their new `images`, by id; False, and nothing changed, if there
        are none or one of these ids is not there. Raises SessionNotFound, and what `replacement` raises."""

        async def plan(state: SessionState) -> Change | None:
            change = self._planned(user_id, state)
            change.set_images(images)
            messages = replacement(state)
            for message_id, message in messages.items():
                index = index_of(state.rows, message_id)
                if index is None:
                    return None
                change.set_message(index, message)
                if parse_rows([state.rows[index]], session_id).items[0].content != message.content:
                    change.void_summary(state, index)
                if index == len(state.rows) - 1:
                    change.set_latest(message)
            return change if messages else None

        return bool(await self.change(user_id, session_id, plan))

    async def summarise(
        self,
        user_id: str,
        session_id: str,
        summary: SummaryPlan,
        *,
        state: SessionState | None = None,
        limit: int = 0,
    ) -> bool:
        """Stores what `summary` makes of the session as it is at that very moment, with its latest `limit`
        rows (0: all); whether it made one. A `state` that was read before is taken if it still holds. The
        order of the sessions stays. Raises SessionNotFound, and what `summary` raises."""

        async def plan(now: SessionState) -> Change | None:
            made = summary(now)
            if made is None or made == now.summary_before(len(now.rows)):
                return None
            change = self._planned(user_id, now, reorder=False)
            change.set_summary(made if made.text or made.failed else None)
            return change

        return bool(await self.change(user_id, session_id, plan, state=state, limit=limit))

    async def truncate(
        self,
        user_id: str,
        session_id: str,
        message_id: str,
        *,
        restore_id: str,
        last_turn: str | None = None,
    ) -> None:
        """Removes that message and all that follow, a running turn included; the last turn is then the one
        before. For a while `restore` brings back what was removed last. Raises SessionNotFound,
        SessionChanged when the message is not there, and what `require_last_turn` does."""
        kept: Sequence[str] | None = None

        async def plan(state: SessionState) -> Change | None:
            nonlocal kept
            if state.rows == kept:  # done before, only the answer got lost
                return None
            require_last_turn(state, last_turn)
            index = index_of(state.rows, message_id)
            if index is None:
                raise SessionChanged()
            kept = state.rows[:index]
            before = parse_rows(kept[-1:], session_id).items
            latest = before[0] if before else None
            left = latest.turn_id if latest else ""
            undone = UndoneTurn(
                restore_id=restore_id,
                rows=state.rows[index:],
                last_turn=state.last_turn,
                last_turn_left=left,
            )
            change = Change(user_id, session_id, state)
            # First what takes no memory: a full Redis lets a script go on that has begun.
            change.truncate(index)
            change.set_head(open_turn="", last_turn=left)
            change.set_latest(latest)
            change.void_summary(state, index)
            change.add("DEL", keys.lease(user_id, session_id))
            change.add(
                "SET", keys.undone(user_id, session_id), undone.model_dump_json(), "EX", UNDONE_SECONDS
            )
            change.release_log(state.last_turn)
            return change

        await self.change(user_id, session_id, plan)

    async def restore(self, user_id: str, session_id: str, restore_id: str) -> None:
        """Puts back what `truncate` has removed under this id. Raises SessionNotFound, MessageNotFound when
        something else was removed since or it is too long ago, and SessionChanged or SessionBusy when the
        session has gone on."""
        restored: Sequence[str] | None = None

        async def plan(state: SessionState) -> Change | None:
            nonlocal restored
            if state.rows == restored:  # done before, only the answer got lost
                return None
            key = keys.undone(user_id, session_id)
            undone = await self._undone(key)
            if undone is None or undone.restore_id != restore_id:
                raise MessageNotFound()
            require_last_turn(state, undone.last_turn_left)
            restored = [*state.rows, *undone.rows]
            change = Change(user_id, session_id, state)
            change.add("RPUSH", keys.messages(user_id, session_id), *undone.rows)
            change.set_head(last_turn=undone.last_turn)
            change.set_latest(next(iter(parse_rows(undone.rows[-1:], session_id).items), None))
            change.add("DEL", key)
            change.keep_log(undone.last_turn)
            return change

        await self.change(user_id, session_id, plan)

    async def _undone(self, key: str) -> UndoneTurn | None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(key)
            (stored,) = await _executed(pipe)
        with suppress(ValidationError):
            return UndoneTurn.model_validate_json(stored) if stored else None
        return None

    async def delete(
        self, user_id: str, session_id: str, *, last_turn: str | None = None, leave_word: bool = False
    ) -> None:
        """Removes everything of the session, a running turn included. With `leave_word` a process that still
        writes that turn finds its stop flag, for a while: it would take the session for one that the store
        has lost. Raises SessionNotFound, and what `require_last_turn` does."""

        async def plan(state: SessionState) -> Change:
            require_last_turn(state, last_turn)
            change = Change(user_id, session_id, state if _is_readable(state) else None)
            change.add("ZREM", keys.sessions(user_id), session_id)
            change.add("SREM", keys.pinned(user_id), session_id)
            parts = (keys.session, keys.messages, keys.images, keys.undone)
            stored = [part(user_id, session_id) for part in parts]
            change.add("DEL", *stored, *_turn_keys(user_id, state))
            if leave_word and state.open_turn:
                change.add("SET", keys.stop(user_id, state.open_turn), "1", "EX", _WORD_SECONDS)
            return change

        await self.change(user_id, session_id, plan)

    async def change(
        self,
        user_id: str,
        session_id: str,
        plan: Plan,
        *,
        state: SessionState | None = None,
        limit: int = 0,
    ) -> list[Any]:
        """Reads the session, unless its `state` is given, and commits what `plan` makes of it; all of it
        again when something else came first. The replies of the commands; none when there is no change.

        `limit` is how many of the latest rows `plan` needs (0: all). Raises SessionNotFound, and what
        `plan` raises.
        """
        while True:
            state = state or await self.read(user_id, session_id, limit)
            change = await plan(state)
            if change is None:
                return []
            if (replies := await self.commit(change)) is not None:
                return replies
            state = None

    async def commit(self, change: Change) -> list[Any] | None:
        """The replies of the change's commands; None, and nothing changed, when something else came first."""
        return await self._committed(change.user_id, change)

    @sets_damage_aside
    async def _committed(self, _: str, change: Change) -> list[Any] | None:
        replies: list[Any] | None = (await run_scripts(self._redis, self.commit_call(change)))[0]
        return replies

    def commit_call(self, change: Change) -> ScriptCall:
        """The call of the script that commits the change; its reply is as that of `commit`."""
        return change.call(now=self._clock(), ttl_seconds=self.ttl_seconds, max_messages=self.max_messages)

    async def forget_expired(self) -> None:
        """Frees what has expired, in a store that does so only for keys that are looked at: fakeredis."""
        await self._redis.dbsize()

    def _planned(self, user_id: str, state: SessionState, *, reorder: bool = True) -> Change:
        change = Change(user_id, state.session_id, state, reorder=reorder)
        if state.last_turn:
            change.keep_log(state.last_turn)
        return change

    async def _matching(self, user_id: str, sessions: Sequence[Session], query: str) -> list[Session]:
        found = {session.id for session in sessions if query in session.title.casefold()}
        unknown = [session for session in sessions if session.id not in found]
        for begin in range(0, len(unknown), _SEARCHED_AT_ONCE):
            some = unknown[begin : begin + _SEARCHED_AT_ONCE]
            async with self._redis.pipeline(transaction=False) as pipe:
                for session in some:
                    pipe.lrange(keys.messages(user_id, session.id), 0, -1)
                stored = await pipe.execute()
            for session, rows in zip(some, stored, strict=True):
                await next_slice()
                if any(query in m.content.casefold() for m in parse_rows(rows, session.id).items):
                    found.add(session.id)
        return [session for session in sessions if session.id in found]

    def _found(self, session_id: str, row: Sequence[Any]) -> Session:
        head, messages, leased, pinned = row
        if head is None or messages is None:
            raise SessionUnreadable()
        if not head:
            raise SessionNotFound()
        return self._session(session_id, head, messages, leased, pinned)

    def _session(
        self, session_id: str, head: Mapping[str, str], messages: int, leased: int, pinned: int
    ) -> Session:
        session = session_of(
            session_id, head, messages=messages, running=bool(leased), pinned=bool(pinned), expires_at=None
        )
        if pinned or not self.ttl_seconds:
            return session
        return session.model_copy(update={"expires_at": session.updated_at + self.ttl_seconds})

    def _readable(
        self, session_id: str, head: Mapping[str, str], messages: int, leased: int, pinned: int
    ) -> Session | None:
        try:
            return self._session(session_id, head, messages, leased, pinned)
        except SessionUnreadable:
            if session_id not in self._unreadable:
                self._unreadable.add(session_id)
                log.warning("session %.8s… cannot be read, %d so far", session_id, len(self._unreadable))
            return None


def _queue_head(pipe: Pipeline, user_id: str, session_id: str) -> None:
    pipe.hgetall(keys.session(user_id, session_id))
    pipe.llen(keys.messages(user_id, session_id))
    pipe.exists(keys.lease(user_id, session_id))
    pipe.sismember(keys.pinned(user_id), session_id)


async def _executed(pipe: Pipeline) -> list[Any]:
    """The replies; None where a key is of another type than it should be."""
    replies = await pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception) and not is_of_wrong_type(reply):
            raise reply
    return [None if isinstance(reply, Exception) else reply for reply in replies]


# What stands for a head that is no hash: it cannot be read either.
_NO_HEAD: Mapping[str, str] = {"title": ""}


def _queue_state(pipe: Pipeline, user_id: str, session_id: str, limit: int) -> None:
    stored = keys.messages(user_id, session_id)
    # The head first: what changes after it fails the guard that is made of it.
    pipe.hgetall(keys.session(user_id, session_id))
    pipe.llen(stored)
    pipe.lrange(stored, -limit, -1)


def _state_of(session_id: str, replies: Sequence[Any]) -> SessionState:
    """Raises SessionNotFound."""
    head, total, rows = replies
    if head is None:
        head = _NO_HEAD
    if not head:
        raise SessionNotFound()
    if rows is None:
        return SessionState(
            session_id, {"revision": head.get("revision", ""), "title": head.get("title", "")}, []
        )
    return SessionState(session_id, head, rows, total - len(rows))


def _is_readable(state: SessionState) -> bool:
    try:
        return bool(state.session)
    except SessionUnreadable:
        return False


def _turn_keys(user_id: str, state: SessionState) -> list[str]:
    """The lease, and log and stop flag of every turn that a stored message belongs to."""
    said = state.messages.items
    turns = {state.last_turn, *(v.turn_id for m in said for v in (m, *m.versions))}
    found = [keys.lease(user_id, state.session_id)]
    for turn_id in filter(None, turns):
        found += [keys.log(user_id, turn_id), keys.stop(user_id, turn_id)]
    return found
