"""How many requests an address may have open, and how many it may send in a second."""

import asyncio
from collections import Counter

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from chat_ui import throttle
from chat_ui.throttle import Throttle


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr("chat_ui.throttle.time.monotonic", lambda: time[0])
    monkeypatch.setattr(throttle, "_REFUSAL_SECONDS", 0)
    return time


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


def caller(app: Throttle, address: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, client=(address, 1234))
    return httpx2.AsyncClient(transport=transport, base_url="http://test")


async def statuses(client: httpx2.AsyncClient, method: str, number: int) -> Counter[int]:
    return Counter([(await client.request(method, "/")).status_code for _ in range(number)])


async def test_an_address_sends_so_many_in_a_second_and_more_after_a_pause(now: list[float]) -> None:
    app = Throttle(ok, calls_per_second=4)
    ana, bob = caller(app, "2001:db8::1"), caller(app, "192.0.2.2")
    assert await statuses(ana, "POST", 12) == {200: 9, 429: 3}  # two seconds' worth, and the one after them
    assert await statuses(caller(app, "2001:db8::2"), "POST", 1) == {429: 1}  # of the same network
    assert await statuses(ana, "GET", 44) == {200: 41, 429: 3}  # five seconds' worth, of twice as many
    assert await statuses(bob, "GET", 44) == {200: 41, 429: 3}
    now[0] += 1
    assert await statuses(ana, "POST", 7) == {200: 4, 429: 3}
    now[0] += 100
    assert await statuses(ana, "POST", 12) == {200: 9, 429: 3}


async def test_a_page_that_is_made_anew_counts_as_ten_calls(now: list[float]) -> None:
    app = Throttle(ok, calls_per_second=10)
    for address, path, taken in (
        ("192.0.2.1", "/?made=up", 3),
        ("192.0.2.2", "/gradio_api/info?all_endpoints=true", 3),
        ("192.0.2.3", "/?c=0123456789abcdef", 50),
    ):
        ana = caller(app, address)
        answers = [(await ana.get(path)).status_code for _ in range(50)]
        assert answers.count(200) == taken


async def test_who_is_refused_hears_when_to_try_again_in_their_language(now: list[float]) -> None:
    ana = caller(Throttle(ok, calls_per_second=0.1), "192.0.2.1")
    await ana.post("/")
    refused = await ana.post("/", headers={"accept-language": "zh-CN"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["detail"].startswith("从你所在的网络同时发来的请求太多")


async def test_who_sits_at_the_machine_is_not_counted(now: list[float]) -> None:
    assert await statuses(caller(Throttle(ok, calls_per_second=1), "127.0.0.1"), "POST", 50) == {200: 50}


async def test_who_left_long_ago_is_forgotten(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MOST_KNOWN", 3)
    app = Throttle(ok, calls_per_second=1)
    for last in range(50):
        now[0] += 1
        await statuses(caller(app, f"192.0.2.{last}"), "POST", 1)
    assert len(app._due) <= 4


async def test_an_address_has_so_many_requests_open_at_once() -> None:
    opened, may_end = asyncio.Semaphore(0), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        opened.release()
        await may_end.wait()
        await ok(scope, receive, send)

    app = Throttle(slow, most_open=2)
    ana, bob = caller(app, "192.0.2.1"), caller(app, "192.0.2.2")
    running = [asyncio.create_task(client.get("/")) for client in (ana, ana, bob)]
    for _ in running:
        await opened.acquire()
    async with asyncio.timeout(5):
        assert (await ana.get("/")).status_code == 429
    may_end.set()
    assert {answer.status_code for answer in await asyncio.gather(*running)} == {200}
    assert (await ana.get("/")).status_code == 200
