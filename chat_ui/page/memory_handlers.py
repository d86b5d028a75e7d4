"""MemoryHandlers: what the page does with notes and summaries, a method for each intention."""

from typing import Any

import gradio as gr

from chat_core import ChatService, Summary

from ..texts import t
from .memory_panel import memory_panel
from .renderer import Renderer
from .requests import ForgetEvent, PageRequest, RememberEvent, RequestParser, RewriteEvent, Values


class MemoryHandlers:
    """The handlers of the drawer's memory. They answer with its HTML."""

    def __init__(self, service: ChatService, renderer: Renderer, parser: RequestParser) -> None:
        self._service = service
        self._renderer = renderer
        self._parse = parser.parse

    async def show(self, values: Values, request: gr.Request) -> str:
        """The drawer was opened, or another role chosen."""
        page = self._parse(values, request)
        with page.errors_shown():
            return await self._panel(page)

    async def remember(self, values: Values, request: gr.Request, event: gr.EventData) -> str:
        """The chosen role is to know something from now on."""
        page = self._parse(values, request)
        with page.errors_shown():
            text = page.happened(RememberEvent, event).note
            await self._service.save_note(page.visitor.user_id, page.role, text, address=page.visitor.address)
            panel = await self._panel(page)
        gr.Info(t(page.visitor.language, "remembered"), duration=3)
        return panel

    async def forget(self, values: Values, request: gr.Request, event: gr.EventData) -> str:
        """A note was removed."""
        page = self._parse(values, request)
        with page.errors_shown():
            note_id = page.happened(ForgetEvent, event).note_id
            await self._service.delete_note(page.visitor.user_id, page.role, note_id)
            return await self._panel(page)

    async def rewrite(self, values: Values, request: gr.Request, event: gr.EventData) -> list[Any]:
        """The summary is in the visitor's words from now on; the conversation shows it too."""
        page = self._parse(values, request)
        with page.errors_shown():
            text = page.happened(RewriteEvent, event).summary
            service = self._renderer.service_for(page.tab)
            await service.save_summary(page.visitor.user_id, page.tab.session_id, text)
            rendered = await self._renderer.rerender(page.visitor, page.tab)
            return [await self._panel(page), rendered["chatbot"]]

    async def _panel(self, page: PageRequest) -> str:
        user_id, tab = page.visitor.user_id, page.tab
        roles = await self._service.roles_for(user_id, [page.role])
        role = roles.find_or_default(page.role)
        notes = await self._service.notes(user_id, role.key)
        service = self._renderer.service_for(tab)
        summary = await service.summary(user_id, tab.session_id) if tab.session_id else Summary()
        return memory_panel(role, notes, summary, page.visitor.language)
