"""The named endpoints, for Gradio's API clients."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.events import api as publish

from chat_core import Delta, Session, TurnEnd
from chat_core.errors import InvalidInput

from ..page import MAX_STREAMS
from ..uploads import uploaded_images
from ..visitor import Visitor
from .base import (
    LAST_TURN,
    Json,
    message_object,
    model_object,
    picture_model_object,
    role_object,
    session_object,
    yields,
)
from .changes import ChangeEndpoints
from .files import FileEndpoints
from .memory import MemoryEndpoints
from .panels import PanelEndpoints
from .pictures import PictureEndpoints
from .sharing import ShareEndpoints


class Endpoints(
    ChangeEndpoints, FileEndpoints, MemoryEndpoints, PanelEndpoints, PictureEndpoints, ShareEndpoints
):
    """The endpoints. Each finds out for itself who asks; what is refused changes nothing and is answered
    with a gr.Error that says why. Without logins the `user_id` is the key to everything said under it."""

    async def start_chat(
        self,
        request: gr.Request,
        user_id: str = "",
        role: str = "",
        variables: dict[str, str] | None = None,
    ) -> Json:
        """Starts a conversation with a role (empty: the default one), with values for the variables in its
        prompt, by name. An empty user_id gets a new, unguessable one. Returns {"session_id", "user_id",
        "role", "welcome_message", "variables": all that the prompt has, with their values}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            user_id, session = await self._service.start_session(
                visitor.user_id, role, variables, address=visitor.address
            )
            roles = await self._service.roles_for(user_id, [session.role])
            found = roles.find_or_default(session.role)
        return {
            "session_id": session.id,
            "user_id": user_id,
            "role": session.role,
            "welcome_message": found.with_values(session.variables).welcome_message[visitor.language],
            "variables": {**found.variables, **session.variables},
        }

    @yields(str)
    async def chat(
        self,
        request: gr.Request,
        user_id: str,
        session_id: str,
        message: str,
        role: str = "",
        model: str = "",
        images: list[Any] | None = None,
    ) -> AsyncIterator[str]:
        """Sends a message, with `images` as files if there are any, and streams the reply so far, as text;
        the last item is the whole reply. The reply goes on if the caller leaves: see /resume and /history."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            turn_id = await self._start_turn(visitor, session_id, message, role, model, images)
            text, error = "", None
            async with aclosing(self._follow(visitor, session_id, turn_id)) as events:
                async for event in events:
                    if isinstance(event, TurnEnd):
                        error = event.error
                    elif isinstance(event, Delta) and event.kind == "text":
                        text += event.text
                        yield text
        if error:
            raise gr.Error(visitor.error_text(error), print_exception=False)
        yield text

    @yields(dict)
    async def chat_events(
        self,
        request: gr.Request,
        user_id: str,
        session_id: str,
        message: str,
        role: str = "",
        model: str = "",
        images: list[Any] | None = None,
    ) -> AsyncIterator[Json]:
        """Sends a message, with `images` as files if there are any, and streams what happens: {"type":
        "started", "turn_id"}, then pieces {"type": "text" | "reasoning", "id", "text"} whose ids ascend, last
        {"type": "done", "status", "message", "usage", "context"}, with an "error" if the status is "failed".
        The context has "sent" and "dropped" messages, whether a "summary" was sent, how many "notes"."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            turn_id = await self._start_turn(visitor, session_id, message, role, model, images)
            async for event in self._events(visitor, session_id, turn_id):
                yield event

    async def _start_turn(
        self, visitor: Visitor, session_id: str, message: str, role: str, model: str, images: Any
    ) -> str:
        return await self._service.start_turn(
            visitor.user_id,
            session_id,
            message,
            role,
            model,
            images=await uploaded_images(images),
            address=visitor.address,
        )

    @yields(dict)
    async def resume(
        self, request: gr.Request, user_id: str, session_id: str, after: str = ""
    ) -> AsyncIterator[Json]:
        """Streams the events of the running or last turn, as /chat_events does: all of them, or those
        after the id that the caller saw last."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            position = _position(after)
            session, history = await self._service.conversation(visitor.user_id, session_id, LAST_TURN)
            turn_id = session.last_turn
            begins = bool(turn_id) and not after
            async for event in self._events(
                visitor, session_id, turn_id, position, panel=history.panel, begins=begins
            ):
                yield event

    async def stop(self, request: gr.Request, user_id: str, session_id: str) -> Json:
        """Stops the running reply and keeps what there is of it. Returns {"stopped": whether there was
        one, "turn_id", "characters": how many are kept}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            return (await self._service.stop(visitor.user_id, session_id))._asdict()

    async def undo(self, request: gr.Request, user_id: str, session_id: str) -> Json:
        """Takes back the latest message with its reply, which is stopped if it runs. Returns {"message": its
        text, "restore_id"}, which /restore takes for ten minutes."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            undone = await self._service.undo(visitor.user_id, session_id)
        return {"message": undone.message, "restore_id": undone.restore_id}

    async def restore(self, request: gr.Request, user_id: str, session_id: str, restore_id: str) -> Json:
        """Brings back what /undo took back last, unless the conversation has gone on. Returns {"session_id",
        "restored": true}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            await self._service.restore(visitor.user_id, session_id, restore_id)
        return {"session_id": session_id, "restored": True}

    async def history(self, request: gr.Request, user_id: str, session_id: str, limit: int = 0) -> Json:
        """The stored messages, oldest first: the latest `limit` (0: all). Returns {"session_id",
        "messages", "total", "dropped": how many older ones are no longer stored, "cost": of all replies in US
        dollars, or null where that is not known}; a message has at least {"id", "role", "content",
        "timestamp", "status"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            session, history = await self._service.conversation(visitor.user_id, session_id, limit)
        return {
            "session_id": session_id,
            "messages": [message_object(message) for message in history.items],
            "total": session.messages,
            "dropped": session.dropped,
            "cost": session.cost,
        }

    async def clear_history(self, request: gr.Request, user_id: str, session_id: str) -> Json:
        """Removes all messages. Returns {"session_id", "cleared": how many there were}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            cleared = await self._service.clear(visitor.user_id, session_id)
        return {"session_id": session_id, "cleared": cleared}

    async def sessions(self, request: gr.Request, user_id: str) -> Json:
        """The user's conversations, the one changed last first. Returns {"sessions": [{"session_id",
        "title", "role", "updated_at", "messages", "running", "pinned", "folder", "last_line",
        "branched_from", "cost"}], "total", "unreadable": [{"session_id", "title"}]}: the last cannot be read
        any more, and are there to be exported or deleted."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            found = await self._service.latest_sessions(visitor.user_id)
        unreadable = [{"session_id": key, "title": title} for key, title in found.unreadable.items()]
        return {**_listed(found.items), "unreadable": unreadable}

    async def search_sessions(self, request: gr.Request, user_id: str, query: str) -> Json:
        """The user's conversations whose title or messages contain the query, as /sessions lists them. It may
        begin with the folder that they are in: folder:work or folder:"my work"."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            return _listed(await self._service.sessions(visitor.user_id, query))

    async def pin_session(
        self, request: gr.Request, user_id: str, session_id: str, pinned: bool = True
    ) -> Json:
        """Keeps a conversation for ever, or no longer so. Returns {"session_id", "pinned"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            if not isinstance(pinned, bool):
                raise InvalidInput("pinned", "true or false")
            await self._service.pin(visitor.user_id, session_id, pinned)
        return {"session_id": session_id, "pinned": pinned}

    async def move_session(self, request: gr.Request, user_id: str, session_id: str, folder: str) -> Json:
        """Puts a conversation into the folder of that name, "" for none. Returns {"session_id", "folder"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            moved = await self._service.move(visitor.user_id, session_id, folder)
        return {"session_id": session_id, "folder": moved.folder}

    async def rename_session(self, request: gr.Request, user_id: str, session_id: str, title: str) -> Json:
        """Gives a conversation another title. Returns {"session_id", "title"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            session = await self._service.rename(visitor.user_id, session_id, title)
        return {"session_id": session_id, "title": session.title}

    async def delete_session(self, request: gr.Request, user_id: str, session_id: str) -> Json:
        """Removes a conversation with everything in it. Returns {"session_id", "deleted": true}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            await self._service.delete(visitor.user_id, session_id)
        return {"session_id": session_id, "deleted": True}

    async def roles(self, request: gr.Request, user_id: str = "") -> Json:
        """Who may answer: everybody's roles and, with a user_id, the user's own after them, which have their
        "prompt" too. Returns {"roles": [{"key", "icon", "name", "description", "welcome_message",
        "example_questions", "model", "temperature", "max_tokens"}], "default_role"}; texts are
        {"zh", "en"}."""
        visitor = Visitor.of(request, user_id)
        roles = self._service.roles
        shown = [role_object(role) for role in roles.values()]
        if visitor.user_id:
            with visitor.errors_shown():
                own = await self._service.own_roles(visitor.user_id)
            shown += [role_object(role, own=True) for role in own]
        return {"roles": shown, "default_role": roles.default}

    async def save_role(self, request: gr.Request, user_id: str, role: dict[str, Any]) -> Json:
        """Stores a role of the user's own: {"key" (empty: a new one), "icon", "name", "description",
        "prompt", "welcome_message", "example_questions", "model", "temperature", "max_tokens"}, of which the
        name and the prompt must be given. A plain text or list stands for both languages, {"zh", "en"} for
        each. Returns the role with its key."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            saved = await self._service.save_role(visitor.user_id, role, address=visitor.address)
        return role_object(saved, own=True)

    async def delete_role(self, request: gr.Request, user_id: str, key: str) -> Json:
        """Removes a role of the user's own; its conversations go on with the default one. Returns {"key",
        "deleted": true}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            await self._service.delete_role(visitor.user_id, key)
        return {"key": key, "deleted": True}

    async def models(self) -> Json:
        """The models a message may name. Returns {"models": [name], "default_model", "details": [{"name",
        "provider", "icon", "model", "vision", "temperature", "efforts": [name], "price"}]}; the price is of a
        million tokens sent and received, in US dollars, or null. "picture_models" are those that
        /generate_image may name, the default one first: [{"name", "provider", "icon", "model", "sizes",
        "qualities", "edits": whether they change pictures}]."""
        service = self._service
        return {
            "models": list(service.models),
            "default_model": service.models[0],
            "details": [model_object(offer) for offer in service.model_offers],
            "picture_models": [picture_model_object(offer) for offer in service.picture_offers],
        }


