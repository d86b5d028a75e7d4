"""The Model Context Protocol at "/mcp": conversations as tools, for programs with a model of their own.

Gradio's own server makes a tool of each of some forty endpoints, and calls them as a client at this machine:
for limits and logins all callers would be that client. Here a few tools call the endpoints as whoever asks.
"""

import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import gradio as gr
from fastapi import FastAPI
from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import TextContent, Tool
from pydantic import Field, TypeAdapter
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from chat_core import ChatService, Role

from .api import Endpoints
from .bodies import read_body
from .login import logged_in_user
from .page import FramePacer
from .refusals import Refusal, malformed, reader_language
from .texts import t

log = logging.getLogger(__name__)

Json = dict[str, Any]

# How often who waits for a reply is told how long it is.
_PROGRESS_SECONDS = 1.0
SessionId = Annotated[
    str, Field(description="The conversation, as start_chat or an earlier answer named it.")
]
UserId = Annotated[str, Field(description="Whose it is; needed only for a session_id of the HTTP endpoints.")]

# The second is where programs look that know Gradio.
PATHS = ("/mcp", "/gradio_api/mcp")

_INSTRUCTIONS = (
    "Chats with roles that remember what was said. ask_<role> asks one role; give its answer's session_id to "
    "go on. Whoever has a session_id can read that conversation."
)


class McpApi:
    """The tools, which answer with JSON as text. Where nobody logs in, a conversation is named together with
    its user, as USER:SESSION, so that its name is all that a program has to keep. A request may have
    `most_bytes`."""

    def __init__(self, service: ChatService, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._endpoints = Endpoints(service, FramePacer())
        self._server: Server[Any, Request] = Server("role-chat", instructions=_INSTRUCTIONS)
        self._tools: dict[str, tuple[Tool, Callable[..., Awaitable[Json]]]] = {}
        for function in (self.start_chat, self.chat, self.history, self.roles):
            self._add(function.__name__, _sentences(function.__doc__), function)
        for role in service.roles.values():
            self._add(f"ask_{role.key}", _about(role), partial(self._ask, role.key))
        self._server.list_tools()(self._listed)  # type: ignore[no-untyped-call]
        self._server.call_tool()(self._call)
        # Without sessions of its own any process answers any request.
        self._requests = StreamableHTTPSessionManager(self._server, stateless=True)

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes, which answer while `running`."""
        app.router.routes += [Route(f"{path}{slash}", self) for path in PATHS for slash in ("", "/")]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._requests.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            try:
                receive = await self._checked(receive)
            except Refusal as refused:
                await refused.answer(scope)(scope, receive, send)
                return
            await self._requests.handle_request(scope, receive, send)
        else:  # a stream that nothing would ever come by
            refusal = Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": "POST"})
            await refusal(scope, receive, send)

    async def _checked(self, receive: Receive) -> Receive:
        """What tells the package the body. It would read one of any size, and fail with a traceback at JSON
        that is too deep, or has numbers or characters that Python cannot read or write. Raises Refusal."""
        receive, body = await read_body(receive, self._most_bytes)
        if len(body) > self._most_bytes:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "call_too_large")
        try:
            from_json(body)
        except ValueError:
            raise malformed("the request's body", "JSON in UTF-8") from None
        return receive

    async def start_chat(
        self, role: str = "", variables: dict[str, str] | None = None, user_id: UserId = ""
    ) -> Json:
        """Starts a conversation with a role, by its key (empty: the default one), with values for the
        variables of its prompt. Returns {"session_id", "user_id", "role", "welcome_message", "variables"}."""
        begun = await self._endpoints.start_chat(self._asked(), user_id, role, variables)
        return {**begun, "session_id": self._named(begun["user_id"], begun["session_id"])}

    async def chat(self, session_id: SessionId, message: str, user_id: UserId = "") -> Json:
        """Sends a message to a conversation. Returns {"session_id", "reply"}. A reply that takes too long
        to wait for goes on: see history."""
        user_id, inside = _parted(session_id, user_id)
        reply, told = "", 0.0
        async for reply in self._endpoints.chat(self._asked(), user_id, inside, message):
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                await self._tell_progress(len(reply))
        return {"session_id": session_id, "reply": reply}

    async def history(self, session_id: SessionId, limit: int = 0, user_id: UserId = "") -> Json:
        """What was said, oldest first: the latest `limit` messages (0: all). Returns {"session_id",
        "messages": [{"id", "role", "content", "timestamp", "status"}], "total", "dropped": how many older
        ones are no longer stored, "cost": of all replies in US dollars, or null}."""
        user_id, inside = _parted(session_id, user_id)
        found = await self._endpoints.history(self._asked(), user_id, inside, limit)
        return {**found, "session_id": session_id}

    async def roles(self) -> Json:
        """Who can be asked. Returns {"roles": [{"key", "name", "description", "variables"}],
        "default_role"}; texts are {"zh", "en"}."""
        found = await self._endpoints.roles(self._asked())
        shown = ("key", "name", "description", "variables")
        roles = [{name: role[name] for name in shown if name in role} for role in found["roles"]]
        return {**found, "roles": roles}

    async def _ask(self, role: str, message: str, session_id: SessionId = "") -> Json:
        if not session_id:
            session_id = (await self.start_chat(role))["session_id"]
        return await self.chat(session_id, message)

    def _add(self, name: str, description: str, function: Callable[..., Awaitable[Json]]) -> None:
        schema = TypeAdapter(function).json_schema()
        self._tools[name] = Tool(name=name, description=description, inputSchema=schema), function

    async def _listed(self) -> list[Tool]:
        return [tool for tool, _ in self._tools.values()]

    async def _call(self, name: str, arguments: Json) -> list[TextContent]:
        """Raises ToolError with the sentence that the caller is to get."""
        language = reader_language(self._asked().headers)
        if name not in self._tools:
            raise ToolError(t(language, "no_such_tool", names=", ".join(self._tools)))
        try:
            answer = await self._tools[name][1](**arguments)
        except gr.Error as error:
            raise ToolError(error.message) from error
        except Exception as error:
            log.exception("The tool %s failed", name)
            raise ToolError(t(language, "error.internal")) from error
        return [TextContent(type="text", text=json.dumps(answer, ensure_ascii=False))]

    def _asked(self) -> gr.Request:
        request = self._server.request_context.request
        assert request
        return gr.Request(request, username=logged_in_user(request))

    def _named(self, user_id: str, session_id: str) -> str:
        return session_id if self._asked().username else f"{user_id}:{session_id}"

    async def _tell_progress(self, characters: int) -> None:
        """Keeps callers that asked for it from giving up on a long reply."""
        context = self._server.request_context
        if context.meta and (token := context.meta.progressToken) is not None:
            request_id = str(context.request_id)
            await context.session.send_progress_notification(token, characters, related_request_id=request_id)


class ToolError(Exception):
    """A tool answers with this sentence, as an error."""


def _parted(session_id: str, user_id: str) -> tuple[str, str]:
    """The user and the session that a conversation's name stands for."""
    owner, _, inside = session_id.rpartition(":")
    return user_id or owner, inside


def _about(role: Role) -> str:
    about = f"Asks {role.name.en}. {role.description.en}".strip()
    return f'{about} Without a session_id a new conversation begins. Returns {{"session_id", "reply"}}.'


def _sentences(docstring: str | None) -> str:
    return " ".join((docstring or "").split())
