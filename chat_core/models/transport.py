"""HttpClient: the HTTP client beneath the SDK, and what is done to responses before the SDK reads them."""

import asyncio
import math
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import httpx2
import openai

from ..errors import ModelPictureUnusable
from .failures import retry_after

# A server on this machine is never behind a proxy, whatever HTTP_PROXY says and NO_PROXY forgets.
_NO_PROXY = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}

# A server that wants a pause longer than this is answered with an error that tells the person how long.
_LONGEST_WAIT_SECONDS = 3.0

# How long the SDK waits at most before it tries again where the server does not say.
_BACKOFF_SECONDS = 1.0

# The loop's time at which this task gives its request up. The SDK does not know: it would sleep until then,
# and the server's own word be lost.
give_up_at: ContextVar[float] = ContextVar("give_up_at", default=math.inf)

# How much is read of a body that is no reply: who says more has no reason to give.
_REASON_BYTES = 2**16

# How much one read of a compressed body may unpack to.
_UNPACKED_BYTES = 2**21

# What is read in one go; so does the SDK slice a body that is not compressed.
SLICE_BYTES = 2**14


class HttpClient(openai.DefaultAioHttpClient):
    """The SDK's own client over aiohttp: a token read by it takes a fraction of the time it takes httpx.

    It adds what the SDK's lacks: SOCKS proxies, an error of httpx2 for each failure, connections that are
    closed at once, and bounds to what a body unpacks to. It is for the SDK alone.
    """

    def __init__(self, **options: Any) -> None:
        hooks = {"response": [_no_long_wait, _bounded]}
        super().__init__(event_hooks=hooks, mounts=_NO_PROXY, **options)

    def build_request(self, method: str, url: Any, *, timeout: Any = None, **options: Any) -> httpx2.Request:
        # What the SDK sends is whole; it would be merged, header by header, with what httpx2 has by itself.
        extensions = {"timeout": httpx2.Timeout(timeout).as_dict()}
        return httpx2.Request(method, url, cookies=self.cookies, extensions=extensions, **options)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return await super().send(request, **options)
        except (httpx2.RequestError, openai.OpenAIError):
            raise
        except Exception as error:  # aiohttp's, socksio's, of the look-up of a name, ...
            raise httpx2.TransportError(str(error)) from error

    def _init_transport(self, *args: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return _with_own_session(super()._init_transport(*args, **options))

    def _init_proxy_transport(
        self, proxy: httpx2.Proxy, *args: Any, **options: Any
    ) -> httpx2.AsyncBaseTransport:
        if proxy.url.scheme.startswith("socks"):
            return httpx2.AsyncClient._init_proxy_transport(self, proxy, *args, **options)
        return _with_own_session(super()._init_proxy_transport(proxy, *args, **options))


def _with_own_session(transport: Any) -> httpx2.AsyncBaseTransport:
    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=transport.ssl_context,
                limit=transport.limits.max_connections,
                keepalive_timeout=transport.limits.keepalive_expiry,
            ),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),  # they are httpx2's business
            max_field_size=2**16,  # a policy that a portal's page comes with may be long
        )

    transport.client = session  # called within the loop, at the first request
    return cast(httpx2.AsyncBaseTransport, transport)


# How long a picture may take to come from where a provider has put it.
_FETCH_SECONDS = 60.0


async def fetch_file(address: str, *, max_bytes: int, trusted_host: str = "") -> bytes:
    """The file at an http(s) address that a server has named. It must lie at a public address, unless that is
    the `trusted_host` (with its port) itself; redirects are not followed. Raises ModelPictureUnusable."""
    is_trusted = urlsplit(address).netloc == trusted_host
    connector = aiohttp.TCPConnector(socket_factory=None if is_trusted else _public_socket)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(_FETCH_SECONDS),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            ) as session,
            session.get(address, allow_redirects=False) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise ModelPictureUnusable(f"Its address answers with {response.status}.")
            data = bytearray()
            async for part in response.content.iter_chunked(SLICE_BYTES):
                data += part
                if len(data) > max_bytes:
                    raise ModelPictureUnusable(f"It has more than {max_bytes // 1024**2} MB.")
            return bytes(data)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ModelPictureUnusable("It cannot be fetched from its address.") from error


def _public_socket(info: tuple[Any, ...]) -> socket.socket:
    """To the address in `info`, as it was looked up. Raises OSError where a provider has no business: on this
    machine and in its network."""
    family, kind, protocol, _, (host, *_) = info
    address = ip_address(host)
    address = getattr(address, "ipv4_mapped", None) or address
    if not address.is_global or address.is_multicast:
        raise OSError(f"{address} is not a public address")
    return socket.socket(family, kind, protocol)


class _Response(aiohttp.ClientResponse):
    """One that is given up before its end breaks the connection off. To close a TLS connection in good order
    uvloop waits, up to half a minute, until a server that goes on sending has read of it."""

    def release(self) -> Any:
        self._break_off()
        return super().release()

    def close(self) -> None:
        self._break_off()
        super().close()

    def _break_off(self) -> None:
        # At the end of a response its connection has been handed back already.
        if self.connection and self.connection.transport:
            self.connection.transport.abort()


async def _no_long_wait(response: httpx2.Response) -> None:
    wait = retry_after(response.headers)
    wait = _BACKOFF_SECONDS if wait is None else wait
    left = give_up_at.get() - asyncio.get_running_loop().time()
    if wait > min(left, _LONGEST_WAIT_SECONDS):
        response.headers["x-should-retry"] = "false"  # the header by which the client lets itself be told


async def _bounded(response: httpx2.Response) -> None:
    """A compressed body, which nobody asked for, is unpacked here, and of an error only the beginning is
    read; the SDK would read it all at once."""
    if response.is_success and "content-encoding" not in response.headers:
        return
    packed = httpx2.Response(response.status_code, headers=response.headers, stream=response.stream)
    parts = _unpacked(packed)
    response.stream = _Body(packed, parts if response.is_success else _beginning(parts))
    response.headers.pop("content-encoding", None)


class _Body(httpx2.AsyncByteStream):
    """The `parts` of what was `packed`."""

    def __init__(self, packed: httpx2.Response, parts: AsyncGenerator[bytes, None]) -> None:
        self._packed = packed
        self._parts = parts

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        return self._parts

    async def aclose(self) -> None:
        await self._packed.aclose()


async def _unpacked(packed: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """In slices. Raises DecodingError if one read unpacks to too much."""
    received = unpacked = 0
    async with aclosing(packed.aiter_bytes()) as parts:  # which come in slices too, of a megabyte
        async for part in parts:
            if received != packed.num_bytes_downloaded:
                received, unpacked = packed.num_bytes_downloaded, 0
            unpacked += len(part)
            if unpacked > _UNPACKED_BYTES:
                raise httpx2.DecodingError("A compressed body unpacks to too much.")
            for start in range(0, len(part), SLICE_BYTES):
                yield part[start : start + SLICE_BYTES]


async def _beginning(parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    left = _REASON_BYTES
    async with aclosing(parts):
        async for part in parts:
            yield part[:left]
            left -= len(part)
            if left <= 0:
                return
