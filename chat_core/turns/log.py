"""TurnLog: a turn in Redis, with its log, its lease and its stop flag.

The log is a stream whose entry ids *are* positions: a piece that ends at character 120 of the reply has
the id `120-0`, the end event `120-1`. So a follower can go on from any position in any process, and a
piece written twice, after a lost answer, is recognised.
"""

import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import MessageNotFound, NothingToContinue, SessionBusy, SessionNotFound
from ..exchange import image_ids
from ..messages import (
    ChatMessage,
    Delta,
    DeltaKind,
    Image,
    StoredMessages,
    TurnEnd,
    TurnEvent,
    TurnPiece,
    Voice,
    VoiceEnd,
    title_from,
)
from ..storage import (
    STORE_ERRORS,
    Change,
    Plan,
    Redis,
    Script,
    ScriptCall,
    SessionState,
    SessionStore,
    index_of,
    is_of_wrong_type,
    keys,
    parse_rows,
    require_last_turn,
    run_scripts,
    run_scripts_in_order,
)
from .live import LiveTurn, coalesce, pieces_of, text_of

log = logging.getLogger(__name__)

_FLUSH = Script(Path(__file__).parent / "flush.lua")
_BLOCK_MS = 1000

# Its id, and what it has.
Entry = tuple[str, Mapping[str, str]]


