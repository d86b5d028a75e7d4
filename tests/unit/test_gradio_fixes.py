"""What is left out of Gradio: Gradio still does it by itself, and no longer once it is told; nothing that a
page needs is lost with it."""

import asyncio
import builtins
import inspect
import json
import typing
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from itertools import count
from typing import Any

import anyio.to_thread
import fastapi.dependencies.utils
import gradio as gr
import gradio.blocks
import gradio.helpers
import gradio.history
import gradio.processing_utils
import gradio.queueing
import gradio.route_utils
import gradio.routes
import gradio.utils
import gradio_client.utils
import httpx
import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, _IncludedRouter
from gradio.blocks import Block, Blocks, BlocksConfig
from gradio.queueing import Queue
from gradio.routes import App
from gradio.server_messages import ProcessCompletedMessage, ProcessGeneratingMessage
from gradio.state_holder import SessionState
from starlette.requests import Request
from starlette.routing import Route

from chat_ui import gradio_fixes
from tests.conftest import calls_of, eventually

SKIP = gr.skip()


def page() -> gr.Blocks:
    """A page with all that a fix touches."""
    with gr.Blocks(analytics_enabled=False) as demo:
        total = gr.State(0)
        colour = gr.Dropdown(["red", "green"], value="red")
        button, word = gr.Button("Go"), gr.Textbox()
        chatbot = gr.Chatbot()

        async def frames() -> AsyncIterator[str]:
            for text in ("a", "a b", "a b c"):
                yield text

        async def many() -> AsyncIterator[str]:
            for number in range(100):
                yield str(number)

        listeners: dict[str, tuple[Callable[..., Any], list[Any], list[Any]]] = {
            "hello": (lambda: "hello", [], [word]),
            "skip": (lambda: [gr.skip(), "said", gr.skip()], [], [colour, word, chatbot]),
            "skip_one": (gr.skip, [], [chatbot]),
            "skip_all": (gr.skip, [], [colour, chatbot]),
            "skip_state": (lambda: [gr.skip(), "said"], [], [total, word]),
            "add": (lambda so_far: [so_far + 1, str(so_far + 1)], [total], [total, word]),
            "paint": (lambda: gr.Dropdown(choices=["blue"], value="blue"), [], [colour]),
            "choose": (lambda choice: choice, [colour], [word]),
            "hide": (lambda: gr.Button(visible=False), [], [button]),
            "stream": (frames, [], [word]),
            "many": (many, [], [word]),
            "long": (lambda: "long " * 60_000, [], [word]),
        }
        for name, (function, inputs, outputs) in listeners.items():
            button.click(function, inputs, outputs, api_name=name)

        async def rest() -> str:
            await asyncio.sleep(0.1)
            return "rested"

        button.click(rest, [], [word], api_name="rest", concurrency_id="one", concurrency_limit=1)
        button.click(lambda: __file__, [], [gr.File()], api_name="file")

        plain = {"__type__": "update", "choices": [["blue", "blue"]], "value": "blue"}
        button.click(lambda: plain, [], [colour], api_name="plain", postprocess=False)

        async def double(number: int) -> int:
            return 2 * number

        async def count_to(number: int) -> AsyncIterator[int]:
            for reached in range(1, number + 1):
                yield reached

        async def break_off() -> AsyncIterator[str]:
            yield "so far"
            yield "so good"
            raise gr.Error("It broke off")

        gr.api(double, api_name="double")
        gr.api(break_off, api_name="break off")
        gr.api(count_to, api_name="count")

        @gr.render(triggers=[button.click])
        def made() -> None:
            gr.Textbox("made", elem_id="made")

    demo.queue(default_concurrency_limit=None)
    return demo


