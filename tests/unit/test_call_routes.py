"""Calls reach Gradio's own functions without FastAPI, and are answered as they were."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import gradio as gr
import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_ui import gradio_fixes
from chat_ui.call_routes import CallRoutes, Function
from chat_ui.calls import WellFormedCalls
from tests.conftest import calls_of


class LoggedIn:
    """ASGI middleware that has found out who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["user"] = "ada"
        await self._app(scope, receive, send)


def page() -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as demo:

        async def greet(request: gr.Request, name: str, twice: bool = False) -> AsyncIterator[str]:
            for _ in range(2 if twice else 1):
                yield f"Hello {name} from {request.username}"

        gr.api(greet, api_name="greet")
    demo.queue(default_concurrency_limit=None)
    demo._queue.ANALYTICS_MAX_EVENTS = 0  # no table is made of events that ended
    return demo


@asynccontextmanager
async def served(
    *, direct: bool, logins: bool = False
) -> AsyncIterator[tuple[httpx2.AsyncClient, gr.Blocks]]:
    demo, app = page(), FastAPI()
    functions: dict[str, Function] = {}
    if direct:
        app.add_middleware(CallRoutes, functions=functions, logins=logins)
        app.add_middleware(WellFormedCalls, demo=demo, most_bytes=10_000)
    app.add_middleware(LoggedIn)
    gr.mount_gradio_app(app, demo, path="/", run_history=False, enable_monitoring=False, ssr_mode=False)
    mount = app.router.routes[-1]
    assert isinstance(mount, Mount)
    functions |= gradio_fixes.route_functions(mount.app)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test/gradio_api")
    async with app.router.lifespan_context(app), client:
        yield client, demo
    demo._queue.close()


async def by_name(http: httpx2.AsyncClient, path: str, values: Any) -> str:
    event_id = (await http.post(path, json=values)).raise_for_status().json()["event_id"]
    return (await http.get(f"call/greet/{event_id}")).raise_for_status().text


async def by_index(http: httpx2.AsyncClient) -> str:
    call = {"fn_index": 0, "data": ["Bo", True], "session_hash": "one"}
    (await http.post("queue/join", json=call)).raise_for_status()
    return (await http.get("queue/data", params={"session_hash": "one"})).raise_for_status().text


FORMS: dict[str, Callable[[httpx2.AsyncClient], Awaitable[str]]] = {
    "by name, in their order": lambda http: by_name(http, "call/greet", {"data": ["Bo", True]}),
    "by name": lambda http: by_name(http, "call/v2/greet", {"twice": True, "name": "Bo"}),
    "with a slash": lambda http: by_name(http, "call/v2/greet/", {"twice": True, "name": "Bo"}),
    "by index": by_index,
}


@pytest.mark.parametrize("direct", [False, True], ids=["as Gradio does it", "direct"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_call_is_answered_without_fastapi(
    form: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = calls_of(monkeypatch, APIRoute, "matches")  # with routes
    async with served(direct=direct) as (http, _):
        assert "Hello Bo from None" in await FORMS[form](http)
        assert (not compared) == direct


async def test_a_value_that_is_left_out_has_its_default() -> None:
    async with served(direct=True) as (http, _):
        for path, values in (("call/v2/greet", {"name": "Bo"}), ("call/greet", {"data": ["Bo"]})):
            assert (await by_name(http, path, values)).count("Hello") == 2  # once, and again at the end


async def test_the_endpoint_is_told_who_asks() -> None:
    async with served(direct=True, logins=True) as (http, _):
        assert "Hello Bo from ada" in await by_name(http, "call/greet", {"data": ["Bo"]})


@pytest.mark.parametrize("direct", [False, True], ids=["as Gradio does it", "direct"])
async def test_what_gradio_refuses_is_refused(direct: bool) -> None:
    async with served(direct=direct) as (http, demo):
        demo._queue.stopped = True
        refused = await http.post("call/greet", json={"data": ["Bo", True]})
        assert (refused.status_code, refused.json()) == (503, {"detail": "Queue is stopped."})


async def test_a_stream_ends_when_its_reader_goes() -> None:
    closed, gone = asyncio.Event(), asyncio.Event()

    async def frames() -> AsyncIterator[str]:
        try:
            yield "so far"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def queue_data(request: Request, session_hash: str) -> StreamingResponse:
        return StreamingResponse(frames())

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body"):
            gone.set()

    nothing = StreamingResponse(frames())
    routes = CallRoutes(nothing, {"queue_data": queue_data}, logins=False)
    query = b"session_hash=one"
    scope = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "query_string": query}
    async with asyncio.timeout(5):
        await routes(scope | {"headers": []}, receive, send)
        await closed.wait()


async def test_everything_else_is_passed_on() -> None:
    async with served(direct=True) as (http, _):
        assert "greet" in json.dumps((await http.get("info")).json())
        assert (await http.get("queue/status")).status_code == 200
