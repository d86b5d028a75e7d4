"""TurnHandlers: what the page does with messages and replies, a method for each intention."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from chat_core import ChatError, ChatMessage
from chat_core.errors import MessageNotFound
from chat_core.roles import mentions

from ..texts import t
from ..uploads import remove_uploads, uploaded_images
from . import view
from .handlers import Handlers
from .layout import Components
from .renderer import ComponentUpdates
from .requests import (
    Draft,
    EditEvent,
    ExampleEvent,
    LikeEvent,
    OptionEvent,
    PageRequest,
    PictureEvent,
    Values,
    WaitingEvent,
)
from .tab import TabState

Json = dict[str, Any]
Outputs = list[Any]

EMPTY_BOX: Json = {"text": "", "files": []}

_LAST_TURN_MESSAGES = 2


class TurnHandlers(Handlers):
    """The handlers of sending, following, stopping and changing what was said."""

    async def send(self, values: Values, request: gr.Request) -> AsyncGenerator[Outputs, None]:
        """The message is stored and its reply begins."""
        page = self._parse(values, request)
        async with aclosing(self._talk(page, self._send(page, page.draft))) as frames:
            async for frame in frames:
                yield frame

    async def send_waiting(
        self, values: Values, request: gr.Request, event: gr.EventData
    ) -> AsyncGenerator[Outputs, None]:
        """The reply has ended for whose end a message waited."""
        page = self._parse(values, request)
        with page.errors_shown():
            draft = page.happened(WaitingEvent, event).draft
        async with aclosing(self._talk(page, self._send(page, draft))) as frames:
            async for frame in frames:
                yield frame

    async def send_example(
        self, values: Values, request: gr.Request, event: gr.EventData
    ) -> AsyncGenerator[Outputs, None]:
        """An example question was clicked."""
        page = self._parse(values, request)
        with page.errors_shown():
            text = page.happened(ExampleEvent, event).value.text
        async with aclosing(self._talk(page, self._send(page, Draft(text)))) as frames:
            async for frame in frames:
                yield frame

    async def choose_option(
        self, values: Values, request: gr.Request, event: gr.EventData
    ) -> AsyncGenerator[Outputs, None]:
        """A button under a reply was clicked: to try again, to go on, to choose one of several, or to show
        another version."""
        page = self._parse(values, request)
        with page.errors_shown():
            option = page.happened(OptionEvent, event)
        starts = {view.RETRY: self._regenerate, view.CONTINUE: self._continue}
        if start := starts.get(option.value):
            async with aclosing(self._talk(page, start(page))) as frames:
                async for frame in frames:
                    yield frame
            return
        with page.errors_shown():
            service = self._renderer.service_for(page.tab)
            ids = page.visitor.user_id, page.tab.session_id
            if option.chosen_turn:
                await service.choose_reply(*ids, option.chosen_turn)
            else:
                await service.select_version(*ids, *option.version)
            rendered = await self._renderer.rerender(page.visitor, page.tab)
            self._follower.leave(page.session_hash)  # others may have been replying still
        yield rendered.outputs(Components.TALK)

    async def regenerate(self, values: Values, request: gr.Request) -> AsyncGenerator[Outputs, None]:
        """Another reply is wanted to the latest message; the one it has is kept as a version."""
        page = self._parse(values, request)
        async with aclosing(self._talk(page, self._regenerate(page))) as frames:
            async for frame in frames:
                yield frame

    async def undo(self, values: Values, request: gr.Request) -> Outputs:
        """The latest message and its reply are taken back; its text and pictures return to the box."""
        page = self._parse(values, request)
        with page.errors_shown():
            service = self._renderer.service_for(page.tab)
            ids = page.visitor.user_id, page.tab.session_id
            text, images, restore_id = await service.undo(*ids, last_turn=page.tab.last_turn)
            box = {"text": text, "files": [await _as_uploaded(image) for image in images]}
            rendered = await self._renderer.rerender(page.visitor, page.tab)
            self._follower.leave(page.session_hash)
            tab = rendered["tab"] | {"undone": restore_id}
            return ComponentUpdates(rendered, box=box, tab=tab).outputs(Components.TALK)

    async def restore(self, values: Values, request: gr.Request) -> Outputs:
        """What was taken back returns to the conversation. Its text leaves the box, unless it was changed."""
        page = self._parse(values, request)
        with page.errors_shown():
            service = self._renderer.service_for(page.tab)
            ids = page.visitor.user_id, page.tab.session_id
            await service.restore(*ids, page.tab.undone)
            rendered = await self._renderer.rerender(page.visitor, page.tab)
            _, history = await service.conversation(*ids, _LAST_TURN_MESSAGES)
            if page.draft.text in {message.content for message in history.items if message.role == "user"}:
                rendered["box"] = EMPTY_BOX
            self._follower.leave(page.session_hash)
            return rendered.outputs(Components.TALK)

    async def edit(
        self, values: Values, request: gr.Request, event: gr.EventData
    ) -> AsyncGenerator[Outputs, None]:
        """An earlier message was changed: it is sent again in its place, and what followed is gone."""
        page = self._parse(values, request)
        with page.errors_shown():
            edited = page.happened(EditEvent, event)
            resend = self._resend(page, edited.index, edited.text)
        async with aclosing(self._talk(page, resend)) as frames:
            async for frame in frames:
                yield frame

    async def like(self, values: Values, request: gr.Request, event: gr.EventData) -> None:
        """A thumb under a reply was clicked; a second click takes it back."""
        page = self._parse(values, request)
        with page.errors_shown():
            liked = page.happened(LikeEvent, event)
            feedback = {"True": "like", "False": "dislike"}.get(str(liked.liked), "")
            message = await self._message_at(page, liked.index)
            service = self._renderer.service_for(page.tab)
            await service.rate(page.visitor.user_id, page.tab.session_id, message.id, feedback)

    async def show_picture(self, values: Values, request: gr.Request, event: gr.EventData) -> Json:
        """The whole of a picture is wanted; of one that is not stored there is none."""
        page = self._parse(values, request)
        with page.errors_shown():
            wanted = page.happened(PictureEvent, event)
            service = self._renderer.service_for(page.tab)
            data = b""
            with suppress(MessageNotFound):
                data = await service.picture(page.visitor.user_id, page.tab.session_id, wanted.image_id)
        return {"id": wanted.image_id, "base64": b64encode(data).decode()}

    async def follow(self, values: Values, request: gr.Request) -> AsyncGenerator[Outputs, None]:
        """Shows the turn that runs in a conversation that was opened."""
        page = self._parse(values, request)
        with page.errors_shown(), self._follower.watch(page.session_hash) as watch:
            async with aclosing(self._follower.frames(page.visitor, page.tab, watch)) as frames:
                async for frame in frames:
                    yield frame.outputs(Components.FOLLOW)

    async def stop(self, values: Values, request: gr.Request) -> None:
        """Ends the running reply, which says so itself; the follower sees the end."""
        page = self._parse(values, request)
        with page.errors_shown():
            service = self._renderer.service_for(page.tab)
            result = await service.stop(page.visitor.user_id, page.tab.session_id)
        if not result.stopped:
            gr.Info(t(page.visitor.language, "nothing_to_stop"), duration=3)

    async def _talk(self, page: PageRequest, start: Awaitable[TabState]) -> AsyncGenerator[Outputs, None]:
        """Waits for the turn's `start`, then shows it as it goes on. It may be ended at any time: the turn
        isn't."""
        with page.errors_shown(), self._follower.watch(page.session_hash) as watch:
            tab, beside = await self._renderer.render_started(page.visitor, await start)
            if tab.session_id == page.tab.session_id:
                del beside["identity"]
            async with aclosing(self._follower.frames(page.visitor, tab, watch)) as frames:
                first = await anext(frames)
                if not watch.is_over:  # else the reader has gone on to another conversation
                    first = ComponentUpdates(beside, **first)
                yield first.outputs(Components.TALK)
                async for frame in frames:
                    yield frame.outputs(Components.TALK)

    async def _send(self, page: PageRequest, draft: Draft) -> TabState:
        """A conversation that is not stored yet begins with its first message."""
        tab, options = page.tab, self._options(page)
        images = await uploaded_images([{"path": file} for file in draft.files])
        if tab.session_id:
            await self._start_turn(page, tab.session_id, draft.text, images=images, **options)
        else:
            tab = await self._start_conversation(page, draft.text, images, options)
        await remove_uploads(draft.files)
        return tab

    async def _start_turn(self, page: PageRequest, session_id: str, text: str, **options: Any) -> None:
        """A message that begins with several names, each after an `@`, is put to all of these."""
        service, user_id = self._renderer.service_for(page.tab), page.visitor.user_id
        if text.lstrip().startswith("@"):
            called = (await service.roles_for(user_id)).called
            panel, said = mentions(text, {model: model for model in service.models} | called)
            if len(panel) > 1:
                await service.start_panel(user_id, session_id, said, panel, **options)
                return
        await service.start_turn(user_id, session_id, text, **options)

    async def _regenerate(self, page: PageRequest) -> TabState:
        service, tab = self._renderer.service_for(page.tab), page.tab
        options = self._options(page)
        await service.regenerate(
            page.visitor.user_id, tab.session_id, all_voices=True, last_turn=tab.last_turn, **options
        )
        return tab

    async def _continue(self, page: PageRequest) -> TabState:
        tab, visitor = page.tab, page.visitor
        await self._renderer.service_for(tab).continue_reply(
            visitor.user_id, tab.session_id, last_turn=tab.last_turn, address=visitor.address
        )
        return tab

    async def _resend(self, page: PageRequest, index: int, text: str) -> TabState:
        service, tab = self._renderer.service_for(page.tab), page.tab
        options = self._options(page)
        asked = await self._message_at(page, index)
        await service.start_turn(
            page.visitor.user_id,
            tab.session_id,
            text,
            replaces=asked.id,
            last_turn=tab.last_turn,
            **options,
        )
        return tab

    async def _start_conversation(
        self, page: PageRequest, text: str, images: list[bytes], options: dict[str, Any]
    ) -> TabState:
        service, user_id = self._renderer.service_for(page.tab), page.visitor.user_id
        _, session = await service.start_session(user_id, options["role"])
        try:
            await self._start_turn(page, session.id, text, images=images, **options)
        except ChatError:
            await service.delete(user_id, session.id)  # nobody asked for an empty one
            raise
        return page.tab.updated(session_id=session.id)

    def _options(self, page: PageRequest) -> dict[str, Any]:
        """Who is to answer and how, as `start_turn` takes it."""
        return {
            "role": page.role,
            "model": page.model,
            "sampling": page.sampling,
            "variables": page.variables,
            "address": page.visitor.address,
        }

    async def _message_at(self, page: PageRequest, index: int) -> ChatMessage:
        _, history = await self._renderer.conversation(page.visitor, page.tab)
        reader = view.Reader(page.visitor.language, {})  # the faces make no difference
        found = view.message_at(history, index, reader)
        if found is None:
            raise MessageNotFound()
        return found


async def _as_uploaded(image: bytes) -> str:
    return await asyncio.to_thread(save_bytes_to_cache, image, "picture.jpg", get_upload_folder())