def _listed(found: list[Session]) -> Json:
    return {"sessions": [session_object(session) for session in found], "total": len(found)}


def _position(after: str | int) -> int:
    written = str(after) if type(after) is int else after
    if written == "":
        return 0
    if not (isinstance(written, str) and written.isdecimal() and len(written) <= _LONGEST_POSITION):
        raise InvalidInput("after", "the id of an event, or empty")
    return int(written)


_LONGEST_POSITION = 12


def register(endpoints: Endpoints) -> None:
    """Names the endpoints inside the current Blocks."""
    streaming: tuple[Callable[..., Any], ...] = (
        endpoints.chat,
        endpoints.chat_events,
        endpoints.resume,
        endpoints.regenerate,
        endpoints.edit_message,
        endpoints.continue_reply,
        endpoints.panel,
        endpoints.generate_image,
    )
    for function in streaming:
        publish(
            function,
            api_name=function.__name__,
            concurrency_id="stream",
            concurrency_limit=MAX_STREAMS,
        )
    answering: tuple[Callable[..., Any], ...] = (
        endpoints.start_chat,
        endpoints.stop,
        endpoints.undo,
        endpoints.restore,
        endpoints.history,
        endpoints.clear_history,
        endpoints.sessions,
        endpoints.search_sessions,
        endpoints.pin_session,
        endpoints.move_session,
        endpoints.rename_session,
        endpoints.delete_session,
        endpoints.export_session,
        endpoints.export_all,
        endpoints.import_session,
        endpoints.picture,
        endpoints.share,
        endpoints.unshare,
        endpoints.shares,
        endpoints.import_share,
        endpoints.branch,
        endpoints.choose_reply,
        endpoints.summary,
        endpoints.save_summary,
        endpoints.notes,
        endpoints.save_note,
        endpoints.delete_note,
        endpoints.roles,
        endpoints.save_role,
        endpoints.delete_role,
        endpoints.import_roles,
        endpoints.models,
    )
    for function in answering:
        publish(function, api_name=function.__name__)
