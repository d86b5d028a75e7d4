"""LiveTurn: a turn in the memory of the process that runs it."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, NamedTuple, TypeGuard

from ..messages import (
    ChatMessage,
    Delta,
    DeltaKind,
    Status,
    TextKind,
    TurnEnd,
    TurnEvent,
    TurnPiece,
    VoiceEnd,
)
from ..slices import next_slice

# Tokens are kept together in pieces of about this length: a hundred replies of thousands of tokens, each an
# object, would stop everybody whenever Python looks through all objects for what nobody uses any more.
_PIECE_CHARS = 500


class Step(NamedTuple):
    """A part of the work on a turn: when it began and ended, in seconds since 1970, and what came of it."""

    name: str
    began: float
    ended: float
    facts: Mapping[str, Any] = {}


class LiveTurn:
    """A reply while it is written: every piece so far, and its followers in this process. `address` is
    where it was asked for, "" if that is not known.

    `replies` is how many are written in it, side by side, and `readers` are the tasks that read the models.
    `pending_end` is the end that is still to be stored, `logged` the position up to which the log is written.
    `continued` is the stored reply that the turn goes on with, if it does: its text is there from the
    beginning. `images` are the data URLs to be stored with its end, by id. `head` and `said` are what the
    store has of its session, should it lose that: the fields of the head, and the latest messages up to the
    user's. `alive_at` is when the store last heard of it, on the monotonic clock. `steps` is what was done
    for it so far, for who watches how long that takes.
    """

    def __init__(
        self,
        turn_id: str,
        user_id: str,
        session_id: str,
        address: str = "",
        *,
        continued: ChatMessage | None = None,
        replies: int = 1,
    ) -> None:
        self.id = turn_id
        self.user_id = user_id
        self.session_id = session_id
        self.address = address
        self.replies = replies
        self.readers: Sequence[asyncio.Task[None]] = ()
        self.continued = continued
        self.cancelled_as: Status | None = None
        self.pending_end: TurnEnd | None = None
        self.images: Mapping[str, str] = {}
        self.head: Mapping[str, str] = {}
        self.said: Sequence[ChatMessage] = ()
        self.alive_at = time.monotonic()
        self.steps: list[Step] = []
        self._published_end: TurnEnd | None = None
        self._ended = asyncio.Event()
        self._pieces: list[TurnPiece] = []
        self._ends: list[int] = []
        self._waiting: list[asyncio.Future[None]] = []
        for piece in pieces_of(continued) if continued else ():
            self.append(piece.kind, piece.text)
        self.logged = self.position

    @property
    def position(self) -> int:
        """How many characters there are so far, reasoning and text together, and pictures."""
        return self._ends[-1] if self._ends else 0

    def append(self, kind: DeltaKind, text: str, voice: int = 0) -> None:
        """Adds a piece and wakes the followers."""
        length = 1 if kind == "picture" else len(text)
        piece = Delta(kind, text, self.position + length, voice)
        last = self._pieces[-1] if self._pieces else None
        if _takes(last, piece):
            self._pieces.pop()
            self._ends.pop()
            piece = Delta(kind, last.text + text, piece.end, voice)
        self._add(piece)

    def end_voice(self, voice: int, end: TurnEnd) -> None:
        """One of several replies is over, while others go on."""
        self._add(VoiceEnd(end, self.position + 1, voice))

    def _add(self, piece: TurnPiece) -> None:
        self._pieces.append(piece)
        self._ends.append(piece.end)
        self._wake()

    def cancel(self, status: Status) -> None:
        """Ends the replies where they are, with this status. Only the first call counts."""
        if self.readers and self.cancelled_as is None:
            self.cancelled_as = status
            for reader in self.readers:
                reader.cancel()

    def text(self, kind: TextKind, voice: int = 0) -> str:
        """All pieces of that kind."""
        return text_of(self._pieces, kind, voice)

    def read(self, after: int = 0) -> list[TurnPiece]:
        """The pieces after the position `after`, neighbours of one kind as one piece."""
        return coalesce(self._pieces[bisect_right(self._ends, after) :], after)

    def publish_end(self, end: TurnEnd) -> None:
        """The end is stored: tell the followers. Only the first call counts."""
        self._published_end = self._published_end or end
        self._ended.set()
        self._wake()

    async def wait_for_end(self) -> TurnEnd:
        """The end, once it is stored, or cannot be for now."""
        await self._ended.wait()
        assert self._published_end
        return self._published_end

    async def follow(
        self, after: int = 0, interval: Callable[[], float] | None = None
    ) -> AsyncGenerator[TurnEvent, None]:
        """Pieces after the position `after` as they come, coalesced to what is new, then the end. The
        `interval` says how many seconds to let pass after each piece; the end does not wait."""
        while True:
            await next_slice()
            end = self._published_end
            pieces = self.read(after)
            for piece in pieces:
                after = piece.end
                yield piece
            if end:
                yield end
                return
            if interval and pieces:
                await self._rest(interval())
            if after >= self.position and not self._published_end:
                await self._news()

    async def _rest(self, seconds: float) -> None:
        """Waits so long, or until the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    async def _news(self) -> None:
        """Waits for the next piece or the end."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        if not self._waiting:  # most pieces come while the followers rest between two frames
            return
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():  # a follower may have gone
                waiter.set_result(None)


def pieces_of(reply: ChatMessage) -> list[Delta]:
    """A stored reply as pieces, its reasoning before its text."""
    reasoned = len(reply.reasoning)
    pieces = [
        Delta("reasoning", reply.reasoning, reasoned),
        Delta("text", reply.content, reasoned + len(reply.content)),
    ]
    return [piece for piece in pieces if piece.text]


def text_of(pieces: Iterable[TurnPiece], kind: TextKind, voice: int = 0) -> str:
    """What one of those who reply has said in these pieces, or reasoned."""
    said = (piece for piece in pieces if isinstance(piece, Delta) and piece.voice == voice)
    return "".join(piece.text for piece in said if piece.kind == kind)


def coalesce(pieces: Iterable[TurnPiece], after: int) -> list[TurnPiece]:
    """Neighbours of one kind and voice as one piece, of pictures the last; what lies at or before the
    position `after`, or was there before in another cut, is left out."""
    fresh: list[TurnPiece] = []
    for piece in pieces:
        if piece.end > after:
            fresh.append(_rest_of(piece, after))
            after = piece.end
    return [_joined([*run]) for _, run in groupby(fresh, key=lambda piece: (piece.kind, piece.voice))]


def _is_text(piece: TurnPiece) -> TypeGuard[Delta]:
    """Whether it may be cut and joined."""
    return isinstance(piece, Delta) and piece.kind != "picture"


def _takes(last: TurnPiece | None, piece: Delta) -> TypeGuard[Delta]:
    """Whether the `piece` may become a part of the `last` one before it."""
    return (
        last is not None
        and (last.kind, last.voice) == (piece.kind, piece.voice)
        and _is_text(last)
        and len(last.text) < _PIECE_CHARS
    )


def _rest_of(piece: TurnPiece, after: int) -> TurnPiece:
    if not _is_text(piece) or after <= piece.end - len(piece.text):
        return piece
    return piece._replace(text=piece.text[after - piece.end :])


def _joined(run: Sequence[TurnPiece]) -> TurnPiece:
    last = run[-1]
    return (
        last._replace(text="".join(piece.text for piece in run if _is_text(piece)))
        if _is_text(last)
        else last
    )
