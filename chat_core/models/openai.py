"""OpenAIChatModel: a model over an OpenAI-compatible server."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import httpx2
import openai

from ..context import PromptMessage
from ..errors import ModelDisconnected, ModelGarbled, ModelStalled, ModelTimedOut, ModelUnreachable
from ..messages import Sampling
from .base import StreamItem
from .deadline import Deadline
from .failures import model_error
from .sse import StreamError, StreamParser
from .transport import SLICE_BYTES, HttpClient, give_up_at

_CONNECT_SECONDS = 10.0

# How long, after the last piece, the usage and the end of the response are waited for. A response read to
# its end leaves a connection that the next turn can use; one that is broken off does not.
_FAREWELL_SECONDS = 1.0


class OpenAIChatModel:
    """A ChatModel over an OpenAI-compatible server.

    Failures before the first byte of a reply are retried by the client itself, up to `max_retries`
    times, unless the server asks to wait longer than a person would, or than the first token is waited for;
    nothing is retried after it.

    Making one takes up to a second, for modules and certificates are loaded: do it in a thread.
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
            # The reading is timed here, by a Deadline. Of the connecting, "pool" times the whole, "connect"
            # the part that follows the look-up of the name.
            timeout=openai.Timeout(None, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS),
            # A few bytes at a time do not compress.
            default_headers={"Accept-Encoding": "identity"},
            http_client=HttpClient(),
        )
        # The SDK imports what belongs to a resource when it is taken for the first time: not within a reply.
        self._completions = self._client.chat.completions.with_streaming_response

    async def aclose(self) -> None:
        await self._client.close()

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        """The reply to `messages`. Raises a ModelError; closing the generator closes the connection."""
        parser = StreamParser()
        clock = asyncio.get_running_loop().time
        deadline = Deadline(clock() + self._first_token_seconds)
        try:
            async with self._open(messages, model, sampling, deadline) as chunks:
                while True:
                    with deadline:
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    for item in parser.feed(chunk):
                        yield item
                        deadline.at = clock() + self._stall_seconds
                    if parser.finished:
                        deadline.at = min(deadline.at, clock() + _FAREWELL_SECONDS)
                    if len(chunk) >= SLICE_BYTES:
                        await asyncio.sleep(0)  # the next one is there already: others have their turn first
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
        finally:
            deadline.close()

    @asynccontextmanager
    async def _open(
        self, messages: Sequence[PromptMessage], model: str, sampling: Sampling, deadline: Deadline
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        length = sampling.max_tokens or openai.omit
        # The lines are parsed here, not by the SDK, which builds some twenty objects for every token.
        request = self._completions.create(
            model=model,
            messages=[],
            # Past the SDK's walk through every part of every message, a fifth of what a short turn costs.
            extra_body={"messages": messages},
            stream=True,
            stream_options={"include_usage": True},
            temperature=openai.omit if sampling.temperature is None else sampling.temperature,
            max_tokens=openai.omit if self._is_openai else length,
            max_completion_tokens=length if self._is_openai else openai.omit,
        )
        give_up_at.set(deadline.at)
        with deadline:
            response = await request.__aenter__()
        try:
            async with aclosing(response.http_response.aiter_raw()) as chunks:
                yield chunks
        finally:
            await request.__aexit__(None, None, None)
