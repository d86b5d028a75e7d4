"""What Gradio 6.31 does at every event and this page has no use for, left out.

A fix replaces as little of Gradio as it can. tests/unit/test_gradio_fixes.py fails when what it replaces is
no longer there, or is no longer needed.
"""

import asyncio
import inspect
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
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
from fastapi.routing import _IncludedRouter
from gradio.block_function import BlockFunction
from gradio.blocks import Blocks, BlocksConfig
from gradio.components import _Keywords
from gradio.components.api_component import Api
from gradio.queueing import Queue
from gradio.route_utils import GradioMultiPartParser
from gradio.routes import App
from gradio.server_messages import ProcessCompletedMessage, ProcessGeneratingMessage
from gradio.state_holder import SessionState
from pydantic import BaseModel
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from chat_core.slices import work_for

from .address import address_of
from .answers import is_long, place_of
from .refusals import reader_language
from .texts import t

log = logging.getLogger(__name__)


def apply(demo: gr.Blocks) -> None:
    """All fixes, to Gradio itself and to `demo`, whose queue is set up. May be called more than once."""
    for owner, name, replacement in (
        (SessionState, "__init__", _without_descriptions),
        (Blocks, "postprocess_data", _without_building),
        (gradio.processing_utils, "add_root_url", _without_looking),
        (ProcessGeneratingMessage, "model_dump", _without_what_nobody_reads),
        (ProcessCompletedMessage, "model_dump", _without_what_nobody_reads),
        (Request, "is_disconnected", _asked_once_a_second),
        (Queue, "push", _push_and_wake),
        (Queue, "process_events", _process_and_wake),
        (Queue, "broadcast_estimations", _to_those_who_wait),
        (gradio.route_utils, "call_process_api", _when_it_is_read),
        (gradio.route_utils, "get_request_origin", _origin),
        (gradio.route_utils, "GradioMultiPartParser", OnlyFiles),
        (gradio.history, "now_utc_iso", _no_time),
        (gradio.utils, "get_type_hints", _type_hints),
    ):
        setattr(owner, name, replacement)
    leave_matplotlib()
    keep_no_statistics(demo._queue)
    keep_messages(demo._queue)
    wake_for_events(demo._queue)
    hand_values_over(demo)
    wait_without_a_task()
    begin_streams_at_once()
    check_logins_at_once()
    look_at_functions_once()


_init = SessionState.__init__
_postprocess_data = Blocks.postprocess_data
_add_root_url = gradio.processing_utils.add_root_url
_dump = BaseModel.model_dump
_is_disconnected = Request.is_disconnected
_push = Queue.push
_process_events = Queue.process_events
_broadcast_estimations = Queue.broadcast_estimations
_call_process_api = gradio.route_utils.call_process_api
_get_request_origin = gradio.route_utils.get_request_origin
_get_type_hints = gradio.utils.get_type_hints


def _without_descriptions(self: SessionState, blocks: Blocks) -> None:
    """A session that describes no components.

    `state_holder.py`, `SessionState.__init__`: for every session hash, so for every tab and every call of an
    endpoint, the description of each component with its JSON schemas is made, those of the parameters of
    endpoints included, and again whenever a component is updated. Only links to a state of the page are
    made of it. It is three quarters of what a first event costs.
    """
    _init(self, SimpleNamespace(default_config=blocks.default_config, blocks=()))  # type: ignore[arg-type]
    self.blocks_config.config_for_block = _if_rendered  # type: ignore[method-assign, assignment]


def _if_rendered(key: int, rendered: list[int], block: Any, renderable: Any = None) -> dict[Any, Any]:
    # What @gr.render makes is sent to the page; only that comes with a renderable.
    return BlocksConfig.config_for_block(key, rendered, block, renderable) if renderable else {}


