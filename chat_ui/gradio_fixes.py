"""What Gradio 6.31 does at every event and this page has no use for, left out.

A fix replaces as little of Gradio as it can. tests/unit/test_gradio_fixes.py fails when what it replaces is
no longer there, or is no longer needed.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import fastapi.dependencies.utils
import gradio as gr
import gradio.queueing
import gradio.utils
from gradio.block_function import BlockFunction
from gradio.blocks import Blocks, BlocksConfig
from gradio.components import _Keywords
from gradio.components.api_component import Api
from gradio.queueing import Queue
from gradio.server_messages import ProcessGeneratingMessage
from gradio.state_holder import SessionState
from starlette.requests import Request


def apply(demo: gr.Blocks) -> None:
    """All fixes, to Gradio itself and to `demo`, whose queue is set up. May be called more than once."""
    for owner, name, replacement in (
        (SessionState, "__init__", _without_descriptions),
        (Blocks, "postprocess_data", _without_building),
        (ProcessGeneratingMessage, "model_dump", _without_what_nobody_reads),
        (Request, "is_disconnected", _asked_once_a_second),
    ):
        setattr(owner, name, replacement)
    leave_matplotlib()
    keep_no_statistics(demo._queue)
    look_less_often(demo._queue)
    hand_values_over(demo)
    check_logins_at_once()


_init = SessionState.__init__
_postprocess_data = Blocks.postprocess_data
_dump = ProcessGeneratingMessage.model_dump
_is_disconnected = Request.is_disconnected


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
    """The outputs, of which updates that are plain already are passed on as they are.

    `blocks.py`, `Blocks.postprocess_data`: for each update the component is built anew, which costs more than
    sending a value, also for a gr.skip(), which changes nothing, and where the listener says that its outputs
    need no processing. An output that is said to have ended is passed over.
    """
    outputs = block_fn.outputs
    if _is_skip(predictions):
        predictions = [predictions] * len(outputs)
    elif len(outputs) == 1:
        predictions = [predictions]
    if not isinstance(predictions, list | tuple):
        return await _postprocess_data(self, block_fn, predictions, state)

    def is_plain(value: Any) -> bool:
        return _is_skip(value) or (not block_fn.postprocess and _is_update(value))

    kept: Any = [_Keywords.FINISHED_ITERATING if is_plain(value) else value for value in predictions]
    values = await _postprocess_data(self, block_fn, kept if len(outputs) > 1 else kept[0], state)
    return [
        value if block.stateful or not is_plain(given) else given
        for block, given, value in zip(outputs, predictions, values, strict=False)
    ]


def _is_update(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update"


def _is_skip(value: Any) -> bool:
    return _is_update(value) and len(value) == 1


def _without_what_nobody_reads(self: ProcessGeneratingMessage, **options: Any) -> dict[str, Any]:
    """A frame of a stream, with what its readers look at.

    `server_messages.py`, `ProcessGeneratingMessage`: durations, a time limit and an empty description of
    rendered components go with every frame, some 150 bytes where its text has thirty.
    """
    if not self.success:
        return _dump(self, **options)
    read = ("data", "render_config", "changed_state_ids")
    output = {name: value for name, value in self.output.items() if name in read and value}
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


def look_less_often(queue: Queue) -> None:
    """`queueing.py`, `Queue.start_processing` and `start_progress_updates`: look for events a thousand times
    a second, and for progress, which nothing here reports, a hundred times: 4 % of a core for nobody."""
    queue.sleep_when_free = 0.025
    queue.progress_update_sleep_when_free = 1.0


def check_logins_at_once() -> None:
    """`routes.py`, `login_check`: looks at a dictionary, and because it is no coroutine FastAPI sends it to a
    thread and back, with every request. The app has no other such dependency."""

    async def call(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return function(*args, **named)

    vars(fastapi.dependencies.utils)["run_in_threadpool"] = call


def hand_values_over(demo: gr.Blocks) -> None:
    """`blocks.py`, `preprocess_data` and `postprocess_data`: each parameter of an endpoint, and each value
    that it yields, is sent to a thread and back, for a component that does nothing with it (`Api`)."""
    for function in demo.fns.values():
        if function.outputs and all(isinstance(c, Api) for c in (*function.inputs, *function.outputs)):
            function.preprocess = function.postprocess = False