class TurnState(NamedTuple):
    """How a running turn stands in Redis: whether it is still open, that is, nobody thought the process
    dead and closed the turn, cleared or deleted it; and whether somebody asked it to stop."""

    open: bool
    stop_requested: bool


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
        head: Mapping[str, str],
        replaces: str = "",
        keep_version: bool = False,
        last_turn: str | None = None,
        images: Mapping[str, str] = {},
        state: SessionState | None = None,
        limit: int = 0,
    ) -> StoredMessages:
        """Begins the turn `message.turn_id`: takes the session's lease, stores the user's message and the
        data URLs of its new `images`, by id, and sets the fields of `head`. Returns the messages that stand
        before it, of which the latest `limit` are read (0: all); the images of all others are removed.

        With `replaces` the message takes the place of the stored one of that id and of all that followed;
        with `keep_version` it then keeps the reply that followed among its `versions`. `last_turn` is the one
        that the session had when this was decided (None: any). `state` is the session, if it was read before.

        Raises SessionNotFound, MessageNotFound, SessionBusy while another turn runs, or SessionChanged when
        another one has run since.
        """
        before = StoredMessages([])

        async def plan(state: SessionState) -> Change | None:
            nonlocal before
            state = await self._closed(user_id, state, message.turn_id, limit)
            if state.older and (replaces or state.head.get("images")):  # which need all rows
                state = await self._store.read(user_id, session_id)
            if state.open_turn == message.turn_id:  # done before, only the answer got lost
                before = state.messages_before(len(state.rows) - 1)
                return None
            _require_free(state, last_turn)
            place = index_of(state.rows, replaces) if replaces else len(state.rows)
            if place is None:
                raise MessageNotFound()
            before = state.messages_before(place)
            asked = message
            if keep_version:
                replaced, *replies = parse_rows(state.rows[place:], session_id).items
                asked = message.model_copy(update={"versions": (*replaced.versions, *replies)})
            change = Change(user_id, session_id, state)
            self._plan_claim(change, state, asked, head, place if replaces else None)
            # Asked only where there can be any: most conversations have none.
            gone = await self._store.image_ids(user_id, session_id) if state.head.get("images") else set()
            change.set_images(images, gone - {*image_ids([*before.items, asked])})
            return change

        await self._store.change(user_id, session_id, plan, state=state, limit=limit)
        return before

    def _plan_claim(
        self,
        change: Change,
        state: SessionState,
        asked: ChatMessage,
        head: Mapping[str, str],
        place: int | None,
    ) -> None:
        title = {} if state.head.get("title") else {"title": title_from(asked)}
        self._plan_lease(change, asked.turn_id)
        if place is not None:
            change.truncate(place)
            change.void_summary(state, place)
        change.set_head(**title, **head, open_turn=asked.turn_id, last_turn=asked.turn_id)
        change.append(asked)
        change.release_log(state.last_turn)

    def _plan_lease(self, change: Change, turn_id: str) -> None:
        lease = keys.lease(change.user_id, change.session_id)
        # First, for a full Redis refuses a script at its first command that takes memory, or not at all.
        change.add("SET", lease, turn_id, "PX", self._lease_ms)

    async def claim_continuation(
        self,
        user_id: str,
        session_id: str,
        turn_id: str,
        *,
        last_turn: str | None = None,
        state: SessionState | None = None,
        limit: int = 0,
    ) -> StoredMessages:
        """Begins the turn that goes on with the last reply, which stays stored as it is meanwhile; its text
        begins the turn's log, so positions go on too. Returns the messages up to and with that reply, of
        which the latest `limit` are read (0: all).

        Raises NothingToContinue when it is whole, and what `claim` does.
        """
        known = StoredMessages([])

        async def plan(state: SessionState) -> Change | None:
            nonlocal known
            state = await self._closed(user_id, state, turn_id, limit)
            known = state.messages
            if state.open_turn == turn_id:  # done before, only the answer got lost
                return None
            _require_free(state, last_turn)
            reply = known.items[-1] if known.items else None
            if reply is None or not reply.is_unfinished:
                raise NothingToContinue()
            change = Change(user_id, session_id, state)
            self._plan_lease(change, turn_id)
            change.set_head(open_turn=turn_id, last_turn=turn_id)
            change.set_message(-1, reply.model_copy(update={"turn_id": turn_id}))
            log = keys.log(user_id, turn_id)
            for piece in pieces_of(reply):
                change.add("XADD", log, f"{piece.end}-0", piece.kind, piece.text)
            change.keep_log(turn_id)
            change.release_log(state.last_turn)
            return change

        await self._store.change(user_id, session_id, plan, state=state, limit=limit)
        return known

    async def _closed(self, user_id: str, state: SessionState, turn_id: str, limit: int) -> SessionState:
        """The session, after closing a turn that could have ended; `turn_id` is the one to be begun."""
        if state.open_turn in ("", turn_id):
            return state
        await self._close_ended(state.open_turn)
        await self.recover(user_id, state.session_id)
        return await self._store.read(user_id, state.session_id, limit)

    async def flush(self, turns: Sequence[LiveTurn]) -> list[TurnState]:
        """Writes what is new of each turn, renews its lease and asks how it stands, in one round trip."""
        positions = [turn.position for turn in turns]
        calls = [
            self._flush_call(turn.user_id, turn.session_id, turn.id, turn.read(turn.logged)) for turn in turns
        ]
        replies = await run_scripts(self._redis, *calls) if calls else []
        states = [TurnState(bool(is_open), bool(stop_requested)) for is_open, stop_requested in replies]
        for turn, position, state in zip(turns, positions, states, strict=True):
            turn.logged = position
            if state.open:
                turn.alive_at = time.monotonic()
        return states

    def _flush_call(
        self, user_id: str, session_id: str, turn_id: str, pieces: Sequence[TurnPiece]
    ) -> ScriptCall:
        arguments = [part for piece in pieces for part in (piece.end, *_fields_of(piece))]
        return ScriptCall(
            _FLUSH,
            [
                keys.session(user_id, session_id),
                keys.lease(user_id, session_id),
                keys.log(user_id, turn_id),
                keys.stop(user_id, turn_id),
            ],
            [turn_id, self._lease_ms, self._store.ttl_seconds, *arguments],
        )

    def is_silent(self, turn: LiveTurn) -> bool:
        """Whether others may have closed the turn, and deleted its session: its last sign of life is old."""
        return time.monotonic() - turn.alive_at > self._lease_ms / 1000

    async def restore(self, turn: LiveTurn) -> bool:
        """Stores the session of a running turn again, as far as the turn knows it, if the store has lost it:
        emptied, or started again without what it had. False, and nothing changed, if it is there, or was
        deleted; for a silent turn also if the user has others."""
        if not turn.said:
            return False
        user_id, session_id = turn.user_id, turn.session_id
        change = Change(user_id, session_id)
        change.require("0", "EXISTS", keys.session(user_id, session_id))
        change.require("0", "EXISTS", keys.stop(user_id, turn.id))  # see SessionStore.delete
        if self.is_silent(turn):
            change.require("0", "EXISTS", keys.sessions(user_id))
        self._plan_lease(change, turn.id)
        title = turn.head.get("title") or title_from(turn.said[0])
        fresh = {"title": title, "open_turn": turn.id, "last_turn": turn.id, "images": ""}  # which are gone
        change.set_head(**{**turn.head, **fresh})
        change.append(*turn.said)
        if await self._store.commit(change) is None:
            return False
        turn.logged = 0
        log.warning("the store has lost session %.8s…, whose latest messages are stored again", session_id)
        return True

    async def finish(
        self,
        user_id: str,
        session_id: str,
        turn_id: str,
        end: TurnEnd,
        pieces: Sequence[TurnPiece] = (),
        position: int = 0,
        *,
        continues: bool = False,
        images: Mapping[str, str] = {},
    ) -> bool:
        """Ends the turn in one step: stores `end.message` and the data URLs of its `images`, by id, logs the
        end at `position`, releases the lease; the last `pieces` are logged before. A turn that `continues`
        has its reply stored already, as it was. False, and nothing changed, if it had ended before."""
        calls = [self._flush_call(user_id, session_id, turn_id, pieces)] if pieces else []
        if end.message and not end.voices:
            change = Change(user_id, session_id)
            self._planned_end(change, turn_id, end, position, continues=continues)
            change.set_images(images)
            calls.append(self._store.commit_call(change))
            return (await run_scripts_in_order(self._redis, *calls))[-1] is not None
        if calls:
            await run_scripts(self._redis, *calls)

        async def plan(state: SessionState) -> Change | None:
            if state.open_turn != turn_id:
                return None
            change = Change(user_id, session_id, state)
            return self._planned_end(change, turn_id, end, position, state)

        return await self._change_end(user_id, session_id, plan)

    async def replace_recovered_reply(
        self, user_id: str, session_id: str, end: TurnEnd, images: Mapping[str, str] = {}
    ) -> bool:
        """Puts the whole replies of the turn that ended so, with its `images`, in the place of what another
        process stored of them that thought this one dead, and so knew no more than the log did. False, and
        nothing changed, if none of them is stored (any more)."""
        whole = {one.message.id: one.message for one in (end, *end.voices) if one.message}

        def replaced(state: SessionState) -> dict[str, ChatMessage]:
            found = {}
            for message in state.messages.items:
                versions = tuple(whole.get(version.id, version) for version in message.versions)
                if message.id in whole:
                    found[message.id] = whole[message.id]
                elif versions != message.versions:
                    found[message.id] = message.model_copy(update={"versions": versions})
            return found

        try:
            return await self._store.replace(user_id, session_id, replaced, images)
        except SessionNotFound:
            return False

    def _planned_end(
        self,
        change: Change,
        turn_id: str,
        end: TurnEnd,
        position: int,
        state: SessionState | None = None,
        *,
        continues: bool = False,
    ) -> Change:
        """The change that ends the turn, if it is still open. Of several replies, which take the `state`, the
        others become versions. When nothing new came, which takes it too, the previous version is the reply
        again; without one the user's message says why it has none."""
        user_id, session_id = change.user_id, change.session_id
        change.require(turn_id, "HGET", keys.session(user_id, session_id), "open_turn")
        change.add("XADD", keys.log(user_id, turn_id), f"{position}-1", "end", end.to_json())
        change.keep_log(turn_id)
        if end.message and continues:
            change.set_message(-1, end.message)
            change.set_latest(end.message)
        elif end.message:
            if end.voices and state:
                self._plan_voices(change, state, end, end.message)
            change.append(end.message)
        elif state:
            self._plan_no_reply(change, state, end)
        change.set_head(open_turn="")
        if end.cost is not None:
            change.add_cost(end.cost)
        change.add("DEL", keys.stop(user_id, turn_id), keys.lease(user_id, session_id))
        return change

    def _plan_voices(self, change: Change, state: SessionState, end: TurnEnd, reply: ChatMessage) -> None:
        for asked in parse_rows(state.rows[-1:], state.session_id).items:
            others = [one.message for one in end.voices if one.message and one.message.id != reply.id]
            voices = tuple(
                voice.model_copy(update={"status": one.status, "error": one.error})
                for voice, one in zip(asked.voices, end.voices, strict=True)
            )
            versions = (*asked.versions, *others)
            change.set_message(-1, asked.model_copy(update={"versions": versions, "voices": voices}))

    def _plan_no_reply(self, change: Change, state: SessionState, end: TurnEnd) -> None:
        for asked in parse_rows(state.rows[-1:], state.session_id).items:
            if not asked.versions:
                change.set_message(-1, asked.model_copy(update={"status": end.status, "error": end.error}))
                return
            *versions, reply = asked.versions
            change.set_message(-1, asked.model_copy(update={"versions": tuple(versions)}))
            change.append(reply)

    async def forget_stop(self, user_id: str, turn_id: str) -> None:
        """Nobody writes the turn any more, so nobody need be told to stop."""
        await self._redis.delete(keys.stop(user_id, turn_id))

    async def request_stop(self, user_id: str, turn_id: str) -> None:
        """Asks the process that runs the turn, whichever it is, to stop it."""
        await self._redis.set(keys.stop(user_id, turn_id), "1", px=max(self._lease_ms, 10_000))

    async def open_turn(self, user_id: str, session_id: str) -> str:
        """The id of the session's turn that has not ended, or ""."""
        return await self._redis.hget(keys.session(user_id, session_id), "open_turn") or ""

    async def recover(self, user_id: str, session_id: str) -> bool:
        """Closes the session's turn if its process has died, keeping the text that was logged as an
        interrupted reply. True if there was something to close. Raises SessionUnreadable."""
        lease = keys.lease(user_id, session_id)

        async def plan(state: SessionState) -> Change | None:
            turn_id = state.session.open_turn
            if not turn_id or turn_id in self.live or await self._redis.exists(lease):
                return None
            log = keys.log(user_id, turn_id)
            entries = await self._entries(log)
            events = _readable(entries or ())
            pieces = _pieces_of(events, 0)
            position = pieces[-1].end if pieces else 0
            before = _reply_of(state, turn_id)
            end = _interrupted_end(turn_id, pieces, state, before)
            change = Change(user_id, session_id, state)
            # Should the process give a sign of life after all, the turn stays its own.
            change.require(0, "EXISTS", lease)
            if entries is None or len(events) < len(entries):
                change.add("DEL", log)  # nothing might come after what is damaged
                for piece in pieces:
                    change.add("XADD", log, f"{piece.end}-0", *_fields_of(piece))
            else:
                change.require(len(entries), "XLEN", log)
            self._planned_end(change, turn_id, end, position, state, continues=before is not None)
            return change

        return await self._change_end(user_id, session_id, plan)

    async def _close_ended(self, turn_id: str) -> None:
        """Ends a turn of this process whose reply is over and could only not be saved yet. Where the store
        still refuses that, its error says why no other turn can begin."""
        turn = self.live.get(turn_id)
        if turn and turn.pending_end:
            pieces = turn.read(turn.logged)
            ids = turn.user_id, turn.session_id, turn.id
            continues = turn.continued is not None
            await self.finish(*ids, turn.pending_end, pieces, turn.position, continues=continues)

    async def _change_end(self, user_id: str, session_id: str, plan: Plan) -> bool:
        """Whether `plan` found something to change; nothing where the session is gone."""
        try:
            return bool(await self._store.change(user_id, session_id, plan, limit=1))
        except SessionNotFound:
            return False

    async def follow(
        self, user_id: str, session_id: str, turn_id: str, after: int = 0
    ) -> AsyncGenerator[TurnEvent, None]:
        """The turn's events after the position `after`, read from the log: first what is there, then
        what comes, last the end. Wherever it runs, and also when nobody runs it any more."""
        log = keys.log(user_id, turn_id)
        block: int | None = None
        over = False
        while True:
            try:
                rows = await self._redis.xread({log: f"{after}-0"}, block=block)
            except STORE_ERRORS as error:
                if not is_of_wrong_type(error):
                    raise
                await self.recover(user_id, session_id)
                break
            read = _readable(rows[0][1]) if rows else []
            for piece in _pieces_of(read, after):
                after = piece.end
                yield piece
            if read and isinstance(read[-1], TurnEnd):
                yield read[-1]
                return
            if over:
                break
            if read:
                continue
            await self.recover(user_id, session_id)
            if rows:  # what cannot be read would come again and again
                break
            # Nobody writes the log of an ended turn any more: one last look for what came meanwhile.
            over = await self.open_turn(user_id, session_id) != turn_id
            block = None if over else _BLOCK_MS
        async for event in self._replay_stored(user_id, session_id, turn_id, after):
            yield event

    async def _replay_stored(
        self, user_id: str, session_id: str, turn_id: str, after: int
    ) -> AsyncGenerator[TurnEvent, None]:
        """The rest of an ended turn whose log is gone or says nothing more, from the stored reply."""
        stored = await self._store.messages(user_id, session_id)
        replies = _replies_of(stored, turn_id)
        if not any(replies):
            yield await self._logged_end(user_id, turn_id)
            return
        position, pieces = 0, []
        for number, reply in enumerate(replies):
            for piece in pieces_of(reply) if reply else ():
                position += len(piece.text)
                pieces.append(piece._replace(end=position, voice=number))
        for event in coalesce(pieces, after):
            yield event
        ends = [TurnEnd.of_message(reply) if reply else TurnEnd(status="interrupted") for reply in replies]
        yield TurnEnd.of_voices(ends)

    async def _logged_end(self, user_id: str, turn_id: str) -> TurnEnd:
        events = _readable(await self._entries(keys.log(user_id, turn_id), count=1) or ())
        return next((event for event in events if isinstance(event, TurnEnd)), TurnEnd(status="interrupted"))

    async def _entries(self, log: str, count: int | None = None) -> list[Entry] | None:
        """The log's latest entries, oldest first; None if it is none."""
        try:
            latest: list[Entry] = await self._redis.xrevrange(log, count=count)
        except STORE_ERRORS as error:
            if not is_of_wrong_type(error):
                raise
            return None
        return latest[::-1]


