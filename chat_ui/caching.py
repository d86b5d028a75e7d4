"""Caching: what Gradio makes and sends anew for every visit, made once, compressed once, and sent again only
when it has changed.

For each visit Gradio 6.31 copies the page's whole description, walks through it for addresses, renders it
and writes code samples of all endpoints (`routes.py`: `main`, `get_page_config`, `prepare_api_info`). It
sends the page uncompressed, for `BrotliMiddleware` only looks at paths with a dot in them. Scripts and styles
it compresses for each visitor, and of none it says how long it stays the same.
"""

import gzip
import hashlib
import re
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qsl

import brotli
from gradio.route_utils import get_request_origin
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What is the same for all who ask at one address, as long as nobody logs in.
_PAGES = {"/", "/config", "/gradio_api/info", "/theme.css"}
# What only the page's own scripts read of a query. With anything else in it, Gradio answers by itself.
_READ_BY_SCRIPTS = {"c", "v", "copy", "view", "__theme"}
# Anybody can make up addresses under which the app is reached, and each has a third of a megabyte.
_MOST_PAGES = 40

# Their names change with their content.
_SCRIPTS = re.compile(r"/(assets|static-\w+)/[\w.-]+\.(js|css)")
# Players and recorders: a third of what a first visit would load. Nothing here has sound or video.
_PLAYERS = re.compile(r"/assets/(hls|MinimalAudioPlayer|record\.esm|Video)-[\w-]+\.js")
# Their names tell another content, so they are asked for now and then: after the page has them, or it would
# wait for them on a network that has stalled.
_FOR_A_DAY = "private, max-age=86400, stale-while-revalidate=31536000"

# What would make the answer another one than the whole body as it is.
_CONDITIONS = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"if-range", b"range")

# The smallest first. To compress further takes several times as long to save a hundredth.
_ENCODERS = {"br": partial(brotli.compress, quality=6), "gzip": partial(gzip.compress, compresslevel=6)}


class Answer:
    """A response that can be had compressed, and that is not sent to those who have it."""

    def __init__(self, content_type: str, cache_control: str, body: bytes) -> None:
        self._bodies = {"": body}
        self._tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
        self._headers = {
            "content-type": content_type,
            "cache-control": cache_control,
            "etag": f"W/{self._tag}",
            "vary": "accept-encoding",
        }

    async def send(self, asked: Headers, send: Send) -> None:
        """Answers a request with these headers."""
        headers, status, body = dict(self._headers), 304, b""
        if self._tag not in asked.get("if-none-match", ""):
            status, encoding = 200, _encoding(asked.get("accept-encoding", ""))
            body = self._in(encoding)
            if encoding:
                headers["content-encoding"] = encoding
            headers["content-length"] = str(len(body))
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _in(self, encoding: str) -> bytes:
        if encoding not in self._bodies:
            self._bodies[encoding] = _ENCODERS[encoding](self._bodies[""])
        return self._bodies[encoding]


class Caching:
    """ASGI middleware that keeps the page and what it loads. With `logins` a page is made for each visit, as
    it tells who logged in; it is compressed all the same, and not sent to a browser that has it."""

    def __init__(self, app: ASGIApp, *, logins: bool = False) -> None:
        self._app = app
        self._logins = logins
        self._scripts: dict[tuple[str, ...], Answer] = {}  # there are no more than there are files
        self._pages: dict[tuple[str, ...], Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _what_tells_answers_apart(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        is_page = scope["path"] in _PAGES
        kept = self._pages if is_page else self._scripts
        answer = kept.get(key)
        if answer is None:
            answer = await self._ask(scope, receive, send)
            if answer and not (self._logins and is_page):
                if is_page and len(kept) >= _MOST_PAGES:
                    kept.clear()
                kept[key] = answer
        if answer:
            await answer.send(Headers(scope=scope), send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """What the app answers; None if that is not to be kept, and was sent as it is."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        headers = [(name, value) for name, value in scope["headers"] if name not in _CONDITIONS]
        await self._app({**scope, "headers": headers}, receive, collect)
        start, *rest = messages
        if start["status"] != HTTPStatus.OK:
            for message in messages:
                await send(message)
            return None
        body = b"".join(message.get("body", b"") for message in rest)
        lifetime = "private, no-cache" if scope["path"] in _PAGES else "public, max-age=31536000, immutable"
        if _PLAYERS.fullmatch(scope["path"]):
            body, lifetime = _nothing_instead_of(body), _FOR_A_DAY
        return Answer(Headers(raw=start["headers"])["content-type"], lifetime, body)


def _what_tells_answers_apart(scope: Scope) -> tuple[str, ...] | None:
    """All of a request that shows in its answer; None if that is more than can be said here."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path = scope["path"]
    if _SCRIPTS.fullmatch(path):
        return (path,)
    if path in _PAGES and not is_left_to_gradio(scope):
        return (path, str(get_request_origin(Request(scope), path)), scope.get("root_path", ""))
    return None


def is_left_to_gradio(scope: Scope) -> bool:
    """Whether a request asks for a page in a way of its own, so that it is made anew."""
    if scope["path"] not in _PAGES:
        return False
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return not {name for name, _ in query} <= _READ_BY_SCRIPTS


def _encoding(accepted: str) -> str:
    """The best of the encodings that a browser accepts; empty for none."""
    names = {part.partition(";")[0].strip() for part in accepted.split(",")}
    return next((name for name in _ENCODERS if name in names), "")


def _nothing_instead_of(script: bytes) -> bytes:
    """A script that exports the same names."""
    exported = re.findall(rb"\bas (\w+)", script[script.rindex(b"export{") :])
    return b"const nothing=undefined;export{%s};" % b",".join(b"nothing as " + name for name in exported)
