"""Memories: the part of ChatService that shows and changes what conversations and roles remember."""

import time
import uuid

from ..errors import InvalidInput, NoteNotFound, TooManyNotes
from ..messages import SUMMARY_CHARS, Note, Summary
from ..storage import SessionState, redis_errors_as_store_unavailable
from ..validation import validate_id, validate_ids, validate_text
from .base import ServiceBase

NOTE_CHARS = 500
MAX_NOTES = 100


class Memories(ServiceBase):
    """See ChatService."""

    async def summary(self, user_id: str, session_id: str) -> Summary:
        """What stands for the conversation's older messages in the requests; an empty one if nothing does."""
        return (await self.session(user_id, session_id)).summary or Summary()

    @redis_errors_as_store_unavailable()
    async def notes(self, user_id: str, role: str) -> list[Note]:
        """What the user wants that role to know, the oldest first; the empty key means the default role.
        Raises UnknownRole."""
        key = await self._role_key(user_id, role)
        return [note for note in await self._notes.all(user_id) if note.role == key]

    @redis_errors_as_store_unavailable()
    async def save_note(self, user_id: str, role: str, text: str, *, address: str = "") -> Note:
        """The note, which that role alone is told from now on, white space tidied; one of the same text is
        not kept twice. Temporary chats tell none. Raises UnknownRole, InvalidInput, TooManyNotes or
        RateLimited."""
        validate_text(text=text)
        text = " ".join(text.split())
        if not 1 <= len(text) <= NOTE_CHARS:
            raise InvalidInput("text", f"1 to {NOTE_CHARS} characters")
        key = await self._role_key(user_id, role)
        await self._limiter.check_address(address)
        noted = await self._notes.all(user_id)
        if same := [note for note in noted if (note.role, note.text) == (key, text)]:
            return same[0]
        if len(noted) >= MAX_NOTES:
            raise TooManyNotes(MAX_NOTES)
        note = Note(id=uuid.uuid4().hex, role=key, text=text, created_at=time.time())
        await self._notes.save(user_id, note)
        return note

    @redis_errors_as_store_unavailable()
    async def delete_note(self, user_id: str, role: str, note_id: str) -> None:
        """Removes a note for that role. Raises UnknownRole, or NoteNotFound when there is none of that id."""
        validate_id("note_id", note_id)
        ids = [note.id for note in await self.notes(user_id, role)]
        if note_id not in ids or not await self._notes.delete(user_id, note_id):
            raise NoteNotFound()

    async def _role_key(self, user_id: str, role: str) -> str:
        validate_ids(user_id)
        validate_text(role=role)
        return (await self._roles.find(user_id, role)).key

    @redis_errors_as_store_unavailable()
    async def save_summary(self, user_id: str, session_id: str, text: str) -> Summary:
        """The summary in the user's words, which the model is told from now on; without text there is none
        until the model makes another one. Raises InvalidInput."""
        validate_text(summary=text)
        text = text.strip()
        if len(text) > SUMMARY_CHARS:
            raise InvalidInput("summary", f"at most {SUMMARY_CHARS} characters")
        await self.session(user_id, session_id)

        def edited(state: SessionState) -> Summary:
            before = state.summary_before(len(state.rows)) or Summary()
            return (
                before.model_copy(update={"text": text, "edited": True, "failed": False})
                if text
                else Summary()
            )

        await self._store.summarise(user_id, session_id, edited)
        return await self.summary(user_id, session_id)