async def _without_building(
    self: Blocks, block_fn: BlockFunction, predictions: Any, state: SessionState | None
) -> list[Any]:
    """The outputs, which are passed on as they are if the listener says that they need no processing.

    `blocks.py`, `Blocks.postprocess_data`: for each update the component is built anew, which costs more than
    sending a value, also for a gr.skip(), which changes nothing. All values are searched for files, which
    plain ones do not have.
    """
    outputs = block_fn.outputs
    if _is_skip(predictions):
        predictions = [predictions] * len(outputs)
    elif len(outputs) == 1:
        predictions = [predictions]
    if not isinstance(predictions, list | tuple):
        return await _postprocess_data(self, block_fn, predictions, state)
    ended = _Keywords.FINISHED_ITERATING
    if _is_plain(block_fn):
        return PlainValues(None if value is ended else value for value in predictions)
    kept: Any = [ended if _is_skip(value) else value for value in predictions]
    values = await _postprocess_data(self, block_fn, kept if len(outputs) > 1 else kept[0], state)
    return [
        given if _is_skip(given) and not block.stateful else value
        for block, given, value in zip(outputs, predictions, values, strict=False)
    ]


def _is_plain(block_fn: BlockFunction) -> bool:
    return not block_fn.postprocess and not any(block.stateful for block in block_fn.outputs)


class PlainValues(list[Any]):
    """Values of outputs in which there are no files."""


def _without_looking(data: Any, *arguments: Any) -> Any:
    """`processing_utils.py`, `add_root_url`: walks through all values of a frame to complete the addresses of
    files."""
    return data if isinstance(data, PlainValues) else _add_root_url(data, *arguments)


