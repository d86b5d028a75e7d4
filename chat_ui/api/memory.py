"""The endpoints for what conversations and roles remember."""

import gradio as gr

from chat_core import Note, Summary

from ..visitor import Visitor
from .base import EndpointsBase, Json


class MemoryEndpoints(EndpointsBase):
    """See Endpoints."""

    async def summary(self, request: gr.Request, user_id: str, session_id: str) -> Json:
        """What the model is told in the place of older messages. Returns {"session_id", "summary": its text,
        "messages": how many it stands for, "edited": whether the user wrote it, "failed": whether the model
        could not bring it up to date}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            return _summary_object(session_id, await self._service.summary(visitor.user_id, session_id))

    async def save_summary(self, request: gr.Request, user_id: str, session_id: str, summary: str) -> Json:
        """Puts the user's own words in the place of the summary; empty ones remove it. Returns it as /summary
        does."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            saved = await self._service.save_summary(visitor.user_id, session_id, summary)
        return _summary_object(session_id, saved)

    async def notes(self, request: gr.Request, user_id: str, role: str) -> Json:
        """What the user wants that role (empty: the default one) to know. Returns {"role", "notes": [{"id",
        "text", "created_at"}]}, the oldest first."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            noted = await self._service.notes(visitor.user_id, role)
        return {"role": role or self._service.roles.default, "notes": [_note_object(note) for note in noted]}

    async def save_note(self, request: gr.Request, user_id: str, role: str, text: str) -> Json:
        """Lets that role, and no other, know something from now on. Returns the note, {"id", "text",
        "created_at"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            note = await self._service.save_note(visitor.user_id, role, text, address=visitor.address)
        return _note_object(note)

    async def delete_note(self, request: gr.Request, user_id: str, role: str, note_id: str) -> Json:
        """Removes what that role was to know. Returns {"id", "deleted": true}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            await self._service.delete_note(visitor.user_id, role, note_id)
        return {"id": note_id, "deleted": True}


def _note_object(note: Note) -> Json:
    return note.model_dump(include={"id", "text", "created_at"})


def _summary_object(session_id: str, summary: Summary) -> Json:
    facts = summary.model_dump(include={"messages", "edited", "failed"})
    return {"session_id": session_id, "summary": summary.text, **facts}
