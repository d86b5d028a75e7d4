"""Archives: the part of ChatService that gives out everything of a user, and takes such files."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..archive import ArchiveWriter, RejectedPart, read_file
from ..errors import InvalidInput, SessionNotFound, TooManyRoles
from ..exchange import Belongings, ConversationExport, image_ids
from ..messages import Note, Session
from ..roles import Role, Roles
from ..storage import redis_errors_as_store_unavailable
from ..validation import validate_ids
from .exports import Exports
from .memories import MAX_NOTES, Memories
from .own_roles import MAX_OWN_ROLES, OwnRoles, new_role_key

# Makes a document of a conversation, with the names of those of the roles that spoke in it.
Document = Callable[[ConversationExport, Roles], str]


class Imported(NamedTuple):
    """What was stored of a file: sessions, the latest at the end, the user's own roles and notes; and what
    could not be used."""

    sessions: list[Session]
    roles: list[Role]
    notes: list[Note]
    rejected: list[RejectedPart]


class Archives(Exports, OwnRoles, Memories):
    """See ChatService."""

    async def export_all(self, user_id: str, document: Document, *, address: str = "") -> bytes:
        """Everything of a user as a zip that `import_file` takes: each conversation as JSON, with its folder,
        pin and summary, and as the `document` of it; pictures, the roles of the user's own, and notes. Counts
        as a message. Raises RateLimited."""
        validate_ids(user_id)
        async with redis_errors_as_store_unavailable():
            await self._limiter.check(user_id, address)
            sessions = await self._store.latest_sessions(user_id)
            own, notes = await self._roles.own(user_id), await self._notes.all(user_id)
        roles, writer = self.roles.with_own(own), ArchiveWriter()
        for session_id in (*(session.id for session in sessions.items), *sessions.unreadable):
            try:
                exported = await self._whole(user_id, session_id)
            except SessionNotFound:  # it was deleted just now
                continue
            # In a thread: a long conversation takes a moment, in which others' replies go on.
            await asyncio.to_thread(lambda found: writer.add(found, document(found, roles)), exported)
        return await asyncio.to_thread(writer.close, own, notes)

    @redis_errors_as_store_unavailable()
    async def _whole(self, user_id: str, session_id: str) -> ConversationExport:
        """A conversation with all that only its owner gets, as far as it can be read."""
        exported, session = await self._read_out(user_id, session_id)
        pictures = await self._store.images(user_id, session_id, image_ids(exported.messages))
        belongings = Belongings.of(session) if session else None
        return exported.model_copy(update={"pictures": pictures, "belongings": belongings})

    async def import_file(self, user_id: str, data: bytes | str, *, address: str = "") -> Imported:
        """New sessions of what was exported, here or elsewhere (see `archive`); a role or model that is not
        there gives way to the default. An archive's own roles and notes are stored too, unless they are there
        already. Counts as a message, whether it is refused or not, because reading it is the work.

        Raises ImportRejected or RateLimited; then nothing is stored.
        """
        validate_ids(user_id)
        async with redis_errors_as_store_unavailable():
            await self._limiter.check(user_id, address)
        limit = self.settings.max_message_chars
        found = await asyncio.to_thread(read_file, data, max_message_chars=limit, now=time.time())
        imported = Imported([], [], [], found.rejected)
        keys = await self._import_own_roles(user_id, found.roles, imported)
        for conversation in found.conversations:
            imported.sessions.append(await self._store_export(user_id, conversation.with_roles(keys)))
        await self._import_notes(user_id, found.notes, keys, imported)
        return imported

    @redis_errors_as_store_unavailable()
    async def _import_own_roles(
        self, user_id: str, roles: Iterable[Role], imported: Imported
    ) -> dict[str, str]:
        """Stores the roles that are not there yet; the keys that they have here, by those in the file."""
        own = {_without_key(role): role.key for role in await self._roles.own(user_id)} if roles else {}
        keys: dict[str, str] = {}
        for written in roles:
            known = written.model in self._models.names
            role = written if known else written.model_copy(update={"model": ""})
            if here := own.get(_without_key(role)):
                keys[role.key] = here
            elif len(own) >= MAX_OWN_ROLES:
                imported.rejected.append(RejectedPart(role.name.en, TooManyRoles(MAX_OWN_ROLES)))
            else:
                keys[role.key] = own[_without_key(role)] = new_role_key()
                imported.roles.append(role.model_copy(update={"key": keys[role.key]}))
        if imported.roles:
            await self._roles.save(user_id, *imported.roles)
        return keys

    async def _import_notes(
        self, user_id: str, notes: list[Note], keys: dict[str, str], imported: Imported
    ) -> None:
        for note in notes[:MAX_NOTES]:
            try:
                saved = await self.save_note(user_id, keys.get(note.role, note.role), note.text)
            except InvalidInput as error:
                imported.rejected.append(RejectedPart(note.text[:100], error))
            else:
                imported.notes.append(saved)


def _without_key(role: Role) -> str:
    """The same text for two roles that differ in their keys alone."""
    return role.model_copy(update={"key": ""}).to_json()
