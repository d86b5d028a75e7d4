"""TurnLog: one turn's log in Redis, its lease, its stop flag; and LiveTurn, the same turn in the memory
of the process that runs it.

The log is a stream whose entry ids *are* positions: a piece that ends at character 120 of the reply has
the id `120-0`, the end event `120-1`. So a follower can go on from any position in any process, and a
piece written twice, after a lost answer, is recognised.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from redis.exceptions import ResponseError, WatchError

from . import keys
from .errors import SessionBusy, SessionNotFound
from .messages import ChatMessage, Delta, DeltaKind, Status, TurnEnd, TurnEvent
from .store import Messages, Pipeline, Redis, SessionStore, read_messages


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

    async def closed(self) -> TurnEnd:
        """Waits for the end."""
        while self._closed is None:
            await self._news.wait()
        return self._closed

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
    """What the log said about a running turn: somebody asked it to stop; its lease is lost, because the
    process was thought dead and the turn was closed by somebody else."""

    stop: bool
    lost: bool


class TurnLog:
    """Turns in Redis. `lease_seconds` is how long a turn survives without a sign of life from its
    process. The client must decode responses."""

    def __init__(self, redis: Redis, store: SessionStore, *, lease_seconds: float = 5.0) -> None:
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
    ) -> Messages:
        """Begins the turn `message.turn_id`: takes the session's lease, stores the user's message and
        sets the fields of `head`. Returns the messages that were stored before.

        Raises SessionNotFound, or SessionBusy while another turn runs.
        """
        session, lease = keys.session(user_id, session_id), keys.lease(user_id, session_id)
        messages = keys.messages(user_id, session_id)
        while True:
            await self.recover(user_id, session_id)
            async with self._redis.pipeline() as pipe:
                await pipe.watch(session, lease)
                if running := await pipe.get(lease):
                    raise SessionBusy(running)
                created, title, open_turn, last_turn = await pipe.hmget(
                    session, ["created_at", "title", "open_turn", "last_turn"]
                )
                if not created:
                    raise SessionNotFound()
                if open_turn:
                    continue  # its lease ran out since the look above: recover it first
                turn = {"open_turn": message.turn_id, "last_turn": message.turn_id}
                pipe.multi()
                pipe.lrange(messages, 0, -1)
                pipe.set(lease, message.turn_id, nx=True, px=self._lease_ms)
                pipe.hset(session, mapping=({} if title else _titled(message)) | head | turn)
                self._store.queue_append(pipe, user_id, session_id, message)
                self._store.queue_touch(pipe, user_id, session_id)
                if last_turn:
                    pipe.expire(keys.log(user_id, last_turn), _LAST_LOOK_SECONDS)
                try:
                    rows: list[str] = (await pipe.execute())[0]
                except WatchError:
                    continue
                return read_messages(rows, session_id)

    async def flush(self, turns: Sequence[LiveTurn]) -> list[Pulse]:
        """Writes what is new of each turn, renews its lease and asks how it stands, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            counts = [self._queue_flush(pipe, turn) for turn in turns]
            positions = [turn.position for turn in turns]
            rows = iter(await pipe.execute(raise_on_error=False))
        pulses: list[Pulse] = []
        for turn, count, position in zip(turns, counts, positions, strict=True):
            written = [next(rows) for _ in range(count)]
            holder, _, _, stop = (_raise_error(next(rows)) for _ in range(4))
            for row in written:
                _raise_error(row)
            turn.logged = position
            pulses.append(Pulse(stop=bool(stop), lost=holder != turn.id))
        return pulses

    def _queue_flush(self, pipe: Pipeline, turn: LiveTurn) -> int:
        log, lease = keys.log(turn.user_id, turn.id), keys.lease(turn.user_id, turn.session_id)
        count = self._queue_pieces(pipe, log, turn.read(turn.logged))
        pipe.get(lease)
        pipe.pexpire(lease, self._lease_ms)
        pipe.expire(log, self._store.ttl_seconds or _WEEK_SECONDS)
        pipe.exists(keys.stop(turn.user_id, turn.id))
        return count

    @staticmethod
    def _queue_pieces(pipe: Pipeline, log: str, pieces: Sequence[Delta]) -> int:
        for piece in pieces:
            pipe.xadd(log, {piece.kind: piece.text}, id=f"{piece.end}-0")
        return len(pieces)

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
        session, lease = keys.session(user_id, session_id), keys.lease(user_id, session_id)
        log = keys.log(user_id, turn_id)
        while True:
            async with self._redis.pipeline() as pipe:
                await pipe.watch(session, lease)
                if await pipe.hget(session, "open_turn") != turn_id:
                    return False
                mine = await pipe.get(lease) == turn_id
                pipe.multi()
                self._queue_pieces(pipe, log, pieces)
                pipe.xadd(log, {"end": end.model_dump_json(exclude_defaults=True)}, id=f"{position}-1")
                if end.message:
                    self._store.queue_append(pipe, user_id, session_id, end.message)
                pipe.hset(session, "open_turn", "")
                pipe.delete(keys.stop(user_id, turn_id), *([lease] if mine else []))
                self._store.queue_touch(pipe, user_id, session_id, last_turn=turn_id)
                try:
                    for row in await pipe.execute(raise_on_error=False):
                        _raise_error(row)
                except WatchError:
                    continue
                return True

    async def request_stop(self, user_id: str, turn_id: str) -> None:
        """Asks the process that runs the turn, whichever it is, to stop it."""
        await self._redis.set(keys.stop(user_id, turn_id), "1", px=max(self._lease_ms, 10_000))

    async def running(self, user_id: str, session_id: str) -> str:
        """The id of the turn that runs in the session now, or ""."""
        turn_id: str | None = await self._redis.get(keys.lease(user_id, session_id))
        return turn_id or ""

    async def recover(self, user_id: str, session_id: str) -> bool:
        """Closes the session's turn if its process has died, keeping the text that was logged as an
        interrupted reply. True if there was something to close."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.session(user_id, session_id), ["open_turn", "updated_at", "model"])
            pipe.exists(keys.lease(user_id, session_id))
            (turn_id, updated_at, model), leased = await pipe.execute()
        if not turn_id or leased:
            return False
        events = [_event(entry) for entry in await self._redis.xrange(keys.log(user_id, turn_id))]
        pieces = joined([event for event in events if isinstance(event, Delta)], 0)
        message = ChatMessage(
            id=f"{turn_id}-reply",
            role="assistant",
            content="".join(piece.text for piece in pieces if piece.kind == "text"),
            reasoning="".join(piece.text for piece in pieces if piece.kind == "reasoning"),
            timestamp=float(updated_at),
            status="interrupted",
            turn_id=turn_id,
            model=model or "",
        )
        end = TurnEnd(status="interrupted", message=message if message.content else None)
        position = pieces[-1].end if pieces else 0
        return await self.finish(user_id, session_id, turn_id, end, position=position)

    async def follow(
        self, user_id: str, session_id: str, turn_id: str, after: int = 0
    ) -> AsyncGenerator[TurnEvent, None]:
        """The turn's events after the position `after`, read from the log: first what is there, then
        what comes, last the end. Wherever it runs, and also when nobody runs it any more."""
        log = keys.log(user_id, turn_id)
        block: int | None = _BLOCK_MS
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
            if rows or await self.running(user_id, session_id) == turn_id:
                continue
            if block is None:
                break
            await self.recover(user_id, session_id)
            block = None  # nobody writes this log any more: one last look for what came meanwhile
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
_WEEK_SECONDS = 7 * 24 * 3600
_BLOCK_MS = 1000


def joined(pieces: Sequence[Delta], after: int) -> list[Delta]:
    """Neighbours of one kind as one piece; what lies at or before the position `after` is cut off."""
    runs: list[Delta] = []
    for kind, run in groupby(pieces, key=lambda piece: piece.kind):
        members = list(run)
        text = "".join(piece.text for piece in members)
        end = members[-1].end
        if text := text[max(0, len(text) - (end - after)) :] if end > after else "":
            runs.append(Delta(kind, text, end))
            after = end
    return runs


def _event(entry: tuple[str, dict[str, str]]) -> Delta | TurnEnd:
    entry_id, fields = entry
    ((name, value),) = fields.items()
    if name == "end":
        return TurnEnd.model_validate_json(value)
    return Delta("reasoning" if name == "reasoning" else "text", value, int(entry_id.split("-")[0]))


def _titled(message: ChatMessage) -> dict[str, str]:
    first_line = next((line for line in message.content.splitlines() if line.strip()), "")
    words = " ".join(first_line.split())
    return {"title": words if len(words) <= TITLE_CHARS else f"{words[: TITLE_CHARS - 1]}…"}


TITLE_CHARS = 60


def _raise_error(row: Any) -> Any:
    # An id at or below the stream's last one is a piece whose first writing did get through.
    if isinstance(row, ResponseError) and "equal or smaller" in str(row):
        return None
    if isinstance(row, Exception):
        raise row
    return row
