"""What the page does: one handler per intention, and every listener in one place."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast
from uuid import uuid4

import gradio as gr

from chat_core import ChatError, ChatMessage, ChatService, Messages, Session, TurnEnd, new_user_id
from chat_core.errors import MessageNotFound

from . import view
from .layout import NOWHERE, Place, Widgets
from .pace import STREAMS, Pace
from .texts import say
from .visitor import Visitor

# What the browser keeps: user_id, session_id (of the conversation opened last), minutes_west (time zone).
Identity = dict[str, Any]

# The page shows the latest messages: a frame costs the browser more the more of them there are.
WINDOW = 30


class Handlers:
    """The handlers. Each takes and gives plain values, and finds out for itself who asks."""

    def __init__(self, service: ChatService, pace: Pace) -> None:
        self._service = service
        self._pace = pace

    async def load(self, identity: Identity, request: gr.Request) -> list[Any]:
        """The page was opened: the conversation this browser had open, or an empty one."""
        visitor = _visitor(request, {**identity, "user_id": identity["user_id"] or new_user_id()})
        store = (await self._service.health()).store
        try:
            shown = await self._show(visitor, identity["session_id"])
        except ChatError as error:
            if error.code == "store_unavailable":  # the id is kept for better times
                shown = self._shown(visitor, Place(NOWHERE, session_id=identity["session_id"]))
            else:
                if error.facts.get("field") == "user_id":  # not a malformed ?c=: that costs nobody their id
                    visitor = _visitor(request, {**identity, "user_id": new_user_id()})
                shown = await self._show(visitor, "")
        notice = view.notice(self._service.notices, self._service.models[0], store, visitor.language)
        models = gr.Dropdown(choices=list(self._service.models), value=self._service.models[0])
        return [*shown, notice, models]

    async def open(self, identity: Identity, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A conversation was chosen in the sidebar."""
        visitor = _visitor(request, identity)
        with visitor.told():
            return await self._show(visitor, event.session_id)

    async def new(self, identity: Identity, role: str, request: gr.Request) -> list[Any]:
        """An empty conversation. It is stored with its first message."""
        visitor = _visitor(request, identity)
        with visitor.told():
            return await self._show(visitor, "", role)

    async def search(self, query: str, identity: Identity, place: Place, request: gr.Request) -> str:
        """The list shows what contains the query."""
        visitor = _visitor(request, identity)
        with visitor.told():
            sessions = await self._service.sessions(visitor.user_id, query)
        return self._listed(visitor, sessions, place["session_id"], searched=bool(query.strip()))

    async def rename(
        self, identity: Identity, place: Place, request: gr.Request, event: gr.EventData
    ) -> list[Any]:
        """A conversation got another title."""
        visitor = _visitor(request, identity)
        with visitor.told():
            renamed = await self._service.rename(visitor.user_id, event.session_id, event.title)
            if renamed.id == place["session_id"]:
                place = place | {"title": renamed.title}
            return ["", await self._whole_list(visitor, place["session_id"]), place]

    async def pin(
        self, identity: Identity, place: Place, request: gr.Request, event: gr.EventData
    ) -> list[Any]:
        """A conversation is to be kept for ever, or no longer so."""
        visitor = _visitor(request, identity)
        with visitor.told():
            await self._service.pin(visitor.user_id, event.session_id, bool(event.pinned))
            return ["", await self._whole_list(visitor, place["session_id"])]

    async def delete(
        self, identity: Identity, place: Place, request: gr.Request, event: gr.EventData
    ) -> list[Any]:
        """A conversation is to be removed; if it was the open one, an empty one takes its place."""
        visitor = _visitor(request, identity)
        with visitor.told():
            await self._service.delete(visitor.user_id, event.session_id)
            left = place["session_id"]
            return await self._show(visitor, "" if left == event.session_id else left)

    def choose_role(self, role: str, request: gr.Request) -> gr.Chatbot:
        """The role answers from the next message on; an empty conversation greets in its name now."""
        greeting = view.greeting(self._service.roles[role], Visitor.of(request, "").language)
        return gr.Chatbot(**greeting)

    async def send(
        self, text: str, identity: Identity, place: Place, role: str, model: str, request: gr.Request
    ) -> list[Any]:
        """The message is stored and its reply begins; the place then names the turn to follow. The box is
        emptied only now, so that a refused message stays in it."""
        visitor = _visitor(request, identity)
        with visitor.told():
            session_id = await self._start_turn(visitor, place["session_id"], text, role, model)
            return ["", *await self._show(visitor, session_id)]

    async def send_example(
        self,
        identity: Identity,
        place: Place,
        role: str,
        model: str,
        request: gr.Request,
        event: gr.SelectData,
    ) -> list[Any]:
        """An example question was clicked."""
        text = event.value["text"]
        return (await self.send(text, identity, place, role, model, request))[1:]

    async def try_again(
        self, identity: Identity, place: Place, role: str, model: str, request: gr.Request
    ) -> list[Any]:
        """Another reply is wanted to the latest message; the one it has is kept as a version."""
        visitor = _visitor(request, identity)
        with visitor.told():
            await self._service.try_again(visitor.user_id, place["session_id"], role, model)
            return await self._show(visitor, place["session_id"])

    async def undo(self, identity: Identity, place: Place, request: gr.Request) -> list[Any]:
        """The latest message and its reply are taken back; its text returns to the box."""
        visitor = _visitor(request, identity)
        with visitor.told():
            text = await self._service.undo(visitor.user_id, place["session_id"])
            return [text, *await self._show(visitor, place["session_id"])]

    async def edit(
        self,
        identity: Identity,
        place: Place,
        role: str,
        model: str,
        request: gr.Request,
        event: gr.EditData,
    ) -> list[Any]:
        """An earlier message was changed: it is sent again in its place, and what followed is gone."""
        visitor = _visitor(request, identity)
        session_id = place["session_id"]
        with visitor.told():
            asked = await self._message_at(visitor, session_id, event.index)
            text = view.as_said(_text_of(event.value))
            await self._service.start_turn(
                visitor.user_id, session_id, text, role, model, instead_of=asked.id
            )
            return await self._show(visitor, session_id)

    async def like(self, identity: Identity, place: Place, request: gr.Request, event: gr.LikeData) -> None:
        """A thumb under a reply was clicked; a second click takes it back."""
        visitor = _visitor(request, identity)
        feedback = {"True": "like", "False": "dislike"}.get(str(event.liked), "")
        with visitor.told():
            message = await self._message_at(visitor, place["session_id"], event.index)
            await self._service.rate(visitor.user_id, place["session_id"], message.id, feedback)

    async def show_version(
        self, identity: Identity, place: Place, request: gr.Request, event: gr.SelectData
    ) -> list[Any]:
        """Another version of a reply was chosen."""
        visitor = _visitor(request, identity)
        message_id, _, number = str(event.value).partition(" ")
        with visitor.told():
            await self._service.show_version(visitor.user_id, place["session_id"], message_id, int(number))
            return await self._show(visitor, place["session_id"])

    async def _message_at(self, visitor: Visitor, session_id: str, index: object) -> ChatMessage:
        history = await self._service.history(visitor.user_id, session_id, WINDOW)
        place = index[0] if isinstance(index, list | tuple) else index
        found = view.message_at(history.items, int(str(place)), visitor.language, history.unreadable)
        if found is None:
            raise MessageNotFound()
        return found

    async def follow(self, identity: Identity, place: Place, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Shows the turn that the place names as it goes on. May be ended at any time: the turn isn't."""
        session_id, turn_id = place["session_id"], place["turn_id"]
        if not turn_id:
            yield [gr.skip()] * 3  # without a yield Gradio would set the outputs to nothing
            return
        visitor = _visitor(request, identity)
        user_id, language, _ = visitor
        with visitor.told(), self._pace.viewer():
            history = await self._service.history(user_id, session_id, WINDOW)
            before = view.conversation(_without_reply(history, turn_id), language, history.unreadable)
            typing = view.reply(language, "", "", running=True)
            yield [before + typing, view.activity(True), gr.skip()]
            text, reasoning = "", ""
            events = self._service.follow(user_id, session_id, turn_id)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, TurnEnd):
                        reply = view.reply(language, text, reasoning) + view.ending(event, language)
                        break
                    text += event.text if event.kind == "text" else ""
                    reasoning += event.text if event.kind == "reasoning" else ""
                    reply = view.reply(language, text, reasoning, running=True)
                    yield [before + reply, view.activity(True), gr.skip()]
                    await self._pace.rest()
            history = await self._service.history(user_id, session_id, WINDOW)
            stored = any(m.turn_id == turn_id and m.role == "assistant" for m in history.items)
            whole = view.conversation(history.items, language, history.unreadable)
            listed = await self._whole_list(visitor, session_id)
            yield [whole if stored else before + reply, view.activity(False), listed]

    async def stop(self, identity: Identity, place: Place, request: gr.Request) -> None:
        """Ends the running reply and says what that did; the follower sees the end."""
        visitor = _visitor(request, identity)
        with visitor.told():
            result = await self._service.stop(visitor.user_id, place["session_id"])
        key = "stopped_after" if result.stopped else "nothing_to_stop"
        gr.Info(say(visitor.language, key, characters=result.characters), duration=3, title=" ")

    async def clear(self, identity: Identity, place: Place, request: gr.Request) -> list[Any]:
        """Removes what was said in this conversation."""
        visitor = _visitor(request, identity)
        with visitor.told():
            if place["session_id"]:
                await self._service.clear(visitor.user_id, place["session_id"])
            return await self._show(visitor, place["session_id"])

    async def _start_turn(self, visitor: Visitor, session_id: str, text: str, role: str, model: str) -> str:
        if session_id:
            await self._service.start_turn(visitor.user_id, session_id, text, role, model)
            return session_id
        _, session = await self._service.start_session(visitor.user_id, role)
        try:
            await self._service.start_turn(visitor.user_id, session.id, text, role, model)
        except ChatError:
            await self._service.delete(visitor.user_id, session.id)  # nobody asked for an empty one
            raise
        return session.id

    async def _show(self, visitor: Visitor, session_id: str, role: str = "") -> list[Any]:
        """The values of `Widgets.shown`: this conversation, or an empty one when there is no id."""
        if not session_id:
            sessions = await self._service.sessions(visitor.user_id)
            return self._shown(visitor, NOWHERE | {"visit": uuid4().hex}, sessions, role=role)
        session = await self._service.session(visitor.user_id, session_id)
        history = await self._service.history(visitor.user_id, session_id, WINDOW)
        # A turn that has no reply yet runs, or failed: following it shows which.
        unanswered = bool(history.items) and history.items[-1].role == "user"
        place = {
            "session_id": session_id,
            "turn_id": session.last_turn if session.running or unanswered else "",
            "title": session.title,
            "visit": uuid4().hex,
        }
        bubbles = view.conversation(history.items, visitor.language, history.unreadable)
        feedback = view.feedback(history.items, history.unreadable)
        # Asked last: a reply that ends just now is not marked as running, with nobody to take the mark off.
        sessions = await self._service.sessions(visitor.user_id)
        return self._shown(visitor, place, sessions, bubbles, feedback, session.role)

    def _shown(
        self,
        visitor: Visitor,
        place: Place,
        sessions: list[Session] | None = None,
        bubbles: list[view.Bubble] | None = None,
        feedback: list[str | None] | None = None,
        role: str = "",
    ) -> list[Any]:
        role = self._service.roles.known_or_default(role)
        greeting = view.greeting(self._service.roles[role], visitor.language)
        choices = view.role_choices(self._service.roles, visitor.language)
        return [
            {
                "user_id": visitor.user_id,
                "session_id": place["session_id"],
                "minutes_west": visitor.minutes_west,
            },
            place,
            gr.Chatbot(value=cast(Any, bubbles or []), feedback_value=cast(Any, feedback or []), **greeting),
            "",
            self._listed(visitor, sessions or [], place["session_id"]),
            gr.Dropdown(choices=choices, value=role),
            view.activity(bool(place["turn_id"])),
        ]

    async def _whole_list(self, visitor: Visitor, open_id: str) -> str:
        return self._listed(visitor, await self._service.sessions(visitor.user_id), open_id)

    def _listed(
        self, visitor: Visitor, sessions: list[Session], open_id: str, *, searched: bool = False
    ) -> str:
        return view.session_list(
            sessions,
            open_id,
            visitor.language,
            now=time.time(),
            minutes_west=visitor.minutes_west,
            searched=searched,
        )


