"""ShareHandlers: what the page does with links to conversations, a method for each intention."""

from typing import Any
from uuid import uuid4

import gradio as gr

from .handlers import Handlers
from .requests import LinkEvent, PageRequest, ShareEvent, Values
from .share_panel import last_day, share_panel


class ShareHandlers(Handlers):
    """The handlers of sharing a conversation, and of copying one that was shared."""

    async def show(self, values: Values, request: gr.Request) -> str:
        """The drawer was opened, which lists the links."""
        page = self._parse(values, request)
        with page.errors_shown():
            return await self._panel(page)

    async def share(self, values: Values, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A link to a conversation is wanted: the list, and what the page tells of the link."""
        page = self._parse(values, request)
        visitor = page.visitor
        with page.errors_shown():
            wanted = page.happened(ShareEvent, event)
            made = await self._service.share(
                visitor.user_id, wanted.session_id, wanted.days, address=visitor.address
            )
            told = {"token": made.token, "day": last_day(made, visitor.minutes_west), "id": uuid4().hex}
            return [await self._panel(page), told]

    async def unshare(self, values: Values, request: gr.Request, event: gr.EventData) -> str:
        """A link is to end."""
        page = self._parse(values, request)
        with page.errors_shown():
            await self._service.unshare(page.visitor.user_id, page.happened(LinkEvent, event).token)
            return await self._panel(page)

    async def copy(self, values: Values, request: gr.Request, event: gr.EventData) -> list[Any]:
        """Somebody goes on in a copy of what was shared."""
        page = self._parse(values, request)
        visitor = page.visitor
        with page.errors_shown():
            token = page.happened(LinkEvent, event).token
            session = await self._service.import_share(visitor.user_id, token, address=visitor.address)
            rendered = await self._renderer.render(visitor, page.tab.opening(session.id))
            self._follower.leave(page.session_hash)
            return rendered.outputs()

    async def _panel(self, page: PageRequest) -> str:
        visitor = page.visitor
        links = await self._service.shares(visitor.user_id)
        return share_panel(links, visitor.language, minutes_west=visitor.minutes_west)
