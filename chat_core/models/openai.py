"""OpenAIChatModel: a model over an OpenAI-compatible server. The only importer of openai."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from ..context import PromptMessage
from ..errors import ModelDisconnected, ModelGarbled, ModelStalled, ModelTimedOut, ModelUnreachable
from ..messages import Sampling, Usage
from .base import Piece
from .failures import model_error, retry_after
from .sse import StreamError, StreamParser

# How long, after the last piece, the usage and the end of the response are waited for. A response read to
# its end leaves a connection that the next turn can use; one that is broken off does not.
_FAREWELL_SECONDS = 1.0

# A server on this machine is never behind a proxy, whatever HTTP_PROXY says and NO_PROXY forgets.
_NO_PROXY = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}

# A server that wants a pause longer than this is answered with an error that tells the person how long.
_LONGEST_WAIT_SECONDS = 3.0


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
        parser = StreamParser()
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
        except StreamError as error:
            raise model_error(error.status, error.body, secret=self._secret) from None
        except openai.APIStatusError as error:
            raise model_error(
                error.status_code, error.body, error.response.headers, secret=self._secret
            ) from None
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


async def _read(chunks: AsyncIterator[bytes], deadline: float) -> bytes | None:
    async with asyncio.timeout_at(deadline):
        return await anext(chunks, None)


async def _no_long_wait(response: httpx2.Response) -> None:
    wait = retry_after(response.headers)
    if wait is not None and wait > _LONGEST_WAIT_SECONDS:
        response.headers["x-should-retry"] = "false"  # the header by which the client lets itself be told
