"""Gradio's routes for calls and for what streams of them, without what FastAPI does around each request.

Nearly everything that the app is asked for comes by them. FastAPI looks through two lists of routes, solves
dependencies that login.py has seen to, and validates what calls.py has validated: a sixth of what a short
turn costs. What answers are Gradio 6.31's own functions (`routes.py`: `queue_join`, `queue_data`,
`simple_predict_post`, `simple_predict_get`).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import HTTPException
from gradio.data_classes import PredictBody, SimplePredictBody
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .login import logged_in_user

_PREFIX = "/gradio_api/"

Function = Callable[..., Awaitable[Any]]


class CallRoutes:
    """ASGI middleware behind WellFormedCalls, which has made one of the two forms of calls by name. Gradio's
    `functions` are by their names; with `logins` they are told who asks."""

    def __init__(self, app: ASGIApp, functions: Mapping[str, Function], *, logins: bool) -> None:
        self._app = app
        self._functions = functions
        self._logins = logins
        self._routes: tuple[tuple[str, re.Pattern[str], Function], ...] = (
            ("POST", re.compile(r"queue/join"), self._join),
            ("POST", re.compile(r"call/(?:v2/)?(?P<name>[^/]+)"), self._call),
            ("GET", re.compile(r"queue/data"), self._session),
            ("GET", re.compile(r"call/(?:v2/)?[^/]+/(?P<event_id>[^/]+)"), self._event),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", "")).rstrip("/")
        if scope["type"] == "http" and path.startswith(_PREFIX):
            route = path.removeprefix(_PREFIX)
            for method, pattern, answer in self._routes:
                if scope["method"] == method and (found := pattern.fullmatch(route)):
                    response = await _response(answer(Request(scope, receive, send), **found.groupdict()))
                    if isinstance(response, StreamingResponse):
                        await _stream(response, receive, send)
                    else:
                        await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _join(self, request: Request) -> Any:
        body = PredictBody.model_validate_json(await request.body())
        return await self._functions["queue_join"](body, request, self._user(request))

    async def _call(self, request: Request, name: str) -> Any:
        body = SimplePredictBody.model_validate_json(await request.body())
        return await self._functions["simple_predict_post"](name, body, request, self._user(request))

    async def _session(self, request: Request) -> Any:
        return await self._functions["queue_data"](request, request.query_params["session_hash"])

    async def _event(self, request: Request, event_id: str) -> Any:
        return await self._functions["simple_predict_get"](request, event_id)

    def _user(self, request: Request) -> str | None:
        return logged_in_user(request) if self._logins else None


async def _response(answer: Awaitable[Any]) -> Response:
    try:
        answered = await answer
    except HTTPException as error:
        return JSONResponse({"detail": error.detail}, error.status_code)
    return answered if isinstance(answered, Response) else JSONResponse(answered)


async def _stream(response: StreamingResponse, receive: Receive, send: Send) -> None:
    """Sends what there is to send until the reader goes. The response itself would do it with a task group of
    anyio's, which costs more than a frame."""
    sending = asyncio.create_task(response.stream_response(send))
    reading = asyncio.create_task(_until_gone(receive))
    reading.add_done_callback(lambda _: sending.cancel())
    try:
        await sending
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():  # not because the reader has gone
            raise
    finally:
        reading.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
