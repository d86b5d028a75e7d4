"""What watches the app is told, and what the server does for all requests."""

import asyncio
import gc
import sys
import time
from unittest.mock import AsyncMock

import gradio as gr
import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from chat_core import ChatService, Settings
from chat_ui.server import InSlices, create_app, traced
from tests.scripted_model import ScriptedModel


async def test_an_app_that_shuts_down_is_alive_but_not_ready() -> None:
    service = ChatService(Settings(redis_url="memory://"), model=ScriptedModel())
    with gr.Blocks(analytics_enabled=False) as demo:
        pass
    transport = httpx2.ASGITransport(create_app(service, demo))
    async with service, httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/readyz")).status_code == 200
        await service.drain()
        for method in ("GET", "HEAD"):
            asked = [await client.request(method, f"/{probe}") for probe in ("livez", "readyz", "healthz")]
            assert [answer.status_code for answer in asked] == [200, 503, 200]


async def test_whoever_watches_the_app_does_not_stand_in_line_behind_a_crowd() -> None:
    begun: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])

    def work() -> None:
        time.sleep(0.02)  # a round is full then

    async def ask(path: str) -> None:
        scope: Scope = {"type": "http", "path": path}
        await InSlices(app)(scope, receive=AsyncMock(), send=AsyncMock())
        work()

    async with asyncio.TaskGroup() as group:
        for path in ("/a", "/b", "/c", "/livez"):
            group.create_task(ask(path))
    assert begun == ["/a", "/livez", "/b", "/c"]


async def test_python_rarely_looks_through_all_objects_while_the_app_serves() -> None:
    service = ChatService(Settings(redis_url="memory://"), model=ScriptedModel())
    with gr.Blocks(analytics_enabled=False) as demo:
        pass
    app, before = create_app(service, demo), gc.get_threshold()
    try:
        async with app.router.lifespan_context(app):
            assert gc.get_threshold()[2] >= 10 * before[2]
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def test_tools_are_there_only_where_they_are_asked_for() -> None:
    service = ChatService(Settings(redis_url="memory://"), model=ScriptedModel())
    with gr.Blocks(analytics_enabled=False) as demo:
        pass
    app = create_app(service, demo)
    assert {"chat_ui.mcp_api", "chat_ui.sign_in", "chat_ui.tracing"}.isdisjoint(sys.modules)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.post("/mcp", json={})).status_code in (404, 405)


async def test_traces_that_cannot_be_sent_are_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "chat_ui.tracing", None)  # as where its packages are not
    service = ChatService(Settings(redis_url="memory://", traces=True), model=ScriptedModel())
    async with traced(service):
        assert "pip install -r requirements-otel.txt" in caplog.text
