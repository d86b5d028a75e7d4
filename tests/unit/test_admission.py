"""How many calls an address may have under way, and what becomes of one that nobody listens to."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import gradio as gr
import httpx2
import pytest
from fastapi import FastAPI
from gradio.queueing import Queue

from chat_ui import admission, gradio_fixes
from chat_ui.admission import Admission
from tests.conftest import eventually

SHORT = 0.25  # seconds that nobody need listen


class Served:
    """A page with endpoints that do nothing, stream for ever until they may end, or take a file."""

    def __init__(self) -> None:
        self.may_end, self.closed = asyncio.Event(), asyncio.Event()
        with gr.Blocks(analytics_enabled=False) as self.demo:

            def hello() -> str:
                return "Hello"

            async def stream() -> AsyncIterator[str]:
                try:
                    yield "so far"
                    await self.may_end.wait()
                    yield "all"
                finally:
                    self.closed.set()

            gr.api(hello, api_name="hello")
            gr.api(stream, api_name="stream", concurrency_id="stream", concurrency_limit=2)
        self.demo.queue(default_concurrency_limit=None, max_size=512)
        gradio_fixes.keep_messages(self.queue)
        self.queue.ANALYTICS_MAX_EVENTS = 0  # no table is made of events that ended

    @property
    def queue(self) -> Queue:
        return self.demo._queue


class Caller:
    """Calls from an address."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def post(self, name: str, **headers: str) -> httpx2.Response:
        return await self.client.post(f"/gradio_api/call/{name}", json={"data": []}, headers=headers)

    async def take(self, name: str) -> str:
        """Calls an endpoint that is not refused; where its answer is fetched."""
        answer = await self.post(name)
        return f"/gradio_api/call/{name}/{answer.raise_for_status().json()['event_id']}"

    async def call(self, name: str) -> str:
        return (await self.client.get(await self.take(name))).text


Open = Callable[..., Any]


@pytest.fixture
async def page() -> Served:
    return Served()


@pytest.fixture
async def open_callers(page: Served) -> AsyncIterator[Open]:
    """Serves the page with these limits: a function that makes callers from addresses."""
    async with AsyncExitStack() as stack:

        async def open_callers(**limits: Any) -> Callable[[str], Caller]:
            app = FastAPI()
            app.add_middleware(Admission, queue=page.queue, **limits)
            gr.mount_gradio_app(app, page.demo, path="/", run_history=False, ssr_mode=False)
            await stack.enter_async_context(app.router.lifespan_context(app))
            stack.callback(page.queue.close)

            def caller(address: str) -> Caller:
                transport = httpx2.ASGITransport(app, client=(address, 1234))
                return Caller(httpx2.AsyncClient(transport=transport, base_url="http://test"))

            return caller

        yield open_callers
    page.may_end.set()