def _readable(entries: Iterable[Entry]) -> list[TurnEvent]:
    """What the entries of a log tell, as far as they can be read."""
    events: list[TurnEvent] = []
    for entry in entries:
        try:
            events.append(_event(entry))
        except ValueError:
            log.warning("an entry of a turn's log cannot be read")
    return events


def _event(entry: Entry) -> TurnEvent:
    """Raises ValueError."""
    entry_id, fields = entry
    ((name, value),) = fields.items()
    if name == "end":
        return TurnEnd.model_validate_json(value)
    kind, _, number = name.partition(".")
    position, voice = int(entry_id.split("-")[0]), int(number or 0)
    if kind == "ended":
        return VoiceEnd(TurnEnd.model_validate_json(value), position, voice)
    known: DeltaKind = "reasoning" if kind == "reasoning" else "picture" if kind == "picture" else "text"
    return Delta(known, value, position, voice)


def _fields_of(piece: TurnPiece) -> tuple[str, str]:
    """What an entry of the log has."""
    name = f"{piece.kind}.{piece.voice}" if piece.voice else piece.kind
    return name, piece.text if isinstance(piece, Delta) else piece.ended.to_json()


def _pieces_of(events: Iterable[TurnEvent], after: int) -> list[TurnPiece]:
    return coalesce((event for event in events if not isinstance(event, TurnEnd)), after)


