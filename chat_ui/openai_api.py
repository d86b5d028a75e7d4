"""The endpoints of OpenAI's API, "/v1/models" and "/v1/chat/completions", in front of models and roles.

They are there where API_KEYS names keys. A `model` is one of the models, or `role:KEY` for a role. Without
a name for a conversation what a caller sends is answered and nothing is kept; with one, in `user` or in the
header X-Session-Id, the latest message goes on with that conversation, which remembers what was said.
"""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field, SecretStr, ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from chat_core import ChatError, ChatService, Delta, Sampling, TurnEnd, TurnError, Usage
from chat_core.context import PromptMessage
from chat_core.errors import InvalidInput, ModelError
from chat_core.models import Finish, Piece

from .address import address_of
from .bodies import read_body
from .refusals import reader_language, refer, status_of
from .texts import error_text

Json = dict[str, Any]

_ROLE = "role:"
_MOST_BYTES = 4_000_000
_UNBUFFERED = {"cache-control": "no-store", "x-accel-buffering": "no"}  # the latter is for nginx


class Message(BaseModel):
    """One message; its content is a text or a list of parts."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[dict[str, Any]]

    @property
    def text(self) -> str:
        """Its text, without what else there is."""
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text", "")) for part in self.content if part.get("type") == "text")

    def as_prompt(self) -> PromptMessage:
        """As models are sent it."""
        role = "system" if self.role == "developer" else self.role
        return PromptMessage(role=role, content=self.content)


class StreamOptions(BaseModel):
    """`include_usage`: tokens come in a last chunk."""

    include_usage: bool = False


class CompletionRequest(BaseModel):
    """What a caller may send; the rest of what OpenAI's API knows is passed over."""

    model: str = ""
    messages: list[Message] = Field(min_length=1, max_length=2000)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    temperature: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None
    user: str = Field("", max_length=200)

    @property
    def sampling(self) -> Sampling:
        """Raises InvalidInput."""
        length = self.max_completion_tokens or self.max_tokens
        return Sampling.of(self.temperature, length, self.reasoning_effort or "")


