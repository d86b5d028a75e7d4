"""OpenAIChatModel: a model over an OpenAI-compatible server."""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
from openai._constants import RAW_RESPONSE_HEADER

from ..context import PromptMessage
from ..errors import (
    ModelAddressWrong,
    ModelDisconnected,
    ModelError,
    ModelGarbled,
    ModelNotFound,
    ModelStalled,
    ModelTimedOut,
    ModelUnreachable,
)
from ..images import MAX_MEGABYTES
from ..messages import Sampling, Usage
from ..pictures import PictureOrder
from ..providers import Provider, known_providers
from ..slices import next_slice
from .base import DrawnPicture, Finish, StreamItem
from .deadline import Deadline
from .failures import model_error
from .pictures import FoundPicture, PictureParser, picture_request
from .request import ModelRequest
from .sse import StreamError, StreamParser
from .transport import SLICE_BYTES, HttpClient, fetch_file, give_up_at

_CONNECT_SECONDS = 10.0

# What the path of an OpenAI-compatible server's address has in it.
_VERSION = re.compile(r"/(v\d|deployments/)")

_LIST_SECONDS = 3.0

# How long, after the last piece, the usage and the end of the response are waited for. A response read to
# its end leaves a connection that the next turn can use; one that is broken off does not.
_FAREWELL_SECONDS = 1.0

# In characters, about twice what any model is able to say: one that has gone mad does not end by itself.
_LONGEST_REPLY = 2**20

# What can go wrong while a server is asked and read; reading lets some failures of TLS through raw.
_FAILURES = (
    ModelGarbled,
    StreamError,
    openai.OpenAIError,
    httpx2.RequestError,
    ssl.SSLError,
    TimeoutError,
)

# What is read at once of a reply that comes as a person reads has less.
_MUCH_BYTES = 2**11

# The SDK's mark of a response that is handed over before its body is read (`with_streaming_response`).
_UNREAD: Any = {"headers": {RAW_RESPONSE_HEADER: "stream"}}