def _require_free(state: SessionState, last_turn: str | None) -> None:
    """Raises SessionBusy while a turn is open, and what `require_last_turn` does."""
    if state.open_turn:
        raise SessionBusy(state.open_turn)
    require_last_turn(state, last_turn)


def _reply_of(state: SessionState, turn_id: str) -> ChatMessage | None:
    """The stored reply that this open turn goes on with."""
    last = parse_rows(state.rows[-1:], state.session_id).items
    return next((m for m in last if (m.role, m.turn_id) == ("assistant", turn_id)), None)


def _replies_of(stored: StoredMessages, turn_id: str) -> list[ChatMessage | None]:
    """The replies that the turn has brought, of each voice in it; None for one that has brought none."""
    asked = next((m for m in stored.items if m.role == "user" and m.turn_id == turn_id), None)
    said = [reply for message in stored.items for reply in (message, *message.versions)]
    replies = {reply.turn_id: reply for reply in said if reply.role == "assistant"}
    turns = [voice.turn_id for voice in asked.voices] if asked else []
    return [replies.get(turn) for turn in turns or [turn_id]]


def _interrupted_end(
    turn_id: str, pieces: Sequence[TurnPiece], state: SessionState, before: ChatMessage | None
) -> TurnEnd:
    """The end of a turn whose process has died, which had gone on with the reply `before` if there is one."""
    if before:
        text = text_of(pieces, "text") or before.content
        kept = {"content": text, "reasoning": text_of(pieces, "reasoning")}
        reply = before.model_copy(update={**kept, "status": "interrupted", "error": None})
        return TurnEnd(status="interrupted", message=reply)
    head = state.head
    usual = Voice(turn_id=turn_id, role=head["role"], model=head.get("model", ""))
    at = float(head["updated_at"])
    voices = state.messages.voices or (usual,)
    ended = {piece.voice: piece.ended for piece in pieces if isinstance(piece, VoiceEnd)}
    return TurnEnd.of_voices(
        [ended.get(n) or _interrupted_reply(voice, n, pieces, at) for n, voice in enumerate(voices)]
    )


def _interrupted_reply(voice: Voice, number: int, pieces: Sequence[TurnPiece], at: float) -> TurnEnd:
    message = ChatMessage(
        id=f"{voice.turn_id}-reply",
        role="assistant",
        content=text_of(pieces, "text", number),
        timestamp=at,
        status="interrupted",
        turn_id=voice.turn_id,
        images=_latest_picture(pieces, number),
        reasoning=text_of(pieces, "reasoning", number),
        role_key=voice.role,
        model=voice.model,
    )
    return TurnEnd(status="interrupted", message=message if message.content else None)


def _latest_picture(pieces: Sequence[TurnPiece], voice: int) -> tuple[Image, ...]:
    drawn = [piece for piece in pieces if isinstance(piece, Delta) and piece.kind == "picture"]
    return tuple(Image.model_validate_json(piece.text) for piece in drawn if piece.voice == voice)[-1:]
