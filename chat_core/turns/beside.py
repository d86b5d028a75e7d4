"""BesideTurns: what a model is asked for about a conversation, besides its replies."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from ..context import PromptMessage
from ..errors import ChatError
from ..messages import Sampling
from ..models import ModelCatalog, Piece
from ..storage import SessionStore, redis_errors_as_store_unavailable
from ..tasks import cancelled
from .live import LiveTurn

log = logging.getLogger(__name__)

_SECONDS = 90.0
_CALLS_AT_ONCE = 4


class BesideTurns:
    """Works on conversations, one task for each at most, after their turns and never in their way. What is
    lost with its process, or fails, is no more than not done."""

    def __init__(self, store: SessionStore, models: ModelCatalog) -> None:
        self._store = store
        self._models = models
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._closed = False
        self._places = asyncio.Semaphore(_CALLS_AT_ONCE)

    async def close(self) -> None:
        """Ends what is being made, and makes nothing more."""
        self._closed = True
        await asyncio.gather(*map(cancelled, self._running.values()), return_exceptions=True)

    def _begin(self, turn: LiveTurn, work: Coroutine[Any, Any, None]) -> None:
        ids = turn.user_id, turn.session_id
        if self._closed or ids in self._running:
            work.close()
            return
        task = self._running[ids] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._running.pop(ids))

    @asynccontextmanager
    async def _place(self, turn: LiveTurn, purpose: str) -> AsyncIterator[None]:
        """One of a few places and a time for what is asked; that it failed is logged."""
        try:
            async with self._places, asyncio.timeout(_SECONDS), redis_errors_as_store_unavailable():
                yield
        except (ChatError, TimeoutError) as error:
            log.warning("session %.8s…: no %s: %s", turn.session_id, purpose, type(error).__name__)

    async def _read_text(self, request: Sequence[PromptMessage], model: str, max_tokens: int) -> str:
        """What the model says to this. Raises ModelError; "" if it said nothing."""
        pieces: list[str] = []
        stream = self._models.model.stream(request, model=model, sampling=Sampling(max_tokens=max_tokens))
        async with aclosing(stream) as items:
            async for item in items:
                if isinstance(item, Piece) and item.kind == "text":
                    pieces.append(item.text)
        return "".join(pieces).strip()
