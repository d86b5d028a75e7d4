"""TurnLog: one turn's log in Redis, its lease, its stop flag; and LiveTurn, the same turn in the memory
of the process that runs it.

The log is a stream whose entry ids *are* positions: a piece that ends at character 120 of the reply has
the id `120-0`, the end event `120-1`. So a follower can go on from any position in any process, and a
piece written twice, after a lost answer, is recognised.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from redis.exceptions import WatchError

from . import keys
from .errors import MessageNotFound, SessionBusy, SessionNotFound
from .messages import ChatMessage, Delta, DeltaKind, Status, TurnEnd, TurnEvent
from .store import Messages, Pipeline, Redis, SessionStore, index_of, read_messages


class LiveTurn:
    """A reply while it is written: every piece so far, and its followers in this process."""

    def __init__(self, turn_id: str, user_id: str, session_id: str) -> None:
        self.id = turn_id
        self.user_id = user_id
        self.session_id = session_id
        self.reader: asyncio.Task[None] | None = None  # reads the model
        self.cut_as: Status | None = None
        self.end: TurnEnd | None = None  # what is to be written
        self.logged = 0  # position up to which the log is written
        self._closed: TurnEnd | None = None  # what has been written
        self._pieces: list[Delta] = []
        self._ends: list[int] = []
        self._news = asyncio.Event()

    @property
    def position(self) -> int:
        return self._ends[-1] if self._ends else 0

    def append(self, kind: DeltaKind, text: str) -> None:
        end = self.position + len(text)
        self._pieces.append(Delta(kind, text, end))
        self._ends.append(end)
        self._wake()

    def cut(self, status: Status) -> None:
        """Cuts the reply off where it is, to end with this status. Only the first call counts."""
        if self.reader is not None and self.cut_as is None:
            self.cut_as = status
            self.reader.cancel()

    def text(self, kind: DeltaKind) -> str:
        return "".join(piece.text for piece in self._pieces if piece.kind == kind)

    def read(self, after: int = 0) -> list[Delta]:
        """What came after the position `after`, neighbours of one kind joined."""
        return joined(self._pieces[bisect_right(self._ends, after) :], after)

    def close(self, end: TurnEnd) -> None:
        """The end is written: tell the followers. Only the first call counts."""
        self._closed = self._closed or end
        self._wake()

    async def follow(self, after: int = 0) -> AsyncGenerator[TurnEvent, None]:
        """Pieces after the position `after` as they come, joined to what is new, then the end."""
        while True:
            news, closed = self._news, self._closed
            for piece in self.read(after):
                after = piece.end
                yield piece
            if closed:
                yield closed
                return
            await news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class Pulse(NamedTuple):
    """What the log said about a running turn: it is still open, that is, nobody thought the process dead
    and closed the turn, cleared or deleted it; somebody asked it to stop."""

    open: bool
    stop: bool


# Pieces are written only while the turn is open, in one step with that question: what was deleted must not
# come back. A lease that ran out in an outage is renewed too, for an open turn belongs to nobody else.
_FLUSH = """
local session, lease, log, stop = unpack(KEYS)
local turn_id, lease_ms, ttl_seconds = unpack(ARGV)
if redis.call('HGET', session, 'open_turn') ~= turn_id then return {0, 0} end
redis.call('SET', lease, turn_id, 'PX', lease_ms)
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local written = newest and tonumber(string.match(newest[1], '%d+')) or 0
for i = 4, #ARGV, 3 do
    -- What is there already was written by a flush whose answer got lost.
    if tonumber(ARGV[i]) > written then redis.call('XADD', log, ARGV[i] .. '-0', ARGV[i + 1], ARGV[i + 2]) end
