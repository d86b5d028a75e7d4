"""What the page does: one handler per intention, and every listener in one place."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, aclosing, suppress
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from chat_core import ChatError, ChatMessage, ChatService, Portable, Sampling, new_user_id
from chat_core.errors import ImageUnreadable, MessageNotFound
from chat_core.roles import CUSTOM

from . import view
from .follower import Follower
from .layout import LANGUAGES, NOWHERE, WINDOW, Place, Widgets
from .pace import STREAMS, Pace
from .page import Page, seen
from .texts import say
from .visitor import Visitor

# What the browser keeps: user_id, session_id (of the conversation opened last), minutes_west (time zone),
# language (chosen on the page, or empty).
Identity = dict[str, Any]
Json = dict[str, Any]


class Written(TypedDict):
    """What the box holds: a text, and the paths of files that were uploaded."""

    text: str
    files: list[str]


EMPTY: Written = {"text": "", "files": []}


class Handlers:
    """The handlers. Each takes and gives plain values, and finds out for itself who asks."""

    def __init__(self, service: ChatService, pace: Pace) -> None:
        self._service = service
        self._page = Page(service)
        self._follower = Follower(self._page, pace)

    async def load(self, identity: Identity, request: gr.Request) -> list[Any]:
        """The page was opened: the conversation this browser had open, or an empty one."""
        visitor = _visitor(request, {**identity, "user_id": identity["user_id"] or new_user_id()})
        store = (await self._service.health()).store
        try:
            shown = await self._page.show(visitor, _session(identity["session_id"]), store=store)
        except ChatError as error:
            if error.code == "store_unavailable":  # the id is kept for better times
                place = _session(identity["session_id"])
                shown = self._page.shown(visitor, place, store=False)
            else:
                if error.facts.get("field") == "user_id":  # not a malformed ?c=: that costs nobody their id
                    visitor = _visitor(request, {**identity, "user_id": new_user_id()})
                shown = await self._page.show(visitor, NOWHERE, store=store)
        prompt = ""
        with suppress(ChatError):
            prompt = await self._service.custom_prompt(visitor.user_id) if store else ""
        return [*shown, prompt, LANGUAGES[visitor.language]]

    async def look(self, identity: Identity, place: Place, request: gr.Request) -> list[Any]:
        """The tab is looked at again: something may have been said in another one."""
        visitor = _visitor(request, identity)
        unchanged = [gr.skip()] * len(Widgets.SHOWN)
        if not place["session_id"]:
            return unchanged
        try:
            session = await self._page.at(place).session(visitor.user_id, place["session_id"])
            if seen(session) == place["seen"]:
                return unchanged
            return await self._page.show(visitor, place)
        except ChatError as error:
            if error.code == "session_not_found":
                return await self._page.show(visitor, NOWHERE)
            return unchanged  # nobody asked for anything

    async def open(self, identity: Identity, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A conversation was chosen in the sidebar."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            return await self._page.show(visitor, _session(event.session_id))

    async def new(self, identity: Identity, role: str, request: gr.Request) -> list[Any]:
        """An empty conversation. It is stored with its first message."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            return await self._page.show(visitor, NOWHERE, role=role)

    async def new_temporary(self, identity: Identity, role: str, request: gr.Request) -> list[Any]:
        """An empty conversation that is never stored."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            return await self._page.show(visitor, NOWHERE | {"temporary": True}, role=role)

    async def show_earlier(self, identity: Identity, place: Place, request: gr.Request) -> list[Any]:
        """More of the conversation is wanted than its latest messages."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            return await self._page.go_on(visitor, place, window=place["window"] + WINDOW)

    async def search(self, query: str, identity: Identity, place: Place, request: gr.Request) -> str:
        """The list shows what contains the query."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            sessions = await self._service.sessions(visitor.user_id, query)
        return self._page.listed(visitor, sessions, place["session_id"], searched=bool(query.strip()))

    async def rename(
        self, identity: Identity, place: Place, request: gr.Request, event: gr.EventData
    ) -> list[Any]:
        """A conversation got another title."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            renamed = await self._service.rename(visitor.user_id, event.session_id, event.title)
            if renamed.id == place["session_id"]:
                place = place | {"title": renamed.title}
            return ["", await self._page.whole_list(visitor, place["session_id"]), place]

    async def pin(
        self, identity: Identity, place: Place, request: gr.Request, event: gr.EventData
    ) -> list[Any]:
        """A conversation is to be kept for ever, or no longer so."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            await self._service.pin(visitor.user_id, event.session_id, bool(event.pinned))
            return ["", await self._page.whole_list(visitor, place["session_id"])]

    async def delete(
        self, identity: Identity, place: Place, request: gr.Request, event: gr.EventData
    ) -> list[Any]:
        """A conversation is to be removed; if it was the open one, an empty one takes its place."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            await self._service.delete(visitor.user_id, event.session_id)
            return await self._page.show(
                visitor, NOWHERE if place["session_id"] == event.session_id else place
            )

    def choose_role(self, role: str, identity: Identity, request: gr.Request) -> gr.Chatbot:
        """The role answers from the next message on; an empty conversation greets in its name now."""
        greeting = view.greeting(self._service.roles.find(role), _visitor(request, identity).language)
        return gr.Chatbot(**greeting)

    async def write_prompt(self, prompt: str, identity: Identity, request: gr.Request) -> None:
        """The prompt of the visitor's own role is being written."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            await self._service.write_custom_prompt(visitor.user_id, prompt)

    async def keep_prompt(self, prompt: str, identity: Identity, request: gr.Request) -> None:
        """The prompt was left, perhaps after a paste, which is no writing. An empty one may be one that could
        not be shown, and removes nothing."""
        if prompt.strip():
            await self.write_prompt(prompt, identity, request)

    async def send(
        self,
        message: Written,
        identity: Identity,
        place: Place,
        role: str,
        model: str,
        temperature: float | None,
        length: int | None,
        prompt: str,
        request: gr.Request,
    ) -> list[Any]:
        """The message is stored and its reply begins; the place then names the turn to follow. The box is
        emptied only now, so that a refused message stays in it."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            choice = await self._choice(visitor, role, model, temperature, length, prompt)
            place = await self._start_turn(visitor, place, message, choice)
            return [EMPTY, *await self._page.go_on(visitor, place)]

    async def send_example(
        self,
        identity: Identity,
        place: Place,
        role: str,
        model: str,
        temperature: float | None,
        length: int | None,
        prompt: str,
        request: gr.Request,
        event: gr.SelectData,
    ) -> list[Any]:
        """An example question was clicked."""
        message: Written = {"text": event.value["text"], "files": []}
        values = await self.send(message, identity, place, role, model, temperature, length, prompt, request)
        return values[1:]

    async def try_again(
        self,
        identity: Identity,
        place: Place,
        role: str,
        model: str,
        temperature: float | None,
        length: int | None,
        prompt: str,
        request: gr.Request,
    ) -> list[Any]:
        """Another reply is wanted to the latest message; the one it has is kept as a version."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            choice = await self._choice(visitor, role, model, temperature, length, prompt)
            await self._page.at(place).try_again(visitor.user_id, place["session_id"], **choice)
            return await self._page.go_on(visitor, place)

    async def choose_option(
        self,
        identity: Identity,
        place: Place,
        role: str,
        model: str,
        temperature: float | None,
        length: int | None,
        prompt: str,
        request: gr.Request,
        event: gr.SelectData,
    ) -> list[Any]:
        """A button under a reply was clicked: to try again, or to show another version."""
        if event.value == view.RETRY:
            return await self.try_again(identity, place, role, model, temperature, length, prompt, request)
        visitor = _visitor(request, identity)
        message_id, _, number = str(event.value).partition(" ")
        with _told(visitor):
            service, session_id = self._page.at(place), place["session_id"]
            await service.show_version(visitor.user_id, session_id, message_id, int(number))
            return await self._page.go_on(visitor, place, window=place["window"])

    async def undo(self, identity: Identity, place: Place, request: gr.Request) -> list[Any]:
        """The latest message and its reply are taken back; its text and pictures return to the box."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            text, images = await self._page.at(place).undo(visitor.user_id, place["session_id"])
            written: Written = {"text": text, "files": [await _as_uploaded(image) for image in images]}
            return [written, *await self._page.go_on(visitor, place)]

    async def edit(
        self,
        identity: Identity,
        place: Place,
        role: str,
        model: str,
        temperature: float | None,
        length: int | None,
        prompt: str,
        request: gr.Request,
        event: gr.EditData,
    ) -> list[Any]:
        """An earlier message was changed: it is sent again in its place, and what followed is gone."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            choice = await self._choice(visitor, role, model, temperature, length, prompt)
            asked = await self._message_at(visitor, place, event.index)
            service, text = self._page.at(place), _text_of(event.value)
            await service.start_turn(
                visitor.user_id, place["session_id"], text, instead_of=asked.id, **choice
            )
            return await self._page.go_on(visitor, place)

    async def like(self, identity: Identity, place: Place, request: gr.Request, event: gr.LikeData) -> None:
        """A thumb under a reply was clicked; a second click takes it back."""
        visitor = _visitor(request, identity)
        feedback = {"True": "like", "False": "dislike"}.get(str(event.liked), "")
        with _told(visitor):
            message = await self._message_at(visitor, place, event.index)
            await self._page.at(place).rate(visitor.user_id, place["session_id"], message.id, feedback)

    async def _message_at(self, visitor: Visitor, place: Place, index: object) -> ChatMessage:
        history = await self._page.history(visitor, place)
        position = index[0] if isinstance(index, list | tuple) else index
        names = self._page.names(visitor)
        found = view.message_at(history, int(str(position)), visitor.language, names)
        if found is None:
            raise MessageNotFound()
        return found

    async def follow(self, identity: Identity, place: Place, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Shows the turn that the place names as it goes on. May be ended at any time: the turn isn't."""
        if not place["turn_id"]:
            yield [gr.skip()] * 4  # without a yield Gradio would set the outputs to nothing
            return
        visitor = _visitor(request, identity)
        with _told(visitor):
            async with aclosing(self._follower.frames(visitor, place)) as frames:
                async for frame in frames:
                    yield frame

    async def stop(self, identity: Identity, place: Place, request: gr.Request) -> None:
        """Ends the running reply and says what that did; the follower sees the end."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            result = await self._page.at(place).stop(visitor.user_id, place["session_id"])
        key = "stopped_after" if result.stopped else "nothing_to_stop"
        gr.Info(say(visitor.language, key, characters=result.characters), duration=3)

    async def clear(self, identity: Identity, place: Place, request: gr.Request) -> list[Any]:
        """Removes what was said in this conversation."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            if place["session_id"]:
                await self._page.at(place).clear(visitor.user_id, place["session_id"])
            return await self._page.go_on(visitor, place)

    async def export_markdown(self, identity: Identity, place: Place, request: gr.Request) -> Json:
        """The conversation is wanted as a document."""
        visitor = _visitor(request, identity)
        found = await self._exported(visitor, place)
        headings = view.headings(visitor.language, self._page.names(visitor))
        return _file(found, "md", found.to_markdown(headings))

    async def export_json(self, identity: Identity, place: Place, request: gr.Request) -> Json:
        """The conversation is wanted as a file that can be imported."""
        found = await self._exported(_visitor(request, identity), place)
        return _file(found, "json", found.to_json())

    async def _exported(self, visitor: Visitor, place: Place) -> Portable:
        if not place["session_id"]:
            raise gr.Error(say(visitor.language, "nothing_to_export"), print_exception=False)
        with _told(visitor):
            return await self._page.at(place).export(visitor.user_id, place["session_id"])

    async def bring(self, file: bytes, identity: Identity, request: gr.Request) -> list[Any]:
        """A file that was exported, here or elsewhere, becomes a conversation."""
        visitor = _visitor(request, identity)
        with _told(visitor):
            session = await self._service.import_session(visitor.user_id, file)
            return await self._page.show(visitor, _session(session.id))

    async def _choice(
        self,
        visitor: Visitor,
        role: str,
        model: str,
        temperature: float | None,
        length: int | None,
        prompt: str,
    ) -> dict[str, Any]:
        """Who is to answer and how, as `start_turn` takes it. The prompt of the visitor's own role may have
        been written just now, and not be stored yet."""
        if role == CUSTOM.key and prompt.strip():
            await self._service.write_custom_prompt(visitor.user_id, prompt)
        return {"role": role, "model": model, "sampling": Sampling.of(temperature, length)}

    async def _start_turn(
        self, visitor: Visitor, place: Place, message: Written, choice: dict[str, Any]
    ) -> Place:
        """Where the turn was started: a conversation that is not stored yet begins with it."""
        service, session_id, text = self._page.at(place), place["session_id"], message["text"]
        images = [await _uploaded(file) for file in message["files"]]
        if session_id:
            await service.start_turn(visitor.user_id, session_id, text, images=images, **choice)
            return place
        _, session = await service.start_session(visitor.user_id, choice["role"])
        try:
            await service.start_turn(visitor.user_id, session.id, text, images=images, **choice)
        except ChatError:
            await service.delete(visitor.user_id, session.id)  # nobody asked for an empty one
            raise
        return place | {"session_id": session.id}


