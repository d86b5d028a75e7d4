"""Exports: the part of ChatService that gives conversations out as files, and stores what was in one."""

import uuid
from contextlib import suppress

from ..errors import SessionUnreadable
from ..exchange import Belongings, ConversationExport
from ..messages import Session
from ..slices import next_slice
from ..storage import redis_errors_as_store_unavailable
from .base import ServiceBase


class Exports(ServiceBase):
    """See ChatService."""

    @redis_errors_as_store_unavailable()
    async def export(self, user_id: str, session_id: str) -> ConversationExport:
        """What was said, to be kept elsewhere, as far as it can be read, without a running reply."""
        exported, _ = await self._read_out(user_id, session_id)
        await next_slice()  # whoever wants it makes a file of it, which is as much work
        return exported

    async def _read_out(self, user_id: str, session_id: str) -> tuple[ConversationExport, Session | None]:
        """The same, and the session's head, if that can be read."""
        session = None
        with suppress(SessionUnreadable):
            session = await self.session(user_id, session_id)  # which closes a turn whose process has died
        state = await self._store.read(user_id, session_id)
        await next_slice()
        head = {name: state.head.get(name, "") for name in ("title", "role", "model")}
        return ConversationExport.of(state.messages.items, **head), session

    @redis_errors_as_store_unavailable()
    async def _store_export(self, user_id: str, found: ConversationExport) -> Session:
        """A new session of that, whose messages have ids of their own; a role or model that is not there
        gives way to the default."""
        head = {
            "title": found.title,
            "role": (await self._roles.find_or_default(user_id, found.role)).key,
            "model": found.model and self._starter.choose_model("", found.model),
        }
        kept = found.belongings or Belongings()
        return await self._store.create(
            user_id,
            uuid.uuid4().hex,
            head | kept.head(),
            found.messages,
            found.pictures,
            pinned=kept.pinned,
        )