end
if ttl_seconds ~= '0' then redis.call('EXPIRE', log, ttl_seconds) end
return {1, redis.call('EXISTS', stop)}
"""


class TurnLog:
    """Turns in Redis. `lease_seconds` is how long a turn survives without a sign of life from its
    process. `live` holds the turns that this process runs, by id: however late their sign of life is,
    they are not dead. The client must decode responses."""

    def __init__(self, redis: Redis, store: SessionStore, *, lease_seconds: float = 5.0) -> None:
        self.live: dict[str, LiveTurn] = {}
        self._redis = redis
        self._store = store
        self._lease_ms = int(lease_seconds * 1000)

    async def claim(
        self,
        user_id: str,
        session_id: str,
        message: ChatMessage,
        *,
        head: dict[str, str],
        instead_of: str = "",
        again: bool = False,
        images: Mapping[str, str] = {},
    ) -> Messages:
        """Begins the turn `message.turn_id`: takes the session's lease, stores the user's message and the
        data URLs of its new `images`, by id, and sets the fields of `head`. Returns the messages that stand
        before it; the images of all others are removed.

        With `instead_of` the message takes the place of the stored one of that id and of all that followed;
        `again` then keeps the reply that followed among its `earlier` ones.

        Raises SessionNotFound, MessageNotFound, or SessionBusy while another turn runs.
        """
        session, messages = keys.session(user_id, session_id), keys.messages(user_id, session_id)
        while True:
            async with self._redis.pipeline() as pipe:
                await pipe.watch(session)
                created, title, open_turn, last_turn, has_images = await pipe.hmget(
                    session, ["created_at", "title", "open_turn", "last_turn", "images"]
                )
                if not created:
                    raise SessionNotFound()
                if open_turn == message.turn_id:  # done before, only the answer got lost
                    rows = await pipe.lrange(messages, 0, -2)
                    return read_messages(rows, session_id)
                if open_turn:
                    await self.recover(user_id, session_id)
                    if await self.running(user_id, session_id) == open_turn:
                        raise SessionBusy(open_turn)
                    continue
                rows = await pipe.lrange(messages, 0, -1)
                place = index_of(rows, instead_of) if instead_of else len(rows)
                if place is None:
                    raise MessageNotFound()
                if again:
                    asked, *replies = read_messages(rows[place:], session_id).items
                    message = message.model_copy(update={"earlier": (*asked.earlier, *replies)})
                before = read_messages(rows[:place], session_id)
                # Asked only where there can be any: most conversations have none.
                gone = set(await pipe.hkeys(keys.images(user_id, session_id)) if has_images else ())
                gone -= _image_ids([*before.items, message])
                turn = {"open_turn": message.turn_id, "last_turn": message.turn_id}
                pipe.multi()
                if instead_of:
                    self._store.queue_truncate(pipe, user_id, session_id, place)
                pipe.set(keys.lease(user_id, session_id), message.turn_id, px=self._lease_ms)
                pipe.hset(session, mapping=({} if title else {"title": title_of(message)}) | head | turn)
                self._store.queue_append(pipe, user_id, session_id, message)
                self._store.queue_images(pipe, user_id, session_id, images, gone)
                self._store.queue_touch(pipe, user_id, session_id)
                if last_turn:
                    pipe.expire(keys.log(user_id, last_turn), _LAST_LOOK_SECONDS)
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return before

    async def flush(self, turns: Sequence[LiveTurn]) -> list[Pulse]:
        """Writes what is new of each turn, renews its lease and asks how it stands, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for turn in turns:
                self._queue_flush(pipe, turn.user_id, turn.session_id, turn.id, turn.read(turn.logged))
            positions = [turn.position for turn in turns]
            rows = await pipe.execute()
        for turn, position in zip(turns, positions, strict=True):
            turn.logged = position
        return [Pulse(open=bool(is_open), stop=bool(stop)) for is_open, stop in rows]

    def _queue_flush(
        self, pipe: Pipeline, user_id: str, session_id: str, turn_id: str, pieces: Sequence[Delta]
    ) -> None:
        arguments = [part for piece in pieces for part in (piece.end, piece.kind, piece.text)]
        pipe.eval(
            _FLUSH,
            4,
            keys.session(user_id, session_id),
            keys.lease(user_id, session_id),
            keys.log(user_id, turn_id),
            keys.stop(user_id, turn_id),
            turn_id,
            self._lease_ms,
            self._store.ttl_seconds,
            *arguments,
        )

    async def finish(
        self,
        user_id: str,
        session_id: str,
        turn_id: str,
        end: TurnEnd,
        pieces: Sequence[Delta] = (),
        position: int = 0,
    ) -> bool:
        """Ends the turn in one transaction: stores `end.message`, logs the last `pieces` and the end at
        `position`, releases the lease. False, and nothing changed, if it had ended before."""
        session = keys.session(user_id, session_id)
        while True:
            async with self._redis.pipeline() as pipe:
                await pipe.watch(session)
                if await pipe.hget(session, "open_turn") != turn_id:
                    return False
                kept = None if end.message else await self._earlier_reply(pipe, user_id, session_id)
                pipe.multi()
                if pieces:
                    self._queue_flush(pipe, user_id, session_id, turn_id, pieces)
                self._queue_end(pipe, user_id, session_id, turn_id, end, position, kept)
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return True

    async def correct(self, user_id: str, session_id: str, reply: ChatMessage) -> bool:
        """Puts `reply` in the place of what somebody kept of it who thought its process dead, and so knew
        no more than the log did. False, and nothing changed, if the reply is not stored (any more)."""
        return await self._store.replace(user_id, session_id, {reply.id: reply})

    async def _earlier_reply(
        self, pipe: Pipeline, user_id: str, session_id: str
    ) -> tuple[ChatMessage, ChatMessage] | None:
        """The latest question without the last of its earlier replies, and that reply."""
        rows = await pipe.lrange(keys.messages(user_id, session_id), -1, -1)
        for asked in read_messages(rows, session_id).items:
            if asked.earlier:
                *earlier, reply = asked.earlier
                return asked.model_copy(update={"earlier": tuple(earlier)}), reply
        return None

    def _queue_end(
        self,
        pipe: Pipeline,
        user_id: str,
        session_id: str,
        turn_id: str,
        end: TurnEnd,
        position: int,
        kept: tuple[ChatMessage, ChatMessage] | None,
    ) -> None:
        pipe.xadd(keys.log(user_id, turn_id), {"end": end.to_json()}, id=f"{position}-1")
        if end.message:
            self._store.queue_append(pipe, user_id, session_id, end.message)
        elif kept:  # the reply was tried again and nothing came: the one it had takes its place again
            asked, reply = kept
            pipe.lset(keys.messages(user_id, session_id), -1, asked.to_json())
            self._store.queue_append(pipe, user_id, session_id, reply)
        pipe.hset(keys.session(user_id, session_id), "open_turn", "")
        pipe.delete(keys.stop(user_id, turn_id), keys.lease(user_id, session_id))
        self._store.queue_touch(pipe, user_id, session_id, last_turn=turn_id)

    async def request_stop(self, user_id: str, turn_id: str) -> None:
        """Asks the process that runs the turn, whichever it is, to stop it."""
        await self._redis.set(keys.stop(user_id, turn_id), "1", px=max(self._lease_ms, 10_000))

    async def running(self, user_id: str, session_id: str) -> str:
        """The id of the session's turn that has not ended, or ""."""
        return await self._redis.hget(keys.session(user_id, session_id), "open_turn") or ""

    async def recover(self, user_id: str, session_id: str) -> bool:
        """Closes the session's turn if its process has died, keeping the text that was logged as an
        interrupted reply. True if there was something to close."""
        session, lease = keys.session(user_id, session_id), keys.lease(user_id, session_id)
        while True:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hmget(session, ["open_turn", "updated_at", "role", "model"])
                pipe.exists(lease)
                (turn_id, updated_at, role, model), leased = await pipe.execute()
            if not turn_id or leased or turn_id in self.live:
                return False
            log = keys.log(user_id, turn_id)
            async with self._redis.pipeline() as pipe:
                # The log too: should the process give a sign of life after all, the turn stays its own.
                await pipe.watch(session, lease, log)
                if await pipe.exists(lease) or await pipe.hget(session, "open_turn") != turn_id:
                    continue
                events = map(_event, await pipe.xrange(log))
                pieces = joined([event for event in events if isinstance(event, Delta)], 0)
                end = _interrupted(turn_id, pieces, timestamp=float(updated_at), role=role, model=model or "")
                kept = None if end.message else await self._earlier_reply(pipe, user_id, session_id)
                pipe.multi()
                position = pieces[-1].end if pieces else 0
                self._queue_end(pipe, user_id, session_id, turn_id, end, position, kept)
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return True

    async def follow(
        self, user_id: str, session_id: str, turn_id: str, after: int = 0
    ) -> AsyncGenerator[TurnEvent, None]:
        """The turn's events after the position `after`, read from the log: first what is there, then
        what comes, last the end. Wherever it runs, and also when nobody runs it any more."""
        log = keys.log(user_id, turn_id)
        block: int | None = None
        over = False
        while True:
            rows = await self._redis.xread({log: f"{after}-0"}, block=block)
            for entry in rows[0][1] if rows else ():
                event = _event(entry)
                if isinstance(event, TurnEnd):
                    yield event
                    return
                for piece in joined([event], after):
                    after = piece.end
                    yield piece
            if rows:
                continue
            if over:
                break
            await self.recover(user_id, session_id)
            # Nobody writes the log of an ended turn any more: one last look for what came meanwhile.
            over = await self.running(user_id, session_id) != turn_id
            block = None if over else _BLOCK_MS
        async for event in self._replay(user_id, session_id, turn_id, after):
            yield event

    async def _replay(
        self, user_id: str, session_id: str, turn_id: str, after: int
    ) -> AsyncGenerator[TurnEvent, None]:
        """The rest of an ended turn whose log is gone or says nothing more, from the stored reply."""
        stored = await self._store.messages(user_id, session_id)
        replies = [m for m in stored.items if m.turn_id == turn_id and m.role == "assistant"]
        if not replies:
            yield await self._logged_end(user_id, turn_id)
            return
        reply = replies[-1]
        thought = len(reply.reasoning)
        pieces = [
            Delta("reasoning", reply.reasoning, thought),
            Delta("text", reply.content, thought + len(reply.content)),
        ]
        for piece in joined([p for p in pieces if p.end > after and p.text], after):
            yield piece
        yield TurnEnd.of_message(reply)

    async def _logged_end(self, user_id: str, turn_id: str) -> TurnEnd:
        last = await self._redis.xrevrange(keys.log(user_id, turn_id), count=1)
        event = _event(last[0]) if last else None
        return event if isinstance(event, TurnEnd) else TurnEnd(status="interrupted")