async def test_over_its_share_an_address_is_refused_and_others_are_not(open_callers: Open) -> None:
    caller = await open_callers(per_address=3)
    ana, bob = caller("192.0.2.1"), caller("192.0.2.2")
    for _ in range(3):
        await ana.take("hello")
    refused = await ana.post("hello", **{"accept-language": "zh-CN"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "15")
    sentence = "从你所在的网络同时发来的请求太多，请稍后再试。"
    told = refused.json()
    assert re.fullmatch(r"[0-9a-f]{8}", told["reference"])
    assert told.pop("detail") == f"{sentence}编号：{told.pop('reference')}。"
    assert told == {"code": "too_many_calls"}
    for path in ("queue/join", "call/v2/hello", "call/hello/", "upload"):
        assert (await ana.client.post(f"/gradio_api/{path}")).status_code == 429
    assert (await ana.client.post("/gradio_api/reset", json={"event_id": "x"})).status_code == 200
    assert "Hello" in await bob.call("hello")


async def test_when_the_queue_is_full_it_is_said_in_the_callers_language(
    open_callers: Open, page: Served
) -> None:
    ana = (await open_callers(per_address=4))("192.0.2.1")
    for _ in range(3):  # two run, one waits
        await ana.take("stream")

    async def one_waits() -> bool:
        return len(page.queue) == 1

    await eventually(one_waits)
    page.queue.max_size = 1
    refused = await ana.post("hello", **{"accept-language": "zh-CN"})
    assert (refused.status_code, refused.json()["code"]) == (429, "app_busy")
    assert refused.json()["detail"].startswith("现在使用的人太多")


async def test_a_call_that_was_fetched_does_not_count(open_callers: Open) -> None:
    ana = (await open_callers(per_address=1))("192.0.2.1")
    for _ in range(3):
        assert "Hello" in await ana.call("hello")


async def test_a_request_counts_while_it_runs(open_callers: Open) -> None:
    ana = (await open_callers(per_address=1))("192.0.2.1")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        arrived.set()
        await go_on.wait()
        yield b'{"data": []}'

    json = {"content-type": "application/json"}
    request = ana.client.post("/gradio_api/call/hello", content=slow_body(), headers=json)
    slow = asyncio.create_task(request)
    await arrived.wait()
    assert (await ana.post("hello")).status_code == 429
    go_on.set()
    path = f"/gradio_api/call/hello/{(await slow).json()['event_id']}"
    assert "Hello" in (await ana.client.get(path)).text
    assert (await ana.post("hello")).status_code == 200


async def test_without_a_limit_nobody_is_refused(open_callers: Open) -> None:
    ana = (await open_callers(per_address=0))("192.0.2.1")
    for _ in range(100):
        await ana.take("hello")


async def test_callers_at_the_machine_wait_while_too_many_of_them_do_not_listen(
    open_callers: Open, page: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_UNHEARD_AT_MACHINE", 4)
    caller = await open_callers(per_address=1)
    here, bob = caller("127.0.0.1"), caller("192.0.2.2")
    for _ in range(10):  # whoever listens gives the place back
        assert "Hello" in await here.call("hello")
    streams = [await here.take("stream") for _ in range(4)]
    waiting = asyncio.create_task(here.post("hello"))
    assert "Hello" in await bob.call("hello")
    assert not waiting.done()
    listening = asyncio.create_task(here.client.get(streams[0]))
    assert (await waiting).status_code == 200
    monkeypatch.setattr(admission, "_WAIT_SECONDS", SHORT)
    assert (await here.post("hello")).status_code == 429
    page.may_end.set()
    for stream in streams[1:]:
        assert "all" in (await here.client.get(stream)).text
    assert "all" in (await listening).text
    assert (await here.post("hello")).status_code == 200


async def test_what_is_refused_or_dropped_gives_its_place_at_the_machine_back(
    open_callers: Open, page: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_UNHEARD_AT_MACHINE", 2)
    monkeypatch.setattr(admission, "_WAIT_SECONDS", SHORT / 10)
    here = (await open_callers(per_address=1, unheard_seconds=SHORT))("127.0.0.1")
    for _ in range(3):
        assert (await here.client.post("/gradio_api/call/hello", json={"data": 1})).status_code == 422
    for _ in range(2):
        await here.take("stream")
    assert (await here.post("stream")).status_code == 429
    async with asyncio.timeout(5):
        await page.closed.wait()
        await eventually(lambda: is_empty(page.queue))
    assert (await here.post("hello")).status_code == 200


async def test_when_many_calls_are_under_way_shares_are_smaller(
    open_callers: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_MANY_CALLS", 16)
    caller = await open_callers(per_address=16)
    ana, bob = caller("192.0.2.1"), caller("192.0.2.2")
    for _ in range(16):
        await ana.take("hello")
    answers = [(await bob.post("hello")).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


async def test_a_call_that_nobody_listens_to_is_dropped(page: Served, open_callers: Open) -> None:
    ana = (await open_callers(per_address=4, unheard_seconds=SHORT))("192.0.2.1")
    for _ in range(4):  # two run, and two wait for a place
        await ana.take("stream")
    assert (await ana.post("hello")).status_code == 429
    async with asyncio.timeout(5):
        await page.closed.wait()
        await eventually(lambda: is_empty(page.queue))
    assert "Hello" in await ana.call("hello")


async def test_a_call_that_waits_for_a_place_is_dropped_while_it_waits(
    page: Served, open_callers: Open
) -> None:
    ana = (await open_callers(per_address=4, unheard_seconds=SHORT))("192.0.2.1")
    heard = [asyncio.create_task(ana.client.get(await ana.take("stream"))) for _ in range(2)]
    await ana.take("stream")

    async def nobody_waits() -> bool:
        return len(page.queue) == 0

    assert not await nobody_waits()
    await eventually(nobody_waits)
    page.may_end.set()
    assert ['"all"' in (await answer).text for answer in heard] == [True, True]


async def test_a_call_whose_listener_has_gone_is_dropped(page: Served, open_callers: Open) -> None:
    ana = (await open_callers(per_address=4, unheard_seconds=SHORT))("192.0.2.1")
    listening = asyncio.create_task(ana.client.get(await ana.take("stream")))
    await asyncio.sleep(3 * SHORT)
    assert not page.closed.is_set()
    listening.cancel()
    async with asyncio.timeout(5):
        await page.closed.wait()
        await eventually(lambda: is_empty(page.queue))


async def test_a_call_that_somebody_listens_to_goes_on(page: Served, open_callers: Open) -> None:
    ana = (await open_callers(per_address=1, unheard_seconds=SHORT))("192.0.2.1")
    listening = asyncio.create_task(ana.client.get(await ana.take("stream")))
    await asyncio.sleep(3 * SHORT)
    page.may_end.set()
    assert '"all"' in (await listening).text


async def is_empty(queue: Queue) -> bool:
    """Whether the queue holds nothing of any call."""
    running = [group.current_concurrency for group in queue.event_queue_per_concurrency_id.values()]
    kept = (queue.pending_messages_per_session, queue.pending_event_ids_session, queue.event_ids_to_events)
    return not (any(running) or len(queue) or any(kept))
