"""The FastAPI app: the service's life, the health check, and the mounted page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socket

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse

from chat_core import ChatService

from .layout import I18N
from .theme import build_theme

HERE = Path(__file__).parent


class Server(uvicorn.Server):
    """Ends running replies before it closes connections, so that pages see how they ended."""

    def __init__(self, app: FastAPI, service: ChatService) -> None:
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.gradio_server_name,
                port=settings.gradio_server_port,
                log_level=settings.log_level.lower(),
                access_log=False,
                timeout_graceful_shutdown=_GOODBYE_SECONDS,
            )
        )
        self._service = service

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await self._service.drain()
        await super().shutdown(sockets)


# Open pages keep a connection for as long as they are open: it is not worth waiting for.
_GOODBYE_SECONDS = 2


def create_app(service: ChatService, demo: gr.Blocks) -> FastAPI:
    """The app that serves the page at "/" and "/healthz". The service opens when the server starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    # Without this one Gradio adds its own, which lets every origin in with credentials.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(service.settings.cors_origins),
        allow_methods=["*"],
        allow_headers=["*"],
    )

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        health = await service.health()
        state = {
            "status": "ok" if health.store else "unavailable",
            "store": "ok" if health.store else "unavailable",
            "model": "ok" if health.model else "not configured",
        }
        return JSONResponse(state, status_code=200 if health.store else 503)

    gr.mount_gradio_app(
        app,
        demo,
        path="/",
        auth=service.settings.logins or None,
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        footer_links=["api"],
        i18n=I18N,
        theme=build_theme(),
        css_paths=HERE / "style.css",
        js=(HERE / "page.js").read_text(encoding="utf-8"),
    )
    return app