class Session:
    """A tab of the page."""

    _hashes = count()

    def __init__(self, demo: gr.Blocks, client: httpx2.AsyncClient) -> None:
        self._listeners = {fn.api_name: number for number, fn in demo.fns.items()}
        self._listeners["made"] = next(number for number, fn in demo.fns.items() if fn.renderable)
        self._client = client
        self.hash = f"session-{next(self._hashes)}"

    async def output(self, listener: str, *inputs: Any) -> dict[str, Any]:
        """What a listener sends at its end."""
        *_, (_, output) = await self._heard(listener, *inputs)
        return output

    async def values(self, listener: str, *inputs: Any) -> list[Any]:
        """What a listener gives its outputs."""
        data: list[Any] = (await self.output(listener, *inputs))["data"]
        return data

    async def frames(self, listener: str) -> list[Any]:
        """What a listener sends on the way."""
        return [
            output["data"] for kind, output in await self._heard(listener) if kind == "process_generating"
        ]

    async def kinds(self, listener: str) -> list[str]:
        """Of all messages that a listener leads to."""
        await self.join(listener)
        return [message["msg"] for message in await self._messages()]

    async def _heard(self, listener: str, *inputs: Any) -> list[tuple[str, dict[str, Any]]]:
        await self.join(listener, *inputs)
        return await self.fetch()

    async def join(self, listener: str, *inputs: Any) -> None:
        called = {"fn_index": self._listeners[listener], "data": inputs, "session_hash": self.hash}
        (await self._client.post("/gradio_api/queue/join", json=called)).raise_for_status()

    async def fetch(self) -> list[tuple[str, dict[str, Any]]]:
        messages = await self._messages()
        return [(message["msg"], message["output"]) for message in messages if "output" in message]

    async def _messages(self) -> list[dict[str, Any]]:
        answer = await self._client.get("/gradio_api/queue/data", params={"session_hash": self.hash})
        return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


@asynccontextmanager
async def served(demo: gr.Blocks, address: str = "127.0.0.1") -> AsyncIterator[Callable[[], Session]]:
    """Opens tabs of the page, at that address."""
    app = FastAPI()
    gr.mount_gradio_app(app, demo, path="/", run_history=False, enable_monitoring=False, ssr_mode=False)
    transport = httpx2.ASGITransport(app, client=(address, 1234))
    client = httpx2.AsyncClient(transport=transport, base_url="http://test")
    async with app.router.lifespan_context(app), client:
        yield lambda: Session(demo, client)
    demo._queue.close()


@pytest.fixture(params=[False, True], ids=["as Gradio does it", "fixed"])
def fixed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


once_fixed = pytest.mark.parametrize("fixed", [True], ids=["fixed"], indirect=True)