# How long the log of the turn before stays for followers elsewhere that have not read its end yet.
_LAST_LOOK_SECONDS = 60
_BLOCK_MS = 1000


def joined(pieces: Iterable[Delta], after: int) -> list[Delta]:
    """Neighbours of one kind as one piece; what lies at or before the position `after`, or was there
    before in another cut, is left out."""
    fresh: list[Delta] = []
    for piece in pieces:
        if piece.end > after:
            fresh.append(piece._replace(text=piece.text[after - piece.end :]))
            after = piece.end
    runs = (list(run) for _, run in groupby(fresh, key=lambda piece: piece.kind))
    return [Delta(run[0].kind, "".join(piece.text for piece in run), run[-1].end) for run in runs]


def _event(entry: tuple[str, dict[str, str]]) -> Delta | TurnEnd:
    entry_id, fields = entry
    ((name, value),) = fields.items()
    if name == "end":
        return TurnEnd.model_validate_json(value)
    return Delta("reasoning" if name == "reasoning" else "text", value, int(entry_id.split("-")[0]))


def _interrupted(
    turn_id: str, pieces: Sequence[Delta], *, timestamp: float, role: str, model: str
) -> TurnEnd:
    text = {kind: "".join(p.text for p in pieces if p.kind == kind) for kind in ("text", "reasoning")}
    message = ChatMessage(
        id=f"{turn_id}-reply",
        role="assistant",
        content=text["text"],
        timestamp=timestamp,
        status="interrupted",
        turn_id=turn_id,
        reasoning=text["reasoning"],
        as_role=role,
        model=model,
    )
    return TurnEnd(status="interrupted", message=message if message.content else None)


def _image_ids(messages: Iterable[ChatMessage]) -> set[str]:
    versions = (version for message in messages for version in (message, *message.earlier))
    return {image.id for version in versions for image in version.images}


def title_of(message: ChatMessage) -> str:
    """The first line of the first message as a title."""
    first_line = next((line for line in message.content.splitlines() if line.strip()), "")
    words = " ".join(first_line.split())
    return words if len(words) <= TITLE_CHARS else f"{words[: TITLE_CHARS - 1]}…"


TITLE_CHARS = 60
