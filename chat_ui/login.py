"""The login: its page, its cookie, and the door that is shut to everybody else."""

import logging
import math
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_core import ChatError
from chat_core.errors import LoginFailed, StoreUnavailable, TooManyLoginTries
from chat_core.service import LOGIN_SECONDS, Logins

from .address import remote_address
from .login_page import login_page
from .refusals import reader_language
from .texts import error_text, t

log = logging.getLogger(__name__)

COOKIE = "role-chat-login"
_SHOWN = "role-chat-logged-in"

# The page and the clients send a name and a password, and nothing else.
_MOST_BYTES = 8_000
_STATUS = {
    LoginFailed: HTTPStatus.UNAUTHORIZED,
    TooManyLoginTries: HTTPStatus.TOO_MANY_REQUESTS,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_STORE_SECONDS = 5.0
_NAME_CHARACTERS_LOGGED = 2


def logged_in_user(request: Request) -> str | None:
    """Who asks, as LoginRequired has found out; for Gradio's `auth_dependency`."""
    return getattr(request.state, "user", None)


class Login:
    """The routes "/login" and "/logout". `static` is the address of the static files, relative to the page.
    With `in_frames` the login holds in pages of other sites that show this one in a frame. Where there is a
    `provider` to sign in with, that is its name; there are no passwords then."""

    def __init__(self, logins: Logins, static: str, *, in_frames: bool, provider: str = "") -> None:
        self._logins = logins
        self._static = static
        self._in_frames = in_frames
        self._provider = provider

    def add_to(self, app: FastAPI) -> None:
        app.add_api_route("/login", self.show, methods=["GET"])
        if not self._provider:
            app.add_api_route("/login", self.log_in, methods=["POST"])
        app.add_api_route("/logout", self.log_out, methods=["POST"])

    async def user(self, request: Request) -> str:
        """Who has logged in, "" if nobody has. Raises StoreUnavailable."""
        token = request.cookies.get(COOKIE)
        return await self._logins.user(token) if token else ""

    async def show(self, request: Request) -> Response:
        failed = request.query_params.get("sign_in") == "failed"
        told = t(reader_language(request.headers), "sign_in_failed") if failed else ""
        return self._page(request, told=told)

    async def let_in(self, request: Request, answer: Response, subject: str) -> Response:
        """The answer, with the login of whom the provider has named. Raises ChatError."""
        return self._with_cookie(request, answer, await self._logins.sign_in(subject))

    async def log_in(self, request: Request) -> Response:
        """Takes the form of the page, or of a program, which wants no page in return."""
        if refused := _refused(request):
            return refused
        async with request.form(max_files=0, max_fields=10) as form:
            name, password = (str(form.get(field, "")) for field in ("username", "password"))
        name = name.strip()
        try:
            token = await self._logins.log_in(name, password, remote_address(request.client))
        except ChatError as error:
            if isinstance(error, LoginFailed):
                host = request.client.host if request.client else "nowhere"
                log.warning("A login as %s from %s failed", _shortened(name), host)
            return self._failure(request, error, name)
        return self._with_cookie(request, self._success(request, f"./{_query(request)}"), token)

    async def log_out(self, request: Request) -> Response:
        if refused := _refused(request):
            return refused
        answer = self._success(request, "./" if self._provider else "login")
        if token := request.cookies.get(COOKIE):
            try:
                await self._logins.log_out(token)
            except StoreUnavailable as error:
                answer = self._failure(request, error)
        return self._with_cookie(request, answer, "")

    def refuse(self, request: Request, error: StoreUnavailable | None = None) -> Response:
        """What somebody gets who has not logged in, or of whom that is not known."""
        if request.method in ("GET", "HEAD") and _path(request.scope) == "/":
            if error:
                return self._failure(request, error)
            return RedirectResponse(f"login{_query(request)}", HTTPStatus.SEE_OTHER, NOT_KEPT)
        if error:
            return self._told(request, error)
        detail = t(reader_language(request.headers), "login_needed")
        return JSONResponse({"detail": detail}, HTTPStatus.UNAUTHORIZED, NOT_KEPT)

    def _success(self, request: Request, address: str) -> Response:
        if _wants_page(request):
            return RedirectResponse(address, HTTPStatus.SEE_OTHER, NOT_KEPT)
        return JSONResponse({"success": True}, headers=NOT_KEPT)

    def _failure(self, request: Request, error: ChatError, name: str = "") -> Response:
        if _wants_page(request):
            return self._page(request, error, name)
        return self._told(request, error)

    def _told(self, request: Request, error: ChatError) -> Response:
        detail = error_text(reader_language(request.headers), error)
        return JSONResponse({"detail": detail}, _STATUS[type(error)], _headers(error))

    def _page(
        self, request: Request, error: ChatError | None = None, name: str = "", told: str = ""
    ) -> Response:
        language = reader_language(request.headers)
        html = login_page(
            language,
            static=self._static,
            action=f"login{_query(request)}",
            theme=_theme(request),
            name=name,
            error=error_text(language, error) if error else told,
            provider=self._provider,
        )
        status = _STATUS[type(error)] if error else HTTPStatus.OK
        return HTMLResponse(html, status, _headers(error))

    def _with_cookie(self, request: Request, answer: Response, token: str) -> Response:
        """Written by hand, for Starlette's `set_cookie` knows "Partitioned" from Python 3.14 on only. Where
        somebody may or may not have logged in, the page's script has to know."""
        seconds = LOGIN_SECONDS if token else 0
        if self._in_frames:
            where = "SameSite=None; Secure; Partitioned"
        else:
            where = "SameSite=Lax; Secure" if request.url.scheme == "https" else "SameSite=Lax"
        cookie = f"{COOKIE}={token}; Max-Age={seconds}; Path=/; HttpOnly; {where}"
        answer.headers.append("set-cookie", cookie)
        if self._provider:
            shown = f"{_SHOWN}=1; Max-Age={seconds}; Path=/; {where}"
            answer.headers.append("set-cookie", shown)
        return answer


class LoginRequired:
    """ASGI middleware that lets in who has logged in, and everybody to the login and to `open_paths`; those
    that end in "/" stand for all below them. A visitor is led to the login, a program is told so. Where the
    login is `optional`, everybody comes in, and who has logged in is known."""

    def __init__(
        self, app: ASGIApp, *, login: Login, open_paths: Sequence[str], optional: bool = False
    ) -> None:
        self._app = app
        self._login = login
        self._open_paths = {"/login", "/logout", *open_paths}
        self._optional = optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there is none
            await send({"type": "websocket.close"})
        elif scope["type"] == "lifespan" or self._is_open(_path(scope)):
            await self._app(scope, receive, send)
        elif refusal := await self._refusal(scope):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or path[: path.find("/", 1) + 1] in self._open_paths

    async def _refusal(self, scope: Scope) -> Response | None:
        """None for somebody who has logged in, whose name is in the scope from then on."""
        request = Request(scope)
        try:
            request.state.user = await self._login.user(request)
        except StoreUnavailable as error:
            return self._login.refuse(request, error)
        return None if request.state.user or self._optional else self._login.refuse(request)


NOT_KEPT = {"cache-control": "no-store"}


def _headers(error: ChatError | None) -> dict[str, str]:
    if error is None or isinstance(error, LoginFailed):
        return NOT_KEPT
    seconds = float(error.facts.get("retry_after") or _STORE_SECONDS)
    return {**NOT_KEPT, "retry-after": str(math.ceil(seconds))}


def _refused(request: Request) -> Response | None:
    """The answer to a form of another site, and to one that is too long."""
    # Only browsers send the header, all of them where the page comes by https or from this machine.
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return Response(status_code=HTTPStatus.FORBIDDEN)
    length = request.headers.get("content-length", "")
    if not (length.isdecimal() and int(length) <= _MOST_BYTES):
        return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _theme(request: Request) -> str:
    """The theme that was chosen on the page (theme.js)."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in ("light", "dark") else ""


def _query(request: Request) -> str:
    """What the address of the page says, like the conversation to open, with its question mark."""
    return f"?{request.url.query}" if request.url.query else ""


def _path(scope: Scope) -> str:
    return str(scope["path"].removeprefix(scope.get("root_path", "")))


def _shortened(name: str) -> str:
    return ascii(name[:_NAME_CHARACTERS_LOGGED]) + "…"
