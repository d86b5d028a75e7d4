"""Exports: the part of ChatService that gives conversations out as files, and takes such files."""

import asyncio
import time
import uuid
from contextlib import suppress

from ..errors import SessionUnreadable
from ..exchange import ConversationExport, parse_export
from ..messages import Session
from ..storage import redis_errors_as_store_unavailable
from ..validation import validate_ids
from .base import ServiceBase


class Exports(ServiceBase):
    """See ChatService."""

    @redis_errors_as_store_unavailable()
    async def export(self, user_id: str, session_id: str) -> ConversationExport:
        """What was said, to be kept elsewhere, as far as it can be read, without a running reply."""
        with suppress(SessionUnreadable):
            await self.session(user_id, session_id)  # which closes a turn whose process has died
        state = await self._store.read(user_id, session_id)
        head = {name: state.head.get(name, "") for name in ("title", "role", "model")}
        return ConversationExport.of(state.messages.items, **head)

    @redis_errors_as_store_unavailable()
    async def import_session(self, user_id: str, data: bytes | str, *, address: str = "") -> Session:
        """A new session of what was exported, by whomever; a role or model that is not there gives way to
        the default. Counts as a message, whether it is refused or not, because reading it is the work.

        Raises ImportRejected or RateLimited; then nothing is stored.
        """
        validate_ids(user_id)
        await self._limiter.check(user_id, address)
        limit = self.settings.max_message_chars
        # In a thread: the largest file takes a moment, in which others' replies go on.
        found = await asyncio.to_thread(parse_export, data, max_message_chars=limit, now=time.time())
        return await self._store_export(user_id, found)

    async def _store_export(self, user_id: str, found: ConversationExport) -> Session:
        """A new session of that, whose messages have ids of their own."""
        head = {
            "title": found.title,
            "role": (await self._roles.find_or_default(user_id, found.role)).key,
            "model": found.model and self._starter.choose_model("", found.model),
        }
        return await self._store.create(user_id, uuid.uuid4().hex, head, found.messages)
