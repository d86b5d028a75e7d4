"""SharedPages: what whoever has a link to a conversation gets to read."""

import asyncio
import math

from starlette.datastructures import QueryParams
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_core import ChatError, ChatService

from .address import address_of
from .refusals import reader_language, status_of
from .shared_page import sentence_page, shared_page
from .texts import error_text

_HEADERS = {
    "cache-control": "no-store",  # a link can be ended
    "x-robots-tag": "noindex",
    # Besides what holds for all pages: this one is text and small pictures.
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'",
}


class SharedPages:
    """ASGI middleware that answers `/?s=TOKEN`. `static` is the address of the static files."""

    def __init__(self, app: ASGIApp, *, service: ChatService, static: str) -> None:
        self._app = app
        self._service = service
        self._static = static
        # One after the other: to make a long one takes a processor for a second.
        self._rendering = asyncio.Semaphore(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = _token(scope)
        if token is None:
            await self._app(scope, receive, send)
            return
        await GZipMiddleware(await self._answer(Request(scope), token))(scope, receive, send)

    async def _answer(self, request: Request, token: str) -> Response:
        language = reader_language(request.headers)
        try:
            shared = await self._service.shared(token, address=address_of(request.client))
        except ChatError as error:
            told = sentence_page(error_text(language, error), language, static=self._static)
            headers = dict(_HEADERS)
            if wait := error.facts.get("retry_after"):
                headers["retry-after"] = str(math.ceil(float(wait)))
            return HTMLResponse(told, status_of(error), headers)
        async with self._rendering:
            html = await asyncio.to_thread(shared_page, shared, language, static=self._static, token=token)
        return HTMLResponse(html, headers=_HEADERS)


def _token(scope: Scope) -> str | None:
    """Of the link that the request is for; None for any other request."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return None
    if scope["path"].removeprefix(scope.get("root_path", "")) != "/":
        return None
    return QueryParams(scope["query_string"]).get("s")
