"""The endpoints that change what was said."""

from collections.abc import AsyncIterator

import gradio as gr

from ..visitor import Visitor
from .base import EndpointsBase, Json, yields


class ChangeEndpoints(EndpointsBase):
    """See Endpoints."""

    @yields(dict)
    async def regenerate(
        self, request: gr.Request, user_id: str, session_id: str, role: str = "", model: str = ""
    ) -> AsyncIterator[Json]:
        """Asks for another reply to the latest message, and keeps the one it has as an earlier version.
        Streams events as /chat_events does."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            turn_id = await self._service.regenerate(
                visitor.user_id, session_id, role, model, address=visitor.address
            )
            async for event in self._events(visitor, session_id, turn_id):
                yield event

    @yields(dict)
    async def continue_reply(self, request: gr.Request, user_id: str, session_id: str) -> AsyncIterator[Json]:
        """Goes on with the last reply where it was stopped, interrupted or cut off, in the same message.
        Streams what is new as /chat_events does; the ids go on from what was there."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            turn_id, position = await self._service.continue_reply(
                visitor.user_id, session_id, address=visitor.address
            )
            async for event in self._events(visitor, session_id, turn_id, position):
                yield event

    @yields(dict)
    async def edit_message(
        self, request: gr.Request, user_id: str, session_id: str, message_id: str, message: str
    ) -> AsyncIterator[Json]:
        """Puts a message in the place of an earlier one of the user's and of all that followed; its images
        stay. Streams events as /chat_events does."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            turn_id = await self._service.edit_message(
                visitor.user_id, session_id, message_id, message, address=visitor.address
            )
            async for event in self._events(visitor, session_id, turn_id):
                yield event

    async def branch(self, request: gr.Request, user_id: str, session_id: str, message_id: str) -> Json:
        """Begins a new conversation with what was said up to and with that message. Returns {"session_id"};
        /sessions tells what it is "branched_from"."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            branch = await self._service.branch(
                visitor.user_id, session_id, message_id, address=visitor.address
            )
        return {"session_id": branch.id}
