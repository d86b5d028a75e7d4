"""The endpoints for links to conversations."""

import gradio as gr
from gradio.route_utils import get_root_url

from chat_core import Share

from ..visitor import Visitor
from .base import EndpointsBase, Json, session_object


class ShareEndpoints(EndpointsBase):
    """See Endpoints."""

    async def share(self, request: gr.Request, user_id: str, session_id: str, days: int = 30) -> Json:
        """Makes a link under which anybody who has it can read the conversation as it is now, for so many
        days, 365 at most. Returns {"token", "url", "expires_at"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            made = await self._service.share(visitor.user_id, session_id, days, address=visitor.address)
        link = self._link(request, made)
        return {name: link[name] for name in ("token", "url", "expires_at")}

    async def unshare(self, request: gr.Request, user_id: str, token: str) -> Json:
        """Ends a link. Returns {"token", "unshared": true}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            await self._service.unshare(visitor.user_id, token)
        return {"token": token, "unshared": True}

    async def shares(self, request: gr.Request, user_id: str) -> Json:
        """The user's links that hold, the oldest first. Returns {"shares": [{"token", "url", "session_id",
        "title", "created_at", "expires_at"}]}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            found = await self._service.shares(visitor.user_id)
        return {"shares": [self._link(request, share) for share in found]}

    async def import_share(self, request: gr.Request, user_id: str, token: str) -> Json:
        """Makes a conversation of the user's own of what is behind a link. Returns it as /sessions
        lists it."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            session = await self._service.import_share(visitor.user_id, token, address=visitor.address)
        return session_object(session)

    def _link(self, request: gr.Request, share: Share) -> Json:
        asked = request.request
        assert asked
        page = get_root_url(asked, asked.url.path, self._service.settings.root_path.rstrip("/") or None)
        return {**share.model_dump(), "url": f"{page}/?s={share.token}"}
