"""The FastAPI app: the service's life, the health check, and the mounted page."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from gradio.routes import App
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import LOGGING_CONFIG

from chat_core import ChatService, Settings
from chat_core.slices import next_slice, work_for

from .address import ForwardedNotice, address_of
from .admission import Admission
from .answers import InParts
from .caching import Caching
from .call_routes import CallRoutes, Function
from .calls import PossibleAddresses, WellFormedCalls, refuse_query
from .direct import add_direct_calls
from .gradio_fixes import keep_routes, route_functions
from .headers import SecurityHeaders
from .login import Login, LoginRequired, logged_in_user
from .metrics import PATH as METRICS_PATH
from .metrics import Metrics
from .openai_api import OpenAIApi
from .ownership import Ownership
from .page import I18N, PICTURES, build_theme
from .preloading import ComponentFiles
from .routing import Routing, RoutingCheck
from .shared import SharedPages
from .static_files import StaticFolder
from .throttle import MOST_OPEN, Throttle
from .upload_limits import UploadLimits

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"

# What watches the app has no login.
_PROBES = ("/healthz", "/livez", "/readyz")
_GET_OR_HEAD = ["GET", "HEAD"]

# Who calls these has a key in place of a login.
_KEYED = ("/v1/models", "/v1/chat/completions", METRICS_PATH)

# Gradio runs this when its components are on the page; main.js waits for it.
_TELL_SCRIPT = '() => dispatchEvent(new Event("rendered"))'


# The theme that was chosen holds from the first picture on (theme.js, base.css).
_THEME = '<script>document.documentElement.dataset.theme = localStorage.getItem("theme") ?? ""</script>'


class PageHead:
    """ASGI middleware that puts HTML at the beginning and the end of the page's head, and names the page's
    `manifest`. What Gradio is given as js or head comes to life too late to choose the language; its own
    manifest would be looked for at the site's root."""

    def __init__(self, app: ASGIApp, begin: str, end: str, manifest: str) -> None:
        self._app = app
        self._changes = (
            (b"<head>", f"<head>{begin}".encode()),
            (b"</head>", f"{end}</head>".encode()),
            (b'href="/manifest.json"', f'href="{manifest}"'.encode()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}

        async def send_page(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start:
                headers = MutableHeaders(scope=start)
                if headers.get("content-type", "").startswith("text/html"):
                    for before, after in self._changes:
                        message["body"] = message["body"].replace(before, after, 1)
                    headers["content-length"] = str(len(message["body"]))
                await send(start)
                start = {}
            await send(message)

        is_page = scope["type"] == "http" and scope["path"].removeprefix(scope.get("root_path", "")) == "/"
        await self._app(scope, receive, send_page if is_page else send)


class InSlices:
    """ASGI middleware that begins no more requests in one round of the loop than it has room for, except
    those of who watches the app. What comes of them is done for the address that they come from."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            work_for(address_of(scope.get("client")))
            await next_slice()
        await self._app(scope, receive, send)


class Server(uvicorn.Server):
    """Ends running replies before it closes connections, so that pages see how they ended."""

    def __init__(self, app: FastAPI, service: ChatService) -> None:
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.gradio_server_name,
                port=settings.gradio_server_port,
                http=_connections(settings),
                ws="none",
                log_level=settings.log_level.lower(),
                access_log=False,
                # Its own lines are for people; without them what it logs is written as everything else is.
                log_config=LOGGING_CONFIG if settings.log_format == "text" else None,
                # Otherwise uvicorn would believe whatever runs on this machine, or FORWARDED_ALLOW_IPS.
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )
        self._service = service

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        if seconds := self._service.settings.drain_seconds:
            self._take_no_more()
            log.info("Ending, once running replies have ended, within %g seconds", seconds)
            await self._unless_forced(self._service.finish_turns(seconds))
        await self._service.drain()
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn has left this out; what is open would be closed amid tracebacks
            await self.lifespan.shutdown()

    def _take_no_more(self) -> None:
        """Whoever connects from now on gets to another process: a reverse proxy finds nobody listening here.
        Answers that are under way, like those to followers of a reply, go on."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    async def _unless_forced(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Waits, until Ctrl+C is pressed once more."""
        task = asyncio.create_task(waiting)
        while not self.force_exit:
            done, _ = await asyncio.wait({task}, timeout=_LOOK_SECONDS)
            if done:
                return
        task.cancel()


def _connections(settings: Settings) -> Any:
    if sys.platform == "win32":  # uvicorn has another parser there, which knows when to give up
        return "auto"
    from .connections import Connections, allow_many_connections

    per_address = MOST_OPEN if settings.max_calls_per_address else 0
    return Connections(
        per_address=per_address, in_all=allow_many_connections(), proxies=settings.trusted_proxies
    )


_LOOK_SECONDS = 0.1

# When Python looks for cycles of objects that nobody uses: through new ones often, as it always does, through
# all of them rarely. With a hundred replies under way that is a tenth of a second, in vain.
_GARBAGE_THRESHOLDS = (700, 10, 100)

_LARGEST_CALL_BYTES = 1_000_000

# Open pages keep a connection for as long as they are open: it is not worth waiting for.
_SHUTDOWN_SECONDS = 2


@asynccontextmanager
async def traced(service: ChatService) -> AsyncIterator[None]:
    """Sends traces meanwhile, where OpenTelemetry's variables ask for them."""
    if not service.settings.traces:
        yield
        return
    try:
        # Its packages take long to import, and need not be there.
        from .tracing import Tracing
    except ImportError:
        log.error(
            "OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_TRACES_EXPORTER asks for traces, and their packages are not "
            "there: pip install -r requirements-otel.txt"
        )
        yield
        return
    tracing = Tracing()
    service.on_saved(tracing.record)
    try:
        yield
    finally:
        await asyncio.to_thread(tracing.close)


def create_app(service: ChatService, demo: gr.Blocks) -> FastAPI:
    """The app that serves the page at "/", and "/healthz", "/livez" and "/readyz" for those who watch it. The
    service opens when the server starts."""

    settings = service.settings
    # The longest message, in the longest form that JSON has for it, and what else a page sends.
    most_bytes = 12 * settings.max_message_chars + _LARGEST_CALL_BYTES
    metrics = Metrics(service)
    routing = Routing(service, demo._queue)
    mcp = None
    if settings.mcp:
        # Its package takes long to import, and need not be there.
        from .mcp_api import McpApi

        mcp = McpApi(service, most_bytes=most_bytes)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with traced(service), service, routing.running(), mcp.running() if mcp else nullcontext():
            with metrics.served():
                # What is there now stays: to look through it again would stop everybody for a moment.
                gc.collect()
                gc.freeze()
                gc.set_threshold(*_GARBAGE_THRESHOLDS)
                yield

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    static = StaticFolder(STATIC)
    static.mount(app)
    # Those of the page, once it is mounted.
    functions: dict[str, Function] = {}
    app.add_middleware(CallRoutes, functions=functions, logins=settings.asks_who)
    if settings.asks_who:
        app.add_middleware(Ownership)
    app.add_middleware(WellFormedCalls, demo=demo, most_bytes=most_bytes)
    app.add_middleware(UploadLimits)
    app.add_middleware(Admission, queue=demo._queue, per_address=settings.max_calls_per_address)
    if service.processes.can_be_shared:
        app.add_middleware(RoutingCheck, routing=routing)
    components = ComponentFiles(demo)
    components.add_to(app)
    manifest = f"{static.address}/manifest.json"
    app.add_middleware(PageHead, begin=_THEME + static.tags(), end=components.tags(), manifest=manifest)
    app.add_middleware(Caching, logins=settings.asks_who)
    app.add_middleware(SharedPages, service=service, static=static.address)
    if settings.asks_who or settings.signs_in:
        _add_login(app, service, static)
    app.add_middleware(PossibleAddresses)
    if settings.max_calls_per_address:
        app.add_middleware(Throttle)
    app.add_middleware(SecurityHeaders, frame_ancestors=settings.frame_ancestors)
    # Without this one Gradio adds its own, which lets every origin in with credentials.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["*"],
        allow_headers=["*"],
    )
    app.add_middleware(ForwardedNotice)
    app.add_middleware(InSlices)
    app.add_middleware(InParts)

    @app.api_route("/healthz", methods=_GET_OR_HEAD)
    async def healthz() -> JSONResponse:
        health = await service.health()
        state = {
            "status": "ok" if health.store else "unavailable",
            "store": "ok" if health.store else "unavailable",
            "model": "ok" if health.model else "not configured",
        }
        return JSONResponse(state, status_code=200 if health.store else 503)

    @app.api_route("/livez", methods=_GET_OR_HEAD)
    async def livez() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.api_route("/readyz", methods=_GET_OR_HEAD)
    async def readyz() -> JSONResponse:
        trouble = (await service.health()).store_trouble
        ready = not service.is_closed and trouble is None
        state = {"status": "ok" if ready else "unavailable", "store": trouble or "ok"}
        return JSONResponse(state, status_code=200 if ready else 503)

    metrics.add_to(app)
    add_direct_calls(app, demo)
    OpenAIApi(service, settings.api_keys).add_to(app)
    if mcp:
        mcp.add_to(app)

    # Otherwise Gradio would take a mounted page for one that nobody can reach yet, and read any file of the
    # server that a request names as if it had been uploaded.
    demo.has_launched = True
    gr.mount_gradio_app(
        app,
        demo,
        path="/",
        root_path=settings.root_path.rstrip("/") or None,
        auth_dependency=logged_in_user if settings.asks_who else None,
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        max_file_size="10mb",
        favicon_path=PICTURES / "icon.svg",
        footer_links=["api"],
        i18n=I18N,
        theme=build_theme(),
        js=_TELL_SCRIPT,
    )
    mount = app.router.routes[-1]
    assert isinstance(mount, Mount)
    assert isinstance(mount.app, App)
    functions |= route_functions(mount.app)
    keep_routes(mount.app)
    mount.app.add_exception_handler(RequestValidationError, refuse_query)
    return app


def _add_login(app: FastAPI, service: ChatService, static: StaticFolder) -> None:
    """Adds the login with a password, or with a provider."""
    settings = service.settings
    provider = _provider(settings) if settings.signs_in else ""
    in_frames = bool(settings.frame_ancestors)
    login = Login(service.logins, static.address, in_frames=in_frames, provider=provider)
    login.add_to(app)
    open_paths = [*_PROBES, *_KEYED, f"/{static.address}/"]
    if provider:
        # Its package need not be there.
        from .sign_in import SignIn

        SignIn(login, settings).add_to(app)
        open_paths += SignIn.PATHS
    optional = not settings.asks_who
    app.add_middleware(LoginRequired, login=login, open_paths=open_paths, optional=optional)


def _provider(settings: Settings) -> str:
    """What people call it."""
    host = urlsplit(settings.openid_provider_url).hostname or ""
    return "Hugging Face" if host == "huggingface.co" else host