class OpenAIApi:
    """The routes, for callers that have one of the `keys`."""

    def __init__(self, service: ChatService, keys: Sequence[SecretStr]) -> None:
        self._service = service
        self._keys = [key.get_secret_value().encode() for key in keys]

    def add_to(self, app: FastAPI) -> None:
        """Nothing is added where there are no keys."""
        if self._keys:
            app.add_api_route("/v1/models", self.models, methods=["GET"])
            app.add_api_route("/v1/chat/completions", self.chat, methods=["POST"])

    async def models(self, request: Request) -> Response:
        """The models, and everybody's roles after them."""
        if not self._caller(request):
            return _unauthorized()
        roles = [f"{_ROLE}{role.key}" for role in self._service.roles.values()]
        offers = {offer.name: offer.provider.title for offer in self._service.model_offers}
        owners = {**offers, **dict.fromkeys(roles, "roles")}
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in owners.items()
        ]
        return JSONResponse({"object": "list", "data": data})

    async def chat(self, request: Request) -> Response:
        """One reply, whole or as a stream."""
        if not (caller := self._caller(request)):
            return _unauthorized()
        _, body = await read_body(request.receive, _MOST_BYTES)
        try:
            if len(body) > _MOST_BYTES:
                raise InvalidInput("messages", f"at most {_MOST_BYTES} bytes")
            asked = _parsed(body)
            items = self._items(asked, caller, request)
            # What is refused is refused before a stream begins.
            first = await anext(items, None)
        except ChatError as error:
            return _failure(error, request)
        completion = _Completion(asked, request)
        if asked.stream:
            stream = completion.stream(first, items)
            return StreamingResponse(stream, headers=_UNBUFFERED, media_type="text/event-stream")
        return await completion.whole(first, items)

    def _caller(self, request: Request) -> str:
        """Who has sent the key; "" for nobody. All keys are compared, so that the time tells nothing."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        known = [key for key in self._keys if hmac.compare_digest(key, sent)]
        return hashlib.sha256(known[0]).hexdigest()[:16] if known else ""

    async def _items(
        self, asked: CompletionRequest, caller: str, request: Request
    ) -> AsyncGenerator[Any, None]:
        """What comes of it: pieces, at most one finish, and the usage. Raises ChatError."""
        role = asked.model.removeprefix(_ROLE) if asked.model.startswith(_ROLE) else ""
        model = "" if role else asked.model
        address = address_of(request.client)
        name = request.headers.get("x-session-id") or asked.user
        if not name:
            user_id = f"api_{caller}"
            messages = [message.as_prompt() for message in asked.messages]
            stream = self._service.complete(
                user_id, messages, role, model, sampling=asked.sampling, address=address
            )
            async with aclosing(stream):
                async for item in stream:
                    yield item
            return
        user_id = f"api_{hashlib.sha256(f'{caller} {name}'.encode()).hexdigest()[:32]}"
        session_id = await self._session(user_id, role)
        turn_id = await self._service.start_turn(
            user_id,
            session_id,
            asked.messages[-1].text,
            role,
            model,
            sampling=asked.sampling,
            address=address,
        )
        ended = False
        try:
            async with aclosing(self._service.follow(user_id, session_id, turn_id)) as events:
                async for event in events:
                    if isinstance(event, Delta) and event.kind != "picture":
                        yield Piece(event.kind, event.text)
                    if not isinstance(event, TurnEnd):
                        continue
                    ended = True
                    if event.error:
                        raise _TurnFailed(event.error)
                    if event.message and event.message.finish_reason:
                        yield Finish(event.message.finish_reason)
                    if event.usage:
                        yield event.usage
        finally:
            if not ended:  # whoever asked is gone: as at OpenAI, nobody wants the rest
                await self._service.stop(user_id, session_id, turn_id)

    async def _session(self, user_id: str, role: str) -> str:
        """The conversation of this name: each has a user of its own."""
        latest = await self._service.latest_sessions(user_id, 1)
        if latest.items:
            return latest.items[0].id
        return (await self._service.start_session(user_id, role))[1].id


class _TurnFailed(ChatError):
    def __init__(self, error: TurnError) -> None:
        super().__init__(error.message)
        self.error = error


class _Completion:
    """One answer in OpenAI's forms."""

    def __init__(self, asked: CompletionRequest, request: Request) -> None:
        self._asked = asked
        self._request = request
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": asked.model}

    async def whole(self, first: Any, items: AsyncGenerator[Any, None]) -> Response:
        """The reply in one object."""
        said = {"text": "", "reasoning": ""}
        reason, usage = "stop", Usage()
        try:
            async for item in _all(first, items):
                if isinstance(item, Piece):
                    said[item.kind] += item.text
                elif isinstance(item, Finish):
                    reason = item.reason
                elif isinstance(item, Usage):
                    usage = item
        except ChatError as error:
            return _failure(error, self._request)
        message = {"role": "assistant", "content": said["text"], "refusal": None}
        if said["reasoning"]:
            message["reasoning_content"] = said["reasoning"]
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        body = {"object": "chat.completion", "choices": [choice], "usage": _tokens(usage)}
        return JSONResponse(self._head | body)

    async def stream(self, first: Any, items: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
        """The reply as server-sent events."""
        reason, usage = "stop", Usage()
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async for item in _all(first, items):
                if isinstance(item, Piece):
                    key = "content" if item.kind == "text" else "reasoning_content"
                    yield self._chunk({key: item.text})
                elif isinstance(item, Finish):
                    reason = item.reason
                elif isinstance(item, Usage):
                    usage = item
        except ChatError as error:
            yield _event(_error_body(error, self._request))
            return
        yield self._chunk({}, reason)
        if self._asked.stream_options.include_usage:
            yield _event(self._head | {"object": _CHUNK, "choices": [], "usage": _tokens(usage)})
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: Json, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _event(self._head | {"object": _CHUNK, "choices": [choice]})


_CHUNK = "chat.completion.chunk"


async def _all(first: Any, items: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    async with aclosing(items):
        if first is not None:
            yield first
        async for item in items:
            yield item


def _tokens(usage: Usage) -> Json:
    return usage.model_dump(exclude={"cost"})


def _event(data: Json) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _parsed(body: bytes) -> CompletionRequest:
    try:
        return CompletionRequest.model_validate_json(body)
    except ValidationError as error:
        place = error.errors(include_input=False, include_url=False)[0]["loc"]
    field = ".".join(map(str, place)) or "the request's body"
    raise InvalidInput(field, "as OpenAI's API has it" if place else "a JSON object in UTF-8")


def _failure(error: ChatError, request: Request) -> JSONResponse:
    wait = error.facts.get("retry_after")
    headers = {"retry-after": f"{float(wait):.0f}"} if wait else None
    status = HTTPStatus.BAD_GATEWAY if isinstance(error, ModelError | _TurnFailed) else status_of(error)
    return JSONResponse(_error_body(error, request), status, headers)


def _error_body(error: ChatError, request: Request) -> Json:
    told = error.error if isinstance(error, _TurnFailed) else error
    if isinstance(told, ChatError):
        refer(told)
    message = error_text(reader_language(request.headers), told)
    return {"error": {"message": message, "type": told.code, "code": told.code, "param": None}}


def _unauthorized() -> JSONResponse:
    error = {"message": "A valid API key is needed.", "type": "invalid_api_key", "code": "invalid_api_key"}
    return JSONResponse({"error": error}, HTTPStatus.UNAUTHORIZED)
