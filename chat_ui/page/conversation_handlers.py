"""ConversationHandlers: what the page does with conversations and settings, a method for each intention.

Each handler finds out for itself who asks, and returns the new values of its outputs.
"""

import asyncio
from base64 import b64encode
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

import gradio as gr

from chat_core import ChatError, ChatService, ConversationExport, new_user_id
from chat_core.errors import InvalidInput, MessageNotFound, SessionNotFound

from ..texts import t
from ..visitor import Visitor
from . import view
from .follower import Follower
from .handlers import Handlers
from .renderer import ComponentUpdates, Renderer, list_tag, turn_to_follow
from .requests import (
    BranchEvent,
    ConversationEvent,
    MoveEvent,
    PageRequest,
    PinEvent,
    RenameEvent,
    RequestParser,
    Values,
)
from .tab import EMPTY_TAB, LISTED, WINDOW, TabState

Json = dict[str, Any]

ARCHIVE_NAME = "role-chat.zip"
Outputs = list[Any]


class ConversationHandlers(Handlers):
    """The handlers of opening, finding, naming, keeping and removing conversations."""

    def __init__(
        self, service: ChatService, renderer: Renderer, parser: RequestParser, follower: Follower
    ) -> None:
        super().__init__(service, renderer, parser, follower)
        self._orders = WeakValueDictionary[str, asyncio.Lock]()  # of pages in which something is rendered

    async def load(self, values: Values, request: gr.Request) -> Outputs:
        """The page was opened: the conversation this browser had open, or an empty one."""
        page = self._parse(values, request)
        visitor, tab = page.visitor, EMPTY_TAB.opening(page.identity.session_id)
        visitor = visitor._replace(user_id=visitor.user_id or new_user_id())
        try:
            rendered = await self._opened(visitor, tab)
        except ChatError as error:
            if error.code == "store_unavailable":  # the id is kept for better times
                rendered = self._renderer.render_values(visitor, tab, self._service.roles, store=False)
            else:
                if error.facts.get("field") == "user_id":  # not a malformed ?c=: that costs nobody their id
                    visitor = visitor._replace(user_id=new_user_id())
                rendered = await self._opened(visitor, EMPTY_TAB)
                if page.identity.linked:
                    _say_not_here(visitor)
        return rendered.outputs()

    async def show_effort(self, values: Values, request: gr.Request) -> Json:
        """Another model is chosen, which may be told other degrees of reasoning."""
        page = self._parse(values, request)
        return self._renderer.effort(page.visitor, page.model, str(page.effort))

    async def refresh_models(self, values: Values, request: gr.Request) -> Json:
        """The providers are asked again which models they have."""
        page = self._parse(values, request)
        await self._service.refresh_models()
        count = len(self._service.models)
        gr.Info(t(page.visitor.language, "models_found", count=count), duration=3)
        return self._renderer.models(page.model)

    async def _opened(self, visitor: Visitor, tab: TabState) -> ComponentUpdates:
        roles = await self._service.roles_for(visitor.user_id)
        return await self._renderer.render(visitor, tab, roles=roles)

    async def refresh(self, values: Values, request: gr.Request) -> Outputs:
        """The tab is looked at again: something may have been said in another one."""
        page = self._parse(values, request)
        if not page.tab.session_id:
            return ComponentUpdates().outputs()
        try:
            return (await self._renderer.render_if_changed(page.visitor, page.tab)).outputs()
        except ChatError as error:
            if error.code == "session_not_found":
                return await self._rendered(page, page.tab.opening())
            return ComponentUpdates().outputs()  # nobody asked for anything

    async def open_conversation(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A conversation was chosen in the sidebar, or by Back and Forward."""
        page = self._parse(values, request)
        with page.errors_shown():
            chosen = page.happened(ConversationEvent, event)
            try:
                return await self._rendered(page, page.tab.opening(chosen.session_id))
            except (InvalidInput, SessionNotFound):
                empty = await self._rendered(page, page.tab.opening())
                _say_not_here(page.visitor)
                return empty

    async def branch(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A new conversation from a message on, which knows where it comes from."""
        page = self._parse(values, request)
        visitor, tab = page.visitor, page.tab
        with page.errors_shown():
            run = page.happened(BranchEvent, event).run
            _, history = await self._renderer.conversation(visitor, tab)
            reader = view.Reader(visitor.language, {})  # the faces make no difference
            if not (message := view.message_of_run(history, run, reader)):
                raise MessageNotFound()
            service = self._renderer.service_for(tab)
            branch = await service.branch(
                visitor.user_id, tab.session_id, message.id, address=visitor.address
            )
            return await self._rendered(page, tab.opening(branch.id, temporary=tab.temporary))

    async def new_chat(self, values: Values, request: gr.Request) -> Outputs:
        """An empty conversation. It is stored with its first message."""
        return await self._render_empty(self._parse(values, request))

    async def new_temporary_chat(self, values: Values, request: gr.Request) -> Outputs:
        """An empty conversation that is never stored."""
        return await self._render_empty(self._parse(values, request), temporary=True)

    async def _render_empty(self, page: PageRequest, *, temporary: bool = False) -> Outputs:
        tab = page.tab.opening(temporary=temporary)
        with page.errors_shown():
            return await self._rendered(page, tab, role=page.role)

    async def _rendered(self, page: PageRequest, tab: TabState, *, role: str = "") -> Outputs:
        """One after the other, as they were asked for: two steps Back end where the second one leads, however
        long the first takes."""
        async with self._orders.setdefault(page.session_hash, asyncio.Lock()):
            return self._instead(page, await self._renderer.render(page.visitor, tab, role=role))

    def _instead(self, page: PageRequest, rendered: ComponentUpdates) -> Outputs:
        """These values, in place of what the page follows."""
        self._follower.leave(page.session_hash)
        return rendered.outputs()

    async def show_earlier(self, values: Values, request: gr.Request) -> Outputs:
        """More of the conversation is wanted than its latest messages."""
        page = self._parse(values, request)
        with page.errors_shown():
            tab = page.tab.updated(window=page.tab.window + WINDOW)
            return self._instead(page, await self._renderer.rerender(page.visitor, tab))

    async def list_questions(self, values: Values, request: gr.Request) -> list[Json]:
        """The person's own messages are wanted, to find one of them in a long conversation."""
        page = self._parse(values, request)
        with page.errors_shown():
            service = self._renderer.service_for(page.tab)
            history = await service.history(page.visitor.user_id, page.tab.session_id)
        return view.questions(history, page.visitor.language)

    async def search(self, values: Values, request: gr.Request) -> str:
        """The list shows what contains the query."""
        page = self._parse(values, request)
        with page.errors_shown():
            return await self._renderer.session_list(page.visitor, page.tab, page.query)

    async def show_older(self, values: Values, request: gr.Request) -> Outputs:
        """More of the list is wanted than the latest conversations. A turn is followed anew: at its end its
        follower renders as much of the list as it was told when it began."""
        page = self._parse(values, request)
        tab = page.tab.rendered_anew(listed=page.tab.listed + LISTED)
        with page.errors_shown():
            sessions = await self._renderer.session_list(page.visitor, tab, page.query)
        self._follower.leave(page.session_hash)
        tab = tab.updated(list_tag=list_tag(sessions))
        return [sessions, tab.model_dump(), turn_to_follow(tab)]

    async def rename(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A conversation got another title."""
        page = self._parse(values, request)
        tab = page.tab
        with page.errors_shown():
            wanted = page.happened(RenameEvent, event)
            renamed = await self._service.rename(page.visitor.user_id, wanted.session_id, wanted.title)
            if renamed.id == tab.session_id:
                tab = tab.updated(title=renamed.title)
            return await self._listed(page, tab)

    async def pin(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A conversation is to be kept for ever, or no longer so."""
        page = self._parse(values, request)
        with page.errors_shown():
            wanted = page.happened(PinEvent, event)
            await self._service.pin(page.visitor.user_id, wanted.session_id, wanted.pinned)
            return await self._listed(page, page.tab)

    async def move(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A conversation is to lie in another folder, or in none."""
        page = self._parse(values, request)
        with page.errors_shown():
            wanted = page.happened(MoveEvent, event)
            await self._service.move(page.visitor.user_id, wanted.session_id, wanted.folder)
            return await self._listed(page, page.tab)

    async def _listed(self, page: PageRequest, tab: TabState) -> Outputs:
        sessions = await self._renderer.session_list(page.visitor, tab)
        return ["", sessions, tab.updated(list_tag=list_tag(sessions)).model_dump()]

    async def delete(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A conversation is to be removed; if it was the open one, an empty one takes its place."""
        page = self._parse(values, request)
        with page.errors_shown():
            session_id = page.happened(ConversationEvent, event).session_id
            is_open = page.tab.session_id == session_id
            seen = page.tab.last_turn if is_open else None
            await self._service.delete(page.visitor.user_id, session_id, last_turn=seen)
            left = page.tab.opening() if is_open else page.tab
            return await self._rendered(page, left)

    async def clear(self, values: Values, request: gr.Request) -> Outputs:
        """Removes what was said in this conversation."""
        page = self._parse(values, request)
        with page.errors_shown():
            if page.tab.session_id:
                service = self._renderer.service_for(page.tab)
                ids = page.visitor.user_id, page.tab.session_id
                await service.clear(*ids, last_turn=page.tab.last_turn)
            return self._instead(page, await self._renderer.rerender(page.visitor, page.tab))

    async def save_settings(self, values: Values, request: gr.Request) -> None:
        """Replies of this conversation are to be otherwise. One that is not stored yet is, with these, when
        its first message is sent."""
        page = self._parse(values, request)
        with page.errors_shown():
            sampling = page.sampling
            if page.tab.session_id:
                service = self._renderer.service_for(page.tab)
                await service.set_sampling(page.visitor.user_id, page.tab.session_id, sampling)

    async def export_markdown(self, values: Values, request: gr.Request) -> Json:
        """The conversation is wanted as a document."""
        page = self._parse(values, request)
        exported = await self._exported(page)
        with page.errors_shown():
            roles = await self._service.roles_for(page.visitor.user_id, exported.role_keys)
        return _download(exported, "md", view.document(exported, roles, page.visitor.language))

    async def export_json(self, values: Values, request: gr.Request) -> Json:
        """The conversation is wanted as a file that can be imported."""
        exported = await self._exported(self._parse(values, request))
        return _download(exported, "json", exported.to_json())

    async def export_unreadable(self, values: Values, request: gr.Request, event: gr.EventData) -> Json:
        """What can be read of a conversation that cannot be opened."""
        page = self._parse(values, request)
        with page.errors_shown():
            wanted = page.happened(ConversationEvent, event)
            exported = await self._service.export(page.visitor.user_id, wanted.session_id)
        return _download(exported, "json", exported.to_json())

    async def _exported(self, page: PageRequest) -> ConversationExport:
        if not page.tab.session_id:
            raise gr.Error(t(page.visitor.language, "nothing_to_export"), print_exception=False)
        with page.errors_shown():
            service = self._renderer.service_for(page.tab)
            return await service.export(page.visitor.user_id, page.tab.session_id)

    async def export_all(self, values: Values, request: gr.Request) -> Json:
        """Everything that is stored of the visitor is wanted."""
        page = self._parse(values, request)
        visitor = page.visitor
        with page.errors_shown():
            data = await self._service.export_all(
                visitor.user_id,
                lambda exported, roles: view.document(exported, roles, visitor.language),
                address=visitor.address,
            )
        return {"name": ARCHIVE_NAME, "base64": b64encode(data).decode(), "download_id": uuid4().hex}

    async def import_file(self, values: Values, request: gr.Request) -> Outputs:
        """What was exported, here or elsewhere, becomes conversations, of which the latest is shown."""
        page = self._parse(values, request)
        visitor = page.visitor
        with page.errors_shown():
            found = await self._service.import_file(visitor.user_id, page.file, address=visitor.address)
            tab = page.tab.opening(found.sessions[-1].id) if found.sessions else page.tab
            rendered = await self._rendered(page, tab)
        if len(found.sessions) != 1 or found.rejected:
            counts = {"count": len(found.sessions), "rejected": len(found.rejected)}
            gr.Info(t(visitor.language, "imported_part" if found.rejected else "imported", **counts))
        return rendered


def _say_not_here(visitor: Visitor) -> None:
    gr.Warning(t(visitor.language, "not_here"))


def _download(exported: ConversationExport, kind: str, text: str) -> Json:
    """What the page saves as a file; each time another value, so that the page hears of it."""
    return {"name": f"{exported.title or 'chat'}.{kind}", "text": text, "download_id": uuid4().hex}