def _is_skip(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update" and len(value) == 1


def _without_what_nobody_reads(
    self: ProcessGeneratingMessage | ProcessCompletedMessage, **options: Any
) -> dict[str, Any]:
    """A frame of a stream, or its end, with what its readers look at.

    `server_messages.py`, `ProcessGeneratingMessage` and `ProcessCompletedMessage`: durations, a time limit
    and an empty description of rendered components go with every frame, some 150 bytes where its text has
    thirty.
    """
    if not self.success:
        return _dump(self, **options)
    # At the end there may be models among the values, of listeners that process them.
    output = _dump(self)["output"] if isinstance(self, ProcessCompletedMessage) else self.output
    read = ("data", "render_config", "changed_state_ids")
    output = {name: value for name, value in output.items() if name in read and value}
    return {"msg": self.msg, "event_id": self.event_id, "output": output, "success": True}


async def _asked_once_a_second(self: Any) -> bool:
    """Whether the client has gone, as far as was known a second ago.

    `routes.py`, `sse_stream`: asks before every message, which is an eighth of what a frame costs. Starlette
    itself ends the response at once when the client goes.
    """
    now = time.monotonic()
    if now - getattr(self, "_asked_at", 0.0) < 1:
        return bool(self._is_disconnected)
    self._asked_at = now
    return await _is_disconnected(self)


def leave_matplotlib() -> None:
    """`utils.py`, `MatplotlibBackendMananger`: looks for matplotlib twice a frame, on the disk if there is
    none: a quarter of what a frame costs. Nothing here draws with it."""
    gradio.utils.MatplotlibBackendMananger = nullcontext  # type: ignore[misc, assignment]


def keep_no_statistics(queue: Queue) -> None:
    """`queueing.py`, `Queue.compute_analytics_summary`: after each event a table of the last ten thousand is
    made with pandas in a thread, for a dashboard that is not served. Without events it makes none, and
    nothing else goes to a thread there."""
    queue.ANALYTICS_MAX_EVENTS = 0
    vars(gradio.queueing)["run_sync"] = _not_at_all


async def _not_at_all(*_: Any) -> None:
    pass


# Between looks at a queue that nobody wakes.
PAUSE_SECONDS = 1.0


class Pause(float):
    """The seconds of a sleep that ends early when there is something to do."""

    def __init__(self, _: float) -> None:
        self._over = asyncio.Event()

    def end(self) -> None:
        """Ends the sleep; if nobody sleeps, the next one."""
        self._over.set()

    async def sleep(self) -> None:
        """Sleeps until the end, or for the seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self):
                await self._over.wait()
        self._over.clear()


def wake_for_events(queue: Queue) -> None:
    """`queueing.py`, `Queue.start_processing` and `start_progress_updates`: look for events a thousand times
    a second, and for progress, which nothing here reports, a hundred times: 4 % of a core for nobody. Here
    the queue sleeps until an event comes, or one that it had no place for can begin."""
    queue.sleep_when_free = Pause(PAUSE_SECONDS)
    queue.progress_update_sleep_when_free = 1.0
    vars(gradio.queueing)["asyncio"] = SimpleNamespace(**{**vars(asyncio), "sleep": _sleep})


async def _sleep(seconds: float) -> None:
    await (seconds.sleep() if isinstance(seconds, Pause) else asyncio.sleep(seconds))


async def _push_and_wake(self: Queue, *arguments: Any, **named: Any) -> Any:
    pushed = await _push(self, *arguments, **named)
    _wake(self)
    return pushed


def _to_those_who_wait(self: Queue, concurrency_id: str, after: int | None = None) -> None:
    """`queueing.py`, `Queue.broadcast_estimations`: tells each event how long it has to wait, also when it
    has not; in a rush all are told at each new one."""
    queued = self.event_queue_per_concurrency_id[concurrency_id]
    limit = queued.concurrency_limit
    full = limit is not None and queued.current_concurrency + len(queued.queue) > limit
    if full or None not in self.active_jobs:
        _broadcast_estimations(self, concurrency_id, after)


async def _process_and_wake(self: Queue, *arguments: Any, **named: Any) -> None:
    try:
        await _process_events(self, *arguments, **named)
    finally:
        _wake(self)


def _wake(queue: Queue) -> None:
    if isinstance(queue.sleep_when_free, Pause):
        queue.sleep_when_free.end()


def open_no_loops() -> None:
    """`utils.py`, `safe_get_lock` and `safe_get_stop_event`: open an event loop for each lock of a page, for
    versions of Python whose locks needed one, and never close it. Python 3.11 can fail to import a module at
    the moment in which such a loop is cleaned up. To be called before the page is built."""
    for module in (gradio.queueing, gradio.utils):
        vars(module)["safe_get_lock"] = asyncio.Lock
    gradio.utils.safe_get_stop_event = asyncio.Event


@contextmanager
def without_apps() -> Iterator[None]:
    """`blocks.py`, `Blocks.__init__`, `__exit__` and `queue`: make a FastAPI app of eighty routes
    each. A page that is mounted gets one of its own."""
    create_app = App.create_app
    setattr(App, "create_app", staticmethod(lambda *_, **__: None))  # noqa: B010 - mypy forbids an assignment
    try:
        yield
    finally:
        setattr(App, "create_app", staticmethod(create_app))  # noqa: B010


def keep_messages(queue: Queue) -> None:
    """`queueing.py`, `Queue.pending_messages_per_session`: keeps what is to be sent in the 2,000 sessions
    that were first heard of last. A session is a call of an endpoint too, so that 2,000 of them end the
    streams of pages. Here they stay until `drop_session`. A stream that breaks off deletes them too, as does
    a second one of the same session (`routes.py`, `queue_data_helper`)."""
    queue.pending_messages_per_session = _Sessions()  # type: ignore[assignment]


class _Sessions(dict[str, Any]):
    def __delitem__(self, session_hash: str) -> None:
        self.pop(session_hash, None)


def drop_session(queue: Queue, session_hash: str) -> None:
    """Ends what runs in the session or waits for its turn, and forgets what was not fetched.

    `queueing.py`, `Queue.clean_events`: lets what runs go on until its next frame, which may never come, and
    keeps the messages.
    """
    for event_id in queue.pending_event_ids_session.pop(session_hash, ()):
        if event := queue.event_ids_to_events.pop(event_id, None):
            event.alive = False
            waiting = queue.event_queue_per_concurrency_id[event.concurrency_id].queue
            if event in waiting:
                waiting.remove(event)
            for task in queue._asyncio_tasks:
                if task.get_name().endswith(f"<gradio-sep>{event_id}"):
                    task.cancel()
    queue.pending_messages_per_session.pop(session_hash, None)


# At five frames a second, what comes in three.
_MOST_UNREAD = 16


async def _when_it_is_read(**named: Any) -> Any:
    """`queueing.py`, `Queue.process_events`: makes frame after frame whether somebody fetches them or not,
    and each frame of a reply that an endpoint streams is the whole text so far. Here a stream waits for its
    reader; what comes meanwhile is in its next frame."""
    app, body, request = named["app"], named["body"], named["gr_request"].request
    try:
        if app.iterators.get(body.event_id):
            await _until_there_is_room(app, body)
            return await _next_plain_frame(app, body, named["fn"]) or await _call_process_api(**named)
        address = address_of(request.client)
        work_for(address)
        if inspect.isasyncgenfunction(named["fn"].fn):
            return await _call_process_api(**named)
        return await _answer_in_place(address, **named)
    except gr.Error:
        raise
    except Exception as error:
        # Gradio would answer with null, which nobody can show.
        log.exception("%s failed", named["fn"].name)
        language = reader_language(request.headers)
        raise gr.Error(t(language, "error.internal"), print_exception=False) from error


async def _until_there_is_room(app: App, body: Any) -> None:
    messages = app.get_blocks()._queue.pending_messages_per_session
    while (  # noqa: ASYNC110 - nothing tells when a message is fetched
        (unread := messages.get(body.session_hash)) and unread.qsize() >= _MOST_UNREAD
    ):
        await asyncio.sleep(0.2)


async def _answer_in_place(address: str, **named: Any) -> dict[str, Any]:
    """What does not stream, made in one of the address's places, which a long answer has until it is
    fetched."""
    async with AsyncExitStack() as place:
        await place.enter_async_context(place_of(address))
        answer: dict[str, Any] = await _call_process_api(**named)
        if is_long(answer.get("data")):
            holding = asyncio.create_task(_until_fetched(place.pop_all(), named["app"], named["body"]))
            _holding.add(holding)
            holding.add_done_callback(_holding.discard)
    return answer


_holding: set[asyncio.Task[None]] = set()


async def _until_fetched(place: AsyncExitStack, app: App, body: Any) -> None:
    unfetched = app.get_blocks()._queue.pending_event_ids_session
    async with place:
        while body.event_id in unfetched.get(body.session_hash, ()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def _next_plain_frame(app: App, body: Any, fn: BlockFunction) -> dict[str, Any] | None:
    """What comes next of a stream of plain values that has begun; None at its end, which Gradio sees to.

    `route_utils.py`, `call_process_api`: makes ready for each frame what only the first one and the end need.
    """
    iterator = app.iterators.get(body.event_id)
    if iterator is None or not _is_plain(fn):
        return None
    blocks = app.get_blocks()
    try:
        prediction = await anext(iterator)
    except StopAsyncIteration:
        return None
    except BaseException:
        blocks._drop_run_streams(body.session_hash, iterator)
        raise
    values = await _without_building(blocks, fn, prediction, None)
    run = blocks._stream_run_key(iterator)
    data = blocks.handle_streaming_diffs(
        fn, values, body.session_hash, run, final=False, simple_format=body.simple_format
    )
    return {"data": data, "is_generating": True}


def wait_without_a_task() -> None:
    """`routes.py`, `sse_stream`: waits for each message with `asyncio.wait_for`, for which Python 3.11 makes
    a task; since 3.12 it does what is done here."""

    async def wait_for(awaitable: Awaitable[Any], timeout: float) -> Any:
        async with asyncio.timeout(timeout):
            return await awaitable

    vars(gradio.routes)["asyncio"] = SimpleNamespace(**{**vars(asyncio), "wait_for": wait_for})


def begin_streams_at_once() -> None:
    """`blocks.py`, `Blocks.call_function`: sends a listener that streams to a thread and back, only to get
    its generator."""

    async def run_sync(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if inspect.isasyncgenfunction(function):
            return function(*arguments)
        return await anyio.to_thread.run_sync(function, *arguments, **options)

    vars(gradio.blocks)["anyio"] = SimpleNamespace(to_thread=SimpleNamespace(run_sync=run_sync))


def check_logins_at_once() -> None:
    """`routes.py`, `login_check`: looks at a dictionary, and because it is no coroutine FastAPI sends it to a
    thread and back, with every request. The app has no other such dependency."""

    async def call(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return function(*args, **named)

    vars(fastapi.dependencies.utils)["run_in_threadpool"] = call


def look_at_functions_once() -> None:
    """`helpers.py`, `special_args`: looks up at each event which parameters a listener has, of what types."""
    vars(gradio.helpers)["inspect"] = SimpleNamespace(**{**vars(inspect), "signature": _signature})


@lru_cache(maxsize=1000)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


@lru_cache(maxsize=1000)
def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    hints: dict[str, Any] = _get_type_hints(function)  # type: ignore[no-untyped-call]
    return hints


def _origin(request: Request, route_path: str) -> Any:
    """`route_utils.py`, `get_request_origin`: takes the app's address apart, thrice at each event. Here once
    for all requests that are alike in what it reads."""
    headers = request.headers
    read = tuple((name, headers[name]) for name in _HEADERS_OF_ORIGIN if name in headers)
    return _origin_of(str(request.url), read, route_path)


@lru_cache(maxsize=1000)
def _origin_of(address: str, headers: tuple[tuple[str, str], ...], route_path: str) -> Any:
    alike: Any = SimpleNamespace(url=address, headers=dict(headers))
    return _get_request_origin(alike, route_path)


_HEADERS_OF_ORIGIN = ("x-forwarded-host", "x-forwarded-proto", "x-gradio-server")


def _no_time() -> str:
    """`history.py`, `now_utc_iso`: writes down when each frame began, for a history of runs that is not
    kept."""
    return ""


class OnlyFiles(GradioMultiPartParser):
    """`route_utils.py`, `GradioMultiPartParser`: keeps what has come of an upload whose sender breaks it off,
    and what was sent under names that `upload_fn` has no use for, for ever; and any length of text in
    memory. Here nothing is left of what is not taken."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        name = Path(part.file.filename or "").name if part.file else ""
        if part.field_name != "files" or not re.search(r"\w", name):
            raise MultiPartException("Only files are taken, each with a name.")

    async def parse(self) -> FormData:
        """Raises MultiPartException, which `upload_file` answers with status 400."""
        try:
            form = await super().parse()
            if len(self.items) < len(self._files_to_close_on_error):
                raise ClientDisconnect
        except MultiPartException:
            raise
        except BaseException as error:
            self._remove_files()
            if isinstance(error, ClientDisconnect):
                raise MultiPartException("The upload was broken off.") from error
            raise
        return form

    def _remove_files(self) -> None:
        for file in self._files_to_close_on_error:
            file.close()
            Path(file.name).unlink(missing_ok=True)


def keep_routes(app: App) -> None:
    """`routes.py`, `App.create_app`: of some eighty routes the page and its clients need these, besides those
    of CallRoutes. FastAPI tries all of them one by one, and each request twice, so what is asked for most
    stands first. What is gone, like `/proxy=`, could only be misused."""
    places = {path: place for place, path in enumerate(_ROUTES)}
    included = [route for route in app.router.routes if isinstance(route, _IncludedRouter)]
    for router in (app.router, *(route.original_router for route in included)):
        kept = [route for route in router.routes if isinstance(route, Route) and _path(route) in places]
        kept.sort(key=lambda route: places[_path(route)])
        router.routes[:] = kept
        router._mark_routes_changed()
    app.router.routes[:0] = included


def route_functions(app: App) -> dict[str, Callable[..., Any]]:
    """What answers the routes of `app` that begin with "/gradio_api", by the functions' names."""
    return {
        route.endpoint.__name__: route.endpoint
        for included in app.router.routes
        if isinstance(included, _IncludedRouter)
        for route in included.original_router.routes
        if isinstance(route, Route)
    }


def _path(route: Route) -> str:
    return route.path.rstrip("/")


_ROUTES = (
    "/gradio_api/cancel",
    "/gradio_api/heartbeat/{session_hash}",
    "/gradio_api/file={path_or_url:path}",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/gradio_api/reset",
    "/gradio_api/queue/status",
    "/gradio_api/info",
    "/gradio_api/openapi.json",
    "/gradio_api/startup-events",
    "/gradio_api/app_id",
    "/gradio_api/user",
    "/gradio_api/login_check",
    "/gradio_api/theme.css",
    "",
    "/config",
    "/theme.css",
    "/assets/{path:path}",
    "/static/{path:path}",
    "/svelte/{path:path}",
    "/favicon.ico",
    "/robots.txt",
)


def hand_values_over(demo: gr.Blocks) -> None:
    """`blocks.py`, `preprocess_data` and `postprocess_data`: each parameter of an endpoint, and each value
    that it yields, is sent to a thread and back, for a component that does nothing with it (`Api`)."""
    for function in demo.fns.values():
        if function.outputs and all(isinstance(c, Api) for c in (*function.inputs, *function.outputs)):
            function.preprocess = function.postprocess = False
