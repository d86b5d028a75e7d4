"""The endpoints at which several reply to one message."""

from collections.abc import AsyncIterator

import gradio as gr

from ..visitor import Visitor
from .base import LAST_TURN, EndpointsBase, Json, yields


class PanelEndpoints(EndpointsBase):
    """See Endpoints."""

    @yields(dict)
    async def panel(
        self, request: gr.Request, user_id: str, session_id: str, message: str, roles: list[str]
    ) -> AsyncIterator[Json]:
        """Puts a message to two to four roles, by their keys, or models, by their names, which speak in the
        conversation's role. Their replies come side by side, as events of /chat_events: each has a "started"
        and, as soon as it has ended, a "done" of its own, and every event the "role", "model" and "turn_id"
        of the reply it belongs to. The first is the conversation's reply until /choose_reply makes another
        one that."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            turn_id = await self._service.start_panel(
                visitor.user_id, session_id, message, roles, address=visitor.address
            )
            _, history = await self._service.conversation(visitor.user_id, session_id, LAST_TURN)
            async for event in self._events(visitor, session_id, turn_id, panel=history.panel):
                yield event

    async def choose_reply(self, request: gr.Request, user_id: str, session_id: str, turn_id: str) -> Json:
        """Makes the reply of that turn, once it is done, the conversation's reply; the others are stopped if
        they still run, and stay as its versions. Returns {"session_id", "turn_id"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            await self._service.choose_reply(visitor.user_id, session_id, turn_id)
        return {"session_id": session_id, "turn_id": turn_id}
