"""TurnWriter: the one task of a process that writes its running turns to Redis."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from ..errors import StoreUnavailable
from ..messages import TurnEnd, TurnError
from ..slices import next_slice
from ..storage import STORE_ERRORS
from .live import LiveTurn, Step
from .log import TurnLog

log = logging.getLogger(__name__)

# In one round trip: what is new of so many takes a few milliseconds to send.
_TURNS_AT_ONCE = 25


class TurnWriter:
    """Writes what is new of all running turns each `interval_seconds`, many in one pipeline, and stores the
    ends of the ended ones. What fails is tried again after the next interval, so an outage of Redis costs no
    text; after `warn_seconds` of it the followers of an ended turn are told that it is not saved yet.
    `on_saved` is told of each turn whose end is written."""

    def __init__(
        self,
        log: TurnLog,
        *,
        interval_seconds: float = 0.2,
        warn_seconds: float = 5.0,
        on_saved: Callable[[LiveTurn], None] = lambda _: None,
    ) -> None:
        self.turns = log.live
        self._on_saved = on_saved
        self._log = log
        self._interval_seconds = interval_seconds
        self._patience_seconds = warn_seconds
        self._due = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failing_since: float | None = None

    def add(self, turn: LiveTurn) -> None:
        """Takes care of this turn from now on, until its end is written."""
        self.turns[turn.id] = turn
        self._idle.clear()
        self._due.set()

    def end(self, turn: LiveTurn, end: TurnEnd) -> None:
        """The reply is over: write its end at once."""
        turn.pending_end = end
        self._due.set()

    async def wait_until_saved(self) -> None:
        """Waits until the end of every turn is written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Writes until it is cancelled."""
        clock = asyncio.get_running_loop().time
        next_flush = 0.0
        while True:
            if not self.turns:
                await self._due.wait()
                next_flush = clock() + self._interval_seconds  # its claim was its sign of life
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_flush):
                    await self._due.wait()
            self._due.clear()
            # An end is written at once; what is new of the running turns waits until the interval is over.
            flush = clock() >= next_flush
            if flush:
                next_flush = clock() + self._interval_seconds
            try:
                await self._write(flush)
            except Exception as error:
                self._note_failure(error)
                await asyncio.sleep(self._interval_seconds)
            else:
                if flush:
                    self._failing_since = None
            if not self.turns:
                self._idle.set()

    async def _write(self, flush: bool) -> None:
        turns = list(self.turns.values())
        running = [turn for turn in turns if turn.pending_end is None and flush]
        ending = [self._finish(turn, turn.pending_end) for turn in turns if turn.pending_end is not None]
        # Together, so that what goes wrong with one turn does not keep the others from their end.
        done = await asyncio.gather(self._flush(running), *ending, return_exceptions=True)
        for failure in done:
            if failure is not None:
                raise failure

    async def _flush(self, running: list[LiveTurn]) -> None:
        for begin in range(0, len(running), _TURNS_AT_ONCE):
            some = running[begin : begin + _TURNS_AT_ONCE]
            await next_slice()
            for turn, state in zip(some, await self._log.flush(some), strict=True):
                if not state.open:
                    if not await self._restore(turn):
                        turn.cancel("interrupted")
                elif state.stop_requested:
                    turn.cancel("stopped")

    async def _restore(self, turn: LiveTurn) -> bool:
        """Whether the store had lost the turn's session, which it has again. Who stood still, while the store
        did not, is the last to know what became of it."""
        stood_still = self._failing_since is None and self._log.is_silent(turn)
        return not stood_still and await self._log.restore(turn)

    async def _finish(self, turn: LiveTurn, end: TurnEnd) -> None:
        await next_slice()
        began = time.time()
        try:
            finished = await self._store_end(turn, end)
            if not finished and await self._restore(turn):
                finished = await self._store_end(turn, end)
            if not finished:
                await self._log.forget_stop(turn.user_id, turn.id)
                if end.message:
                    await self._log.replace_recovered_reply(turn.user_id, turn.session_id, end, turn.images)
        except Exception:
            if self._failing_for() > self._patience_seconds:
                unsaved = TurnError.of(StoreUnavailable(), reference=turn.id)
                turn.publish_end(end.model_copy(update={"status": "failed", "error": unsaved, "voices": ()}))
            raise
        del self.turns[turn.id]
        turn.publish_end(end)
        turn.steps.append(Step("store finish", began, time.time()))
        self._on_saved(turn)

    async def _store_end(self, turn: LiveTurn, end: TurnEnd) -> bool:
        return await self._log.finish(
            turn.user_id,
            turn.session_id,
            turn.id,
            end,
            turn.read(turn.logged),
            turn.position,
            continues=turn.continued is not None,
            images=turn.images,
        )

    def _note_failure(self, error: Exception) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            trace = None if isinstance(error, STORE_ERRORS) else error
            log.error("replies cannot be saved, trying on: %s", type(error).__name__, exc_info=trace)

    def _failing_for(self) -> float:
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since