async def _uploaded(file: str) -> bytes:
    try:
        return await asyncio.to_thread(Path(file).read_bytes)
    except OSError:  # uploads are deleted after an hour
        raise ImageUnreadable() from None


async def _as_uploaded(image: bytes) -> str:
    return await asyncio.to_thread(save_bytes_to_cache, image, "picture.jpg", get_upload_folder())


def _visitor(request: gr.Request, identity: Identity) -> Visitor:
    return Visitor.of(request, identity["user_id"], identity.get("minutes_west"), identity.get("language"))


def _file(found: Portable, kind: str, text: str) -> Json:
    """What page.js saves; each time another value, so that the page hears of it."""
    return {"name": f"{found.title or 'chat'}.{kind}", "text": text, "visit": uuid4().hex}


def _session(session_id: str) -> Place:
    return NOWHERE | {"session_id": session_id}


def _told(visitor: Visitor) -> AbstractContextManager[None]:
    return visitor.told(lambda language, error: view.explained(language, error, time.time()))


def _text_of(value: Any) -> str:
    """The text of a message that was edited, in whichever form the Chatbot gives it."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else [value]
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in parts)


def wire(demo: gr.Blocks, w: Widgets, handlers: Handlers) -> None:
    """Every listener of the page."""
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    here = [w.identity, w.place]
    asked = [*here, w.role, w.model, w.temperature, w.length, w.prompt]
    shown = w.shown

    follow = w.place.change(
        handlers.follow,
        inputs=here,
        outputs=[w.chatbot, w.activity, w.sessions, w.place],
        postprocess=False,
        trigger_mode="multiple",
        concurrency_id="stream",
        concurrency_limit=STREAMS,
        **quiet,
    )
    w.place.change(None, [w.place], None, js="(place) => window.showPlace(place)", **quiet)
    demo.load(
        handlers.load,
        [w.identity],
        [*shown, w.prompt, w.language],
        js="(identity) => [window.whereAmI(identity)]",
        **quiet,
    )
    w.look.click(handlers.look, here, shown, cancels=[follow], **quiet)
    w.sessions.select(handlers.open, [w.identity], shown, cancels=[follow], **quiet)
    w.sessions.edit(handlers.rename, here, [w.search, w.sessions, w.place], **quiet)
    w.sessions.like(handlers.pin, here, [w.search, w.sessions], **quiet)
    w.sessions.delete(handlers.delete, here, shown, cancels=[follow], **quiet)
    # Not `.input`, which hears keys only: text is pasted and dictated too.
    w.search.change(handlers.search, [w.search, *here], [w.sessions], trigger_mode="always_last", **quiet)
    w.new_chat.click(handlers.new, [w.identity, w.role], shown, cancels=[follow], **quiet)
    w.temporary.click(handlers.new_temporary, [w.identity, w.role], shown, cancels=[follow], **quiet)
    w.as_markdown.click(handlers.export_markdown, here, [w.download], **quiet)
    w.as_json.click(handlers.export_json, here, [w.download], **quiet)
    w.download.change(None, [w.download], None, js="(file) => window.save(file)", **quiet)
    w.bring.upload(handlers.bring, [w.bring, w.identity], shown, cancels=[follow], **quiet)
    w.earlier.click(handlers.show_earlier, here, shown, cancels=[follow], js=_KEEP_PLACE, **quiet)
    w.role.input(handlers.choose_role, [w.role, w.identity], [w.chatbot], **quiet)
    w.role.input(None, [w.role], None, js="(role) => window.choseRole(role)", **quiet)
    w.prompt.input(handlers.write_prompt, [w.prompt, w.identity], trigger_mode="always_last", **quiet)
    w.prompt.blur(handlers.keep_prompt, [w.prompt, w.identity], **quiet)
    w.language.input(None, [w.language], None, js="(language) => window.speak(language)", **quiet)
    w.box.submit(handlers.send, [w.box, *asked], [w.box, *shown], **quiet)
    w.chatbot.example_select(handlers.send_example, asked, shown, **quiet)
    w.chatbot.retry(handlers.try_again, asked, shown, **quiet)
    w.chatbot.undo(handlers.undo, here, [w.box, *shown], cancels=[follow], **quiet)
    w.chatbot.edit(handlers.edit, asked, shown, **quiet)
    w.chatbot.like(handlers.like, here, **quiet)
    w.chatbot.option_select(handlers.choose_option, asked, shown, **quiet)
    w.box.stop(handlers.stop, here, **quiet)
    w.clear.click(
        handlers.clear,
        here,
        shown,
        cancels=[follow],
        js=_confirmed("clear_confirm"),
        **quiet,
    )


# What is read stays where it is when more is shown above it.
_KEEP_PLACE = "(...values) => { window.keepPlace(); return values; }"


def _confirmed(key: str) -> str:
    """JavaScript that asks first, in the browser's language, and lets the event go on only after a yes."""
    zh, en = (json.dumps(say(language, key)) for language in ("zh", "en"))
    return (
        f"(...values) => {{ if (!confirm(navigator.language.startsWith('zh') ? {zh} : {en})) "
        "throw new Error('cancelled'); return values; }"
    )
