"""Two processes behind a proxy that leads each request to the next of them: it is said, and nobody waits."""

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, expect

from chat_core.storage.valkey import EmbeddedValkey
from tests.app.clients import connected
from tests.running import RunningApp, running_app

pytestmark = pytest.mark.long

SENTENCE = "lead each visitor to the same process"
LOGGED = "Requests of one caller reach different processes"


@pytest.fixture(scope="module")
def apps(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, str], valkey: EmbeddedValkey
) -> Iterator[list[RunningApp]]:
    directory = tmp_path_factory.mktemp("apps")
    settings = {**model, "REDIS_URL": f"unix://{valkey.socket}", "RATE_LIMIT": ""}
    with ExitStack() as stack:
        yield [stack.enter_context(running_app(directory, **settings)) for _ in range(2)]


class RoundRobin:
    """A proxy that leads each request to the next of these ports."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = itertools.cycle(ports)

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        self._serving: set[asyncio.Task[None] | None] = set()
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in filter(None, self._serving):
            task.cancel()
        await asyncio.gather(*filter(None, self._serving), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            head = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head)
            there, back = await asyncio.open_connection("127.0.0.1", next(self._ports))
            back.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            async with asyncio.TaskGroup() as both:
                asking = both.create_task(_pass_on(reader, back))
                await _pass_on(there, writer)
                asking.cancel()
            back.close()
        writer.close()
        self._serving.discard(asyncio.current_task())


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()


@contextmanager
def round_robin(apps: list[RunningApp]) -> Iterator[str]:
    ports = [urlsplit(app.url).port or 0 for app in apps]
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(RoundRobin(ports)) as address:
        yield address


def outcome(client: Client) -> str:
    """What a call comes to within ten seconds."""
    try:
        client.submit(api_name="/roles").result(timeout=10)
    except AppError as error:
        return str(error)
    return "answered"


def test_callers_and_pages_are_told_at_once_and_the_operator_once(
    apps: list[RunningApp], browser: Browser
) -> None:
    for app in apps:  # one after the other, as it should be
        with connected(app) as client:
            assert outcome(client) == "answered"
    assert all(LOGGED not in app.log for app in apps)

    with round_robin(apps) as site:
        client = Client(site, verbose=False, analytics_enabled=False)
        outcomes = [outcome(client) for _ in range(6)]
        client.close()
        assert any(SENTENCE in said for said in outcomes)
        assert all(SENTENCE in said or said == "answered" for said in outcomes)

        called = httpx2.post(f"{site}/gradio_api/call/v2/roles", json={}).json()
        answer = httpx2.get(f"{site}/gradio_api/call/roles/{called['event_id']}", timeout=10)
        assert answer.status_code == 421
        assert SENTENCE in answer.json()["detail"]
        context = browser.new_context(locale="zh-CN")
        page = context.new_page()
        page.goto(site)
        expect(page.get_by_text("同一个进程").first).to_be_visible()
        context.close()
    assert sum(app.log.count(LOGGED) for app in apps) in (1, 2)
    assert all(app.log.count(LOGGED) <= 1 for app in apps)


def test_a_call_beside_an_open_stream_ends_in_that_stream(apps: list[RunningApp]) -> None:
    here, elsewhere = (f"{app.url}/gradio_api" for app in apps)
    listeners = httpx2.get(f"{apps[0].url}/config").json()["dependencies"]
    index = {listener["api_name"]: listener["id"] for listener in listeners}
    session = {"session_hash": "of-one-page"}

    def call(where: str, name: str, data: list[object]) -> str:
        body = {**session, "fn_index": index[name], "data": data}
        return str(httpx2.post(f"{where}/queue/join", json=body).json()["event_id"])

    begun = httpx2.post(f"{here}/run/start_chat", json={}).json()["data"][0]
    words = " ".join(["word"] * 200) + " [[slow]]"
    reply = call(here, "chat", [begun["user_id"], begun["session_id"], words, "", "", None])
    with httpx2.stream("GET", f"{here}/queue/data", params=session, timeout=10) as stream:
        lines = (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line)
        assert next(lines)["event_id"] == reply
        lost = call(elsewhere, "roles", [""])
        told = next(message for message in lines if message.get("event_id") == lost)
        assert (told["msg"], told["success"]) == ("process_completed", False)
        assert SENTENCE in told["output"]["error"]
        assert next(lines)["event_id"] == reply  # it goes on
