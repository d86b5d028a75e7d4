"""The model: an OpenAI-compatible chat completion, as a stream of pieces. The only importer of openai."""

import asyncio
import math
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol, cast

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam
from pydantic_core import from_json

from .context import PromptMessage
from .errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelDisconnected,
    ModelError,
    ModelGarbled,
    ModelNotConfigured,
    ModelNotFound,
    ModelRateLimited,
    ModelRequestRejected,
    ModelServerFailed,
    ModelStalled,
    ModelTimedOut,
    ModelUnreachable,
)
from .messages import DeltaKind, Sampling, Usage


class Piece(NamedTuple):
    """A few characters of the reply, or of the reasoning before it."""

    kind: DeltaKind
    text: str


class ChatModel(Protocol):
    """Anything that answers. `stream` yields pieces as they come and, if the provider counts tokens, the
    usage; it raises ModelError for every failure and frees the connection when it is closed."""

    def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[Piece | Usage, None]: ...

    async def aclose(self) -> None: ...


class NoModel:
    """Stands where no model is set up: every question fails with ModelNotConfigured."""

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[Piece | Usage, None]:
        raise ModelNotConfigured()
        yield  # makes this a generator

    async def aclose(self) -> None:
        pass


class OpenAIChatModel:
    """A ChatModel over an OpenAI-compatible server.

    Failures before the first byte of a reply are retried by the client itself, up to `max_retries`
    times, unless the server asks to wait longer than a person would; nothing is retried after it.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str | None = None,
        first_token_seconds: float = 120,
        stall_seconds: float = 60,
        max_retries: int = 2,
    ) -> None:
        self._secret = api_key
        self._first_token_seconds = first_token_seconds
        self._stall_seconds = stall_seconds
        # OpenAI's reasoning models refuse max_tokens, the only name for it that many other servers know.
        self._is_openai = not base_url
        self._client = openai.AsyncOpenAI(
            api_key=api_key or "none",  # local servers ask for none, the client insists on one
            base_url=base_url or None,
            max_retries=max_retries,
            timeout=openai.Timeout(None, connect=10),  # the reading is timed here, see _read
            http_client=openai.DefaultAsyncHttpxClient(
                event_hooks={"response": [_no_long_wait]}, mounts=_NO_PROXY
            ),
        )

    async def aclose(self) -> None:
        await self._client.close()

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[Piece | Usage, None]:
        """The reply to `messages`. Raises a ModelError; closing the generator closes the connection."""
        parser = _StreamParser()
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._first_token_seconds
        try:
            async with self._open(messages, model, sampling, deadline) as chunks:
                while (chunk := await _read(chunks, deadline)) is not None:
                    for item in parser.feed(chunk):
                        yield item
                        deadline = clock() + self._stall_seconds
                    if parser.finished:
                        deadline = min(deadline, clock() + _FAREWELL_SECONDS)
                for item in parser.close():
                    yield item
        except _StreamError as error:
            raise self._typed(error.status, error.body) from None
        except openai.APIStatusError as error:
            raise self._typed(error.status_code, error.body, error.response.headers) from None
        except openai.APIConnectionError as error:
            raise ModelUnreachable() from error
        except (openai.OpenAIError, httpx2.DecodingError) as error:
            raise ModelGarbled() from error
        except TimeoutError:
            if not parser.finished:
                raise (ModelStalled() if parser.started else ModelTimedOut()) from None
        except (httpx2.RequestError, ssl.SSLError) as error:  # reading lets some TLS failures through raw
            if not parser.finished:
                raise ModelDisconnected() from error

    @asynccontextmanager
    async def _open(
        self, messages: Sequence[PromptMessage], model: str, sampling: Sampling, deadline: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        length = sampling.max_tokens or openai.omit
        # The lines are parsed here, not by the SDK, which builds some twenty objects for every token.
        request = self._client.chat.completions.with_streaming_response.create(
            model=model,
            messages=cast(list[ChatCompletionMessageParam], messages),
            stream=True,
            stream_options={"include_usage": True},
            temperature=openai.omit if sampling.temperature is None else sampling.temperature,
            max_tokens=openai.omit if self._is_openai else length,
            max_completion_tokens=length if self._is_openai else openai.omit,
        )
        async with asyncio.timeout_at(deadline):
            response = await request.__aenter__()
        try:
            yield response.iter_bytes()
        finally:
            await request.__aexit__(None, None, None)

    def _typed(
        self, status: int | None, body: object, headers: Mapping[str, str] | None = None
    ) -> ModelError:
        code, reason = _code_and_reason(body)
        reason = _without_secrets(reason, self._secret)
        if _CONTEXT_TOO_LONG.search(f"{code} {reason}"):
            return ContextTooLong(reason)
        return _error_class(status)(reason, retry_after=_retry_after(headers or {}))


def _error_class(status: int | None) -> type[ModelError]:
    by_status: dict[int, type[ModelError]] = {
        401: ModelAuthFailed,
        403: ModelAuthFailed,
        404: ModelNotFound,
        408: ModelTimedOut,
        429: ModelRateLimited,
        504: ModelTimedOut,
    }
    if status in by_status:
        return by_status[status]
    if status is not None and 400 <= status < 500:
        return ModelRequestRejected
    return ModelServerFailed


class _StreamError(Exception):
    """An error object where a piece of the reply was expected."""

    def __init__(self, body: object) -> None:
        code = body.get("code", body.get("status")) if isinstance(body, dict) else None
        self.body = body
        self.status = int(str(code)) if re.fullmatch("[45][0-9][0-9]", str(code)) else None


class _StreamParser:
    """Server-sent events to pieces, as the "Server-sent events" section of the HTML standard frames
    them and OpenAI's "Streaming" API reference fills them. Feed it bytes in any cut.

    `started`: a piece of the reply came. `finished`: its last one did; only the usage is still to come.
    """

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self._rest = b""
        self._framed = False

    def feed(self, chunk: bytes) -> Iterator[Piece | Usage]:
        """What came with `chunk`. Lazily, so that what stands before a bad line is not lost with it."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield from self._line(line)

    def close(self) -> Iterator[Piece | Usage]:
        """The connection has ended: what stood in its last line. Raises unless the reply had ended."""
        with suppress(ModelGarbled):  # the line may be cut anywhere
            yield from self.feed(b"\n")
        if self.finished:
            return
        if self._framed:
            raise ModelDisconnected()
        raise ModelGarbled("The answer is not an event stream.")

    def _line(self, line: bytes) -> list[Piece | Usage]:
        if not line.startswith(b"data:"):
            return []  # blank lines, comments that keep the connection alive, event names
        self._framed = True
        data = line[5:].strip()
        if data == b"[DONE]":
            self.finished = True
            return []
        try:
            event = from_json(data)
        except ValueError:
            raise ModelGarbled("A line of the stream is not JSON.") from None
        if not isinstance(event, dict):
            raise ModelGarbled("A line of the stream is not an object.")
        if event.get("error"):
            raise _StreamError(event["error"])
        try:
            return self._event(event)
        except (AttributeError, TypeError, ValueError):
            raise ModelGarbled("A piece of the stream is not a chat completion chunk.") from None

    def _event(self, event: dict[str, Any]) -> list[Piece | Usage]:
        items: list[Piece | Usage] = []
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            reasoning = delta.get("reasoning_content") or delta.get("reasoning")
            if reasoning and isinstance(reasoning, str):
                items.append(Piece("reasoning", reasoning))
            if (text := delta.get("content")) and isinstance(text, str):
                items.append(Piece("text", text))
            self.finished = self.finished or bool(choice.get("finish_reason"))
        self.started = self.started or bool(items)
        if usage := event.get("usage"):
            items.append(Usage.model_validate({k: v for k, v in usage.items() if v is not None}))
        return items


