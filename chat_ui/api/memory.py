"""The endpoints for what conversations remember."""

import gradio as gr

from chat_core import Summary

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


def _summary_object(session_id: str, summary: Summary) -> Json:
    facts = summary.model_dump(include={"messages", "edited", "failed"})
    return {"session_id": session_id, "summary": summary.text, **facts}