class OpenAIChatModel:
    """A ChatModel over an OpenAI-compatible server.

    Failures before the first byte of a reply are retried by the client itself, up to `max_retries`
    times, unless the server asks to wait longer than a person would, or than the first token is waited for;
    nothing is retried after it. What a model refuses to be sent it is asked without, once more.
    Without a `base_url` it is the provider's, and without a `provider` OpenAI.

    Making one takes up to a second, for modules and certificates are loaded: do it in a thread.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str | None = None,
        provider: Provider | None = None,
        first_token_seconds: float = 120,
        stall_seconds: float = 60,
        picture_seconds: float = 300,
        max_retries: int = 2,
        http_client: HttpClient | None = None,
    ) -> None:
        self._secret = api_key
        self._first_token_seconds = first_token_seconds
        self._stall_seconds = stall_seconds
        self._picture_seconds = picture_seconds
        self._provider = provider or (Provider() if base_url else known_providers()["openai"])
        self._base_url = base_url or self._provider.base_url
        self._requests: dict[str, ModelRequest] = {}
        self._client = openai.AsyncOpenAI(
            api_key=api_key or "none",  # local servers ask for none, the client insists on one
            base_url=self._base_url,
            max_retries=max_retries,
            # The reading is timed here, by a Deadline. Of the connecting, "pool" times the whole, "connect"
            # the part that follows the look-up of the name.
            timeout=openai.Timeout(None, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS),
            default_headers={
                "Accept-Encoding": "identity",  # a few bytes at a time do not compress
                **{name: value.replace("{key}", api_key) for name, value in self._provider.headers.items()},
            },
            default_query=dict(self._provider.query),
            http_client=http_client or HttpClient(),
        )

    async def aclose(self) -> None:
        await self._client.close()

    async def list_models(self) -> tuple[str, ...]:
        """The names of the models that the server says it has, within a few seconds. Raises ModelError."""
        client = self._client.with_options(max_retries=0, timeout=_LIST_SECONDS)
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                return tuple([model.id async for model in client.models.list()])
        except (openai.OpenAIError, httpx2.HTTPError, TimeoutError, AttributeError, ValueError) as error:
            raise ModelUnreachable() from error

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        """The reply to `messages`. Raises a ModelError; closing the generator closes the connection."""
        request = self._requests.get(model)
        if request is None:
            request = self._requests[model] = ModelRequest(self._provider, model)
        parser = StreamParser(request.price)
        clock = asyncio.get_running_loop().time
        deadline = Deadline(clock() + self._first_token_seconds)
        try:
            with self._typed_failures(parser):
                async with self._open(request, messages, sampling, deadline) as chunks:
                    while True:
                        with deadline:
                            chunk = await anext(chunks, None)
                        if chunk is None:
                            break
                        if len(chunk) >= _MUCH_BYTES:
                            await next_slice()
                        for item in parser.feed(chunk):
                            yield item
                            if not parser.finished:
                                deadline.at = clock() + self._stall_seconds
                        if parser.characters > _LONGEST_REPLY:
                            yield Finish("length")
                            return
                        if parser.finished:
                            deadline.at = min(deadline.at, clock() + _FAREWELL_SECONDS)
                        deadline.check()
                        if len(chunk) >= SLICE_BYTES:
                            await asyncio.sleep(0)  # the next one is there already: others have their turn
                    for item in parser.close():
                        yield item
        finally:
            deadline.close()

    async def draw(
        self, order: PictureOrder, pictures: Sequence[bytes], *, model: str
    ) -> AsyncGenerator[DrawnPicture | Usage, None]:
        """The picture that is ordered, made of the `pictures` if there are any; before it those that show how
        far it is, where the model sends some. It is asked for once, for each request costs something. Raises
        a ModelError; closing the generator closes the connection."""
        path, body, files = picture_request(self._provider, model, order, pictures)
        form = {"Content-Type": "multipart/form-data"} if files else {}
        options: Any = {"headers": {**_UNREAD["headers"], **form}, "max_retries": 0}
        parser = PictureParser(self._provider.capabilities(model).price)
        deadline = Deadline(asyncio.get_running_loop().time() + self._picture_seconds)
        try:
            with self._typed_failures(parser):
                with deadline:
                    response: Any = await self._client.post(
                        self._address(model, path),
                        cast_to=object,
                        body=body,
                        files=files or None,
                        options=options,
                    )
                async with _body_of(response) as chunks:
                    while True:
                        with deadline:
                            chunk = await anext(chunks, None)
                        for item in parser.close() if chunk is None else parser.feed(chunk):
                            yield item if isinstance(item, Usage) else await self._fetched(item)
                        if chunk is None:
                            break
                        deadline.check()
        finally:
            deadline.close()

    async def _fetched(self, found: FoundPicture) -> DrawnPicture:
        data = found.data or await fetch_file(
            found.address, max_bytes=MAX_MEGABYTES * 1024**2, trusted_host=urlsplit(self._base_url).netloc
        )
        return DrawnPicture(data, found.is_partial)

    def _address(self, model: str, path: str) -> str:
        return self._base_url.replace("{model}", model).rstrip("/") + path

    @contextmanager
    def _typed_failures(self, parser: StreamParser | PictureParser) -> Iterator[None]:
        """What goes wrong becomes a ModelError; nothing does where the parser has all there is to come."""
        try:
            yield
        except _FAILURES as failure:
            if not parser.finished:
                error = self._model_error(failure, parser.started)
                raise error from (None if error is failure else failure)

    def _model_error(self, failure: Exception, started: bool) -> ModelError:
        match failure:
            case ModelGarbled():
                return failure if started else self._told(failure)
            case StreamError():
                return self._told(model_error(failure.status, failure.body, secret=self._secret))
            case openai.APIStatusError():
                headers = failure.response.headers
                return self._told(
                    model_error(failure.status_code, failure.body, headers, secret=self._secret)
                )
            case openai.APIConnectionError():
                return ModelUnreachable()
            case openai.OpenAIError() | httpx2.DecodingError():
                return ModelGarbled()
            case TimeoutError():
                return ModelStalled() if started else ModelTimedOut()
            case _:
                return ModelDisconnected()

    @asynccontextmanager
    async def _open(
        self,
        request: ModelRequest,
        messages: Sequence[PromptMessage],
        sampling: Sampling,
        deadline: Deadline,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        give_up_at.set(deadline.at)
        with deadline:
            while True:
                try:
                    response = await self._send(request.model, request.body(messages, sampling))
                    break
                except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                    if not request.concede(str(error.body)):
                        raise
        async with _body_of(response) as chunks:
            yield chunks

    async def _send(self, model: str, body: dict[str, Any]) -> Any:
        # The lines are parsed here, not by the SDK, which builds some twenty objects for every token. Its
        # method for chats would look through every part of every message first.
        address = self._address(model, "/chat/completions")
        response: Any = await self._client.post(address, cast_to=object, body=body, options=_UNREAD)
        return response

    def _told(self, error: ModelError) -> ModelError:
        """The address is what is named where it is likelier to be wrong than the model."""
        path, reason = urlsplit(self._base_url).path, error.reason.lower()
        nothing_there = isinstance(error, ModelNotFound | ModelGarbled) or "endpoint" in reason
        if nothing_there and "model" not in reason and not _VERSION.search(path):
            return ModelAddressWrong(error.reason)
        return error


@asynccontextmanager
async def _body_of(response: Any) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of an unread response of the SDK's as they come; it is closed behind them."""
    try:
        async with aclosing(response.http_response.aiter_raw()) as chunks:
            yield chunks
    finally:
        await response.close()