@pytest.fixture
async def demo(monkeypatch: pytest.MonkeyPatch, fixed: bool) -> gr.Blocks:
    for owner, name in (
        (SessionState, "__init__"),
        (Blocks, "postprocess_data"),
        (gradio.utils, "MatplotlibBackendMananger"),
        (gradio.queueing, "run_sync"),
        (fastapi.dependencies.utils, "run_in_threadpool"),
        (ProcessGeneratingMessage, "model_dump"),
        (ProcessCompletedMessage, "model_dump"),
        (Request, "is_disconnected"),
        (Queue, "push"),
        (Queue, "process_events"),
        (Queue, "broadcast_estimations"),
        (gradio.processing_utils, "add_root_url"),
        (gradio.blocks, "anyio"),
        (gradio.queueing, "asyncio"),
        (gradio.routes, "asyncio"),
        (gradio.route_utils, "call_process_api"),
        (gradio.route_utils, "get_request_origin"),
        (gradio.route_utils, "GradioMultiPartParser"),
        (gradio.history, "now_utc_iso"),
        (gradio.helpers, "inspect"),
        (gradio.utils, "get_type_hints"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # to be undone after the test
    demo = page()
    if fixed:
        gradio_fixes.apply(demo)
        gradio_fixes.apply(demo)  # again changes nothing
    return demo


@pytest.fixture
def done(demo: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often Gradio did what it need not do."""
    done: Counter[str] = Counter()

    def noting(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*values: Any, **named: Any) -> Any:
            done[what.format(*values)] += 1
            return function(*values, **named)

        return noted

    describe = staticmethod(noting("described", BlocksConfig.config_for_block))
    monkeypatch.setattr(BlocksConfig, "config_for_block", describe)
    monkeypatch.setattr(Block, "__init__", noting("built", Block.__init__))
    monkeypatch.setattr(anyio.to_thread, "run_sync", noting("thread", anyio.to_thread.run_sync))
    monkeypatch.setattr(Queue, "_get_df", staticmethod(noting("table", Queue._get_df)))
    monkeypatch.setattr(builtins, "__import__", noting("import {}", builtins.__import__))
    monkeypatch.setattr(inspect, "signature", noting("signature", inspect.signature))
    monkeypatch.setattr(typing, "get_type_hints", noting("types", typing.get_type_hints))
    monkeypatch.setattr(httpx.URL, "__init__", noting("address", httpx.URL.__init__))
    return done


async def test_a_new_session_describes_no_component(demo: gr.Blocks, fixed: bool, done: Counter[str]) -> None:
    async with served(demo) as open_tab:
        done.clear()  # the page itself is described once
        await open_tab().output("hello")
        assert (done["described"] == 0) == fixed


async def test_a_listener_and_the_address_are_looked_at_once(
    demo: gr.Blocks, fixed: bool, done: Counter[str]
) -> None:
    async with served(demo) as open_tab:
        assert await open_tab().values("hello") == ["hello"]
        done.clear()
        assert await open_tab().values("hello") == ["hello"]
        assert (done["signature"] + done["types"] + done["address"] == 0) == fixed


@once_fixed
@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({}, "http://one.example/under"),
        ({"x-forwarded-proto": "https"}, "https://one.example/under"),
        ({"x-forwarded-host": "two.example, one.example"}, "http://two.example"),
        ({"x-gradio-server": "http://three.example"}, "http://three.example"),
    ],
)
async def test_each_address_is_its_own(demo: gr.Blocks, headers: dict[str, str], origin: str) -> None:
    for query in (b"", b"a=b"):
        request = Request(
            {
                "type": "http",
                "method": "GET",
                "scheme": "http",
                "server": ("one.example", 80),
                "path": "/under/gradio_api/queue/join",
                "query_string": query,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        found = gradio.route_utils.get_request_origin(request, "/gradio_api/queue/join")
        assert str(found) == origin


@pytest.mark.parametrize("listener", ["skip", "skip_one", "skip_all", "plain"])
async def test_what_is_skipped_is_not_built_anew(
    demo: gr.Blocks, fixed: bool, done: Counter[str], listener: str
) -> None:
    async with served(demo) as open_tab:
        await open_tab().output(listener)
        assert (done["built"] == 0) == fixed


def test_a_page_is_built_without_event_loops_and_an_app(fixed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio.queueing, "safe_get_lock", gradio.queueing.safe_get_lock)
    monkeypatch.setattr(gradio.utils, "safe_get_lock", gradio.utils.safe_get_lock)
    monkeypatch.setattr(gradio.utils, "safe_get_stop_event", gradio.utils.safe_get_stop_event)
    opened, policy = [], asyncio.get_event_loop_policy()

    def open_loop() -> asyncio.AbstractEventLoop:
        opened.append(policy.new_event_loop())
        return opened[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", open_loop)
    if fixed:
        gradio_fixes.open_no_loops()
    with gradio_fixes.without_apps() if fixed else nullcontext():
        demo = page()
    assert isinstance(demo.app, App) is not fixed
    asyncio.set_event_loop(None)
    for loop in opened:
        loop.close()
    assert (not opened) == fixed


async def test_a_frame_builds_nothing_and_looks_for_nothing(
    demo: gr.Blocks, fixed: bool, done: Counter[str]
) -> None:
    async with served(demo) as open_tab:
        await open_tab().output("stream")
        assert (done["import matplotlib"] == 0) == fixed
        assert done["built"] == 0


async def test_no_table_is_made_of_the_events_that_ended(
    demo: gr.Blocks, fixed: bool, done: Counter[str]
) -> None:
    async with served(demo) as open_tab:
        tab = open_tab()
        await tab.output("hello")
        await tab.output("hello")  # the table is made after the answer
        assert (done["table"] == 0) == fixed


async def test_a_call_of_an_endpoint_needs_no_thread(
    demo: gr.Blocks, fixed: bool, done: Counter[str]
) -> None:
    async with served(demo) as open_tab:
        done.clear()
        assert await open_tab().values("double", 2) == [4]
        assert (done["thread"] == 0) == fixed


async def test_a_stream_begins_without_a_thread(demo: gr.Blocks, fixed: bool, done: Counter[str]) -> None:
    async with served(demo) as open_tab:
        done.clear()
        assert await open_tab().values("count", 3) == [3]
        assert (done["thread"] == 0) == fixed


async def test_a_queue_is_looked_at_when_something_came(
    demo: gr.Blocks, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = calls_of(monkeypatch, Queue, "__len__")
    async with served(demo) as open_tab:
        await open_tab().output("rest")
        assert (len(looks) < 20) == fixed


@once_fixed
async def test_an_event_without_a_place_begins_when_one_is_free(
    demo: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradio_fixes, "PAUSE_SECONDS", 60)
    async with served(demo) as open_tab, asyncio.timeout(30):
        await asyncio.gather(*(open_tab().output("rest") for _ in range(3)))


async def test_only_those_who_wait_are_told_how_long(demo: gr.Blocks, fixed: bool) -> None:
    async with served(demo) as open_tab:
        assert ("estimation" not in await open_tab().kinds("hello")) == fixed
        heard = await asyncio.gather(*(open_tab().kinds("rest") for _ in range(2)))
        assert any("estimation" in kinds for kinds in heard)


async def test_waiting_for_a_message_makes_no_task(
    demo: gr.Blocks, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = calls_of(monkeypatch, asyncio, "wait_for")
    async with served(demo) as open_tab:
        assert await open_tab().values("hello") == ["hello"]
        assert (len(waits) == 0) == fixed


async def test_plain_values_are_not_searched_for_files(
    demo: gr.Blocks, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks = calls_of(monkeypatch, gradio_client.utils, "traverse")
    async with served(demo) as open_tab:
        await open_tab().output("plain")
        assert (len(walks) == 0) == fixed


@once_fixed
async def test_a_file_gets_its_address(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        (file,) = await open_tab().values("file")
        assert file["url"].startswith("http://test/gradio_api/file=")


@once_fixed
async def test_only_routes_that_are_needed_stay(demo: gr.Blocks) -> None:
    app = App.create_app(demo)
    before = paths(app)
    assert set(gradio_fixes._ROUTES) <= before
    gradio_fixes.keep_routes(app)
    assert paths(app) == set(gradio_fixes._ROUTES)
    assert {"/gradio_api/proxy={url_path:path}", "/gradio_api/vibe-code"} <= before - paths(app)
    assert {"/gradio_api/queue/join", "/gradio_api/call/{api_name}"} <= before - paths(
        app
    )  # see call_routes.py


@once_fixed
async def test_what_is_asked_for_most_is_found_first(demo: gr.Blocks) -> None:
    app = App.create_app(demo)
    gradio_fixes.keep_routes(app)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")
    async with client:
        with pytest.MonkeyPatch.context() as patch:
            tried = calls_of(patch, APIRoute, "matches")
            ended = {"session_hash": "a", "fn_index": 0, "event_id": "b"}
            answer = await client.post("/gradio_api/cancel", json=ended)
    assert answer.status_code == 200
    assert len(tried) <= 2


def paths(app: App) -> set[str]:
    """Of all routes, without the slash at their end."""
    included = [route.original_router for route in app.router.routes if isinstance(route, _IncludedRouter)]
    routes = [route for router in (app.router, *included) for route in router.routes]
    return {route.path.rstrip("/") for route in routes if isinstance(route, Route)}


@once_fixed
async def test_what_is_skipped_stays_what_it_is(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        tab = open_tab()
        assert await tab.values("skip") == [SKIP, "said", SKIP]
        assert await tab.values("skip_one") == [SKIP]
        assert await tab.values("skip_all") == [SKIP, SKIP]
        assert await tab.values("add", None) == [None, "1"]
        assert await tab.values("skip_state") == [None, "said"]
        assert await tab.values("add", None) == [None, "2"]


@once_fixed
async def test_what_a_session_holds_is_its_own(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        ana, bob = open_tab(), open_tab()
        assert [(await tab.values("add", None))[1] for tab in (ana, ana, bob)] == ["1", "2", "1"]


@once_fixed
async def test_an_update_holds_for_what_follows_in_its_session_alone(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        ana, bob = open_tab(), open_tab()
        (update,) = await ana.values("paint")
        assert update == {"__type__": "update", "choices": [["blue", "blue"]], "value": "blue"}
        assert await ana.values("choose", "blue") == ["blue"]
        assert "error" in await ana.output("choose", "red")
        assert await bob.values("choose", "red") == ["red"]
        assert "error" in await bob.output("choose", "blue")


@once_fixed
async def test_an_update_reaches_the_page(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        assert await open_tab().values("hide") == [{"__type__": "update", "visible": False}]


@once_fixed
async def test_a_plain_update_reaches_the_page_as_it_is(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        assert await open_tab().values("plain") == [
            {"__type__": "update", "choices": [["blue", "blue"]], "value": "blue"}
        ]


@once_fixed
async def test_what_is_rendered_in_a_session_is_described(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        made = (await open_tab().output("made"))["render_config"]["components"]
        assert [component["props"]["elem_id"] for component in made if component["type"] == "textbox"] == [
            "made"
        ]


async def test_a_frame_carries_what_is_read_of_it(demo: gr.Blocks, fixed: bool) -> None:
    async with served(demo) as open_tab:
        heard = await open_tab()._heard("stream")
        frames = [output for kind, output in heard if kind == "process_generating"]
        assert all((set(frame) == {"data"}) == fixed for frame in frames)


async def test_a_stream_asks_now_and_then_whether_its_reader_has_gone(
    demo: gr.Blocks, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (gradio_fixes, "_is_disconnected") if fixed else (Request, "is_disconnected")
    asked = calls_of(monkeypatch, *place)
    async with served(demo) as open_tab:
        await open_tab().output("stream")
        assert (len(asked) == 1) == fixed


@once_fixed
async def test_a_stream_comes_frame_by_frame(demo: gr.Blocks) -> None:
    async with served(demo) as open_tab:
        assert await open_tab().frames("stream") == [
            ["a"],
            [[["append", [], " b"]]],
            [[["append", [], " c"]]],
        ]


async def test_only_the_first_frame_and_the_end_are_made_ready(
    demo: gr.Blocks, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_ready = calls_of(monkeypatch, Blocks, "process_api")
    async with served(demo) as open_tab:
        heard = await open_tab()._heard("count", 5)
        assert [output["data"] for _, output in heard] == [
            [1],
            *([[["replace", [], number]]] for number in (2, 3, 4, 5)),
            [5],
        ]
        assert len(made_ready) == (2 if fixed else 6)
        assert not demo.pending_diff_streams


async def test_a_stream_that_breaks_off_leaves_nothing(demo: gr.Blocks, fixed: bool) -> None:
    async with served(demo) as open_tab:
        *frames, (kind, output) = await open_tab()._heard("break off")
        assert len(frames) == 2
        assert (kind, output["error"]) == ("process_completed", "It broke off")
        assert not any(demo.pending_diff_streams.values())


async def test_a_frame_is_not_timed(demo: gr.Blocks, fixed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (gradio.history.now_utc_iso() == "") == fixed


async def test_streams_are_not_ended_by_those_of_others(demo: gr.Blocks, fixed: bool) -> None:
    messages = demo._queue.pending_messages_per_session
    for number in range(2001):
        messages[f"session-{number}"] = asyncio.Queue()
    assert ("session-0" in messages) == fixed


async def test_two_streams_of_one_session_may_break_off(demo: gr.Blocks, fixed: bool) -> None:
    messages = demo._queue.pending_messages_per_session
    messages["session"] = asyncio.Queue()
    del messages["session"]  # so does each of them
    with nullcontext() if fixed else pytest.raises(KeyError):
        del messages["session"]


async def test_a_stream_waits_for_its_reader(demo: gr.Blocks, fixed: bool) -> None:
    async with served(demo) as open_tab:
        tab = open_tab()
        await tab.join("many")
        unread = demo._queue.pending_messages_per_session[tab.hash]

        async def is_full() -> bool:
            return unread.qsize() >= (16 if fixed else 101)

        await eventually(is_full)
        await asyncio.sleep(0.1)
        assert (unread.qsize() <= 20) == fixed
        heard = await tab.fetch()
        assert [kind for kind, _ in heard].count("process_generating") == 100


async def test_of_long_answers_that_nobody_fetches_few_are_made(demo: gr.Blocks, fixed: bool) -> None:
    async with served(demo, "192.0.2.1") as open_tab:
        tabs = [open_tab() for _ in range(6)]
        for tab in tabs:
            await tab.join("long")

        async def made() -> list[int]:
            """Those whose call has begun and ended."""
            unread = demo._queue.pending_messages_per_session
            return [
                number for number, tab in enumerate(tabs) if unread[tab.hash].qsize() > (1 if fixed else 2)
            ]

        await eventually(lambda: has(4, made))
        await asyncio.sleep(0.1)
        if not fixed:
            assert len(await made()) == 6
            return
        assert await made() == [0, 1, 2, 3]
        await tabs[2].fetch()
        await eventually(lambda: has(4, made))
        assert 4 in await made()


async def has(number: int, made: Callable[[], Awaitable[list[int]]]) -> bool:
    return len(await made()) >= number