def _visitor(request: gr.Request, identity: Identity) -> Visitor:
    return Visitor.of(request, identity["user_id"], identity.get("minutes_west"))


def _text_of(value: Any) -> str:
    """The text of a message that was edited, in whichever form the Chatbot gives it."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else [value]
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in parts)


def _without_reply(history: Messages, turn_id: str) -> list[Any]:
    return [m for m in history.items if m.role == "user" or m.turn_id != turn_id]


def wire(demo: gr.Blocks, w: Widgets, handlers: Handlers) -> None:
    """Every listener of the page."""
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    here = [w.identity, w.place]
    asked = [*here, w.role, w.model]
    shown = [w.identity, w.place, w.chatbot, w.search, w.sessions, w.role, w.activity]

    follow = w.place.change(
        handlers.follow,
        inputs=here,
        outputs=[w.chatbot, w.activity, w.sessions],
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
        [*shown, w.notice, w.model],
        js="(identity) => [window.whereAmI(identity)]",
        **quiet,
    )
    w.sessions.select(handlers.open, [w.identity], shown, cancels=[follow], **quiet)
    w.sessions.edit(handlers.rename, here, [w.search, w.sessions, w.place], **quiet)
    w.sessions.like(handlers.pin, here, [w.search, w.sessions], **quiet)
    w.sessions.delete(handlers.delete, here, shown, cancels=[follow], **quiet)
    # Not `.input`, which hears keys only: text is pasted and dictated too.
    w.search.change(handlers.search, [w.search, *here], [w.sessions], trigger_mode="always_last", **quiet)
    w.new_chat.click(handlers.new, [w.identity, w.role], shown, cancels=[follow], **quiet)
    w.role.input(handlers.choose_role, [w.role], [w.chatbot], **quiet)
    w.box.submit(handlers.send, [w.box, *asked], [w.box, *shown], **quiet)
    w.chatbot.example_select(handlers.send_example, asked, shown, **quiet)
    w.chatbot.retry(handlers.try_again, asked, shown, **quiet)
    w.chatbot.undo(handlers.undo, here, [w.box, *shown], cancels=[follow], **quiet)
    w.chatbot.edit(handlers.edit, asked, shown, **quiet)
    w.chatbot.like(handlers.like, here, **quiet)
    w.chatbot.option_select(handlers.show_version, here, shown, **quiet)
    w.box.stop(handlers.stop, here, **quiet)
    w.clear.click(
        handlers.clear,
        here,
        shown,
        cancels=[follow],
        js=_confirmed("clear_confirm"),
        **quiet,
    )


def _confirmed(key: str) -> str:
    """JavaScript that asks first, in the browser's language, and lets the event go on only after a yes."""
    zh, en = (json.dumps(say(language, key)) for language in ("zh", "en"))
    return (
        f"(...values) => {{ if (!confirm(navigator.language.startsWith('zh') ? {zh} : {en})) "
        "throw new Error('cancelled'); return values; }"
    )