async def _read(chunks: AsyncIterator[bytes], deadline: float) -> bytes | None:
    async with asyncio.timeout_at(deadline):
        return await anext(chunks, None)


# How long, after the last piece, the usage and the end of the response are waited for. A response read to
# its end leaves a connection that the next turn can use; one that is broken off does not.
_FAREWELL_SECONDS = 1.0

# A server on this machine is never behind a proxy, whatever HTTP_PROXY says and NO_PROXY forgets.
_NO_PROXY = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}

# A server that wants a pause longer than this is answered with an error that tells the person how long.
_LONGEST_WAIT_SECONDS = 3.0


async def _no_long_wait(response: httpx2.Response) -> None:
    wait = _retry_after(response.headers)
    if wait is not None and wait > _LONGEST_WAIT_SECONDS:
        response.headers["x-should-retry"] = "false"  # the header by which the client lets itself be told


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` in either of its forms (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


_CONTEXT_TOO_LONG = re.compile(
    r"(?i)context_length_exceeded|exceed_context_size|maximum context|context (length|window|size)"
    r"|prompt is too long"
)
_SECRETS = re.compile(r"(?i)\b(sk|hf|gsk|xai|key)[-_][\w*.-]{6,}|bearer\s+\S+|://[^/\s@]+@")
_REASON_CHARS = 500


def _code_and_reason(body: object) -> tuple[str, str]:
    if isinstance(body, list) and body:  # so does Gemini wrap its errors
        body = body[0]
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            code = f"{inner.get('code') or ''} {inner.get('type') or ''}".strip()
            return code, str(inner.get("message") or inner.get("detail") or "")
        return "", str(inner)
    text = str(body or "").lstrip()
    return "", "" if text.startswith("<") else text  # a proxy's HTML page is no reason


def _without_secrets(reason: str, secret: str) -> str:
    if secret:
        reason = reason.replace(secret, "***")
    return _SECRETS.sub("***", " ".join(reason.split()))[:_REASON_CHARS]
