"""Gradio's page without a browser: the protocol that its script speaks, and as much of its state as that
needs.

    async with aiohttp.ClientSession(...) as http:
        page = await Page.get(http, "http://127.0.0.1:7860")
        async with Tab(page, http) as tab:
            await tab.load()
            await tab.send("Hello")
            print(tab.texts())

Everything is found in the page's configuration when it runs: listeners by the component and the event that
they listen to, their data by the type of each input. So a server may change the names, the number and the
order of its handlers, inputs and outputs. It drives any chat of a Chatbot and a box with a Send button.

What a browser does and this doesn't: listeners of `gr.State` changes, `cancels=`, and JavaScript (listeners
that are JavaScript alone count as done; what ours adds to the identity stands in `_BROWSER_FACTS`).
"""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self

import aiohttp

# What the page's script adds to the identity when the page is opened.
_BROWSER_FACTS = {"minutes_west": 0, "language": ""}

BOXES = ("multimodaltextbox", "textbox")
CONFIG_BEGINS = b"window.gradio_config = "


class PageError(Exception):
    """A listener ended with an error, or the server refused to run it."""


@dataclass
class Received:
    """What came from the server: bytes of responses' bodies as they were on the wire, and frames (events of
    streams that change the page)."""

    bytes: int = 0
    frames: int = 0


async def read_events(response: aiohttp.ClientResponse, received: Received) -> AsyncIterator[bytes]:
    """The data of each server-sent event."""
    counted, rest = 0, b""
    while some := await response.content.readany():
        received.bytes += response.content.total_raw_bytes - counted
        counted = response.content.total_raw_bytes
        *events, rest = (rest + some).split(b"\n\n")
        for event in events:
            yield b"\n".join(line[6:] for line in event.split(b"\n") if line.startswith(b"data: "))


@dataclass(frozen=True)
class Listener:
    """A listener of the page (what Gradio calls a dependency)."""

    id: int
    name: str
    targets: list[tuple[int | None, str]]
    inputs: list[int]
    outputs: list[int]
    on_server: bool
    queued: bool
    script: str | None
    after: int | None
    only: str  # "success", "failure" or "" for both: how the one `after` which it comes must have ended
    trigger_mode: str  # "once", "multiple" or "always_last"

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "Listener":
        """The one that an entry of the configuration describes."""
        only = (entry["trigger_only_on_success"] and "success") or (
            entry["trigger_only_on_failure"] and "failure"
        )
        return cls(
            id=entry["id"],
            name=entry["api_name"] or "",
            targets=[(target, event) for target, event in entry["targets"]],
            inputs=entry["inputs"],
            outputs=entry["outputs"],
            on_server=entry["backend_fn"],
            queued=entry["queue"] is not False,
            script=entry["js"] if isinstance(entry["js"], str) else None,
            after=entry["trigger_after"],
            only=only or "",
            trigger_mode=entry["trigger_mode"] or "once",
        )


@dataclass(frozen=True)
class Page:
    """The page as the server sends it: what all tabs of it start with."""

    url: str
    prefix: str
    heartbeat: bool
    components: dict[int, dict[str, Any]]
    listeners: dict[int, Listener]
    bytes: int

    @classmethod
    async def get(cls, http: aiohttp.ClientSession, url: str) -> "Page":
        """Opens the address, as a browser does first."""
        url = url.rstrip("/")
        async with http.get(url + "/", headers={"accept": "text/html"}) as response:
            response.raise_for_status()
            html = await response.read()
            size = response.content.total_raw_bytes
        begin = html.index(CONFIG_BEGINS) + len(CONFIG_BEGINS)
        config, _ = json.JSONDecoder().raw_decode(html[begin:].decode())
        return cls(
            url=url,
            prefix=config.get("api_prefix", ""),
            heartbeat=config.get("connect_heartbeat", False),
            components={component["id"]: component for component in config["components"]},
            listeners={entry["id"]: Listener.of(entry) for entry in config["dependencies"]},
            bytes=size,
        )

    def find(self, event: str, *, elem_id: str = "", types: tuple[str, ...] = ()) -> Listener:
        """The listener with a handler on the server to that event of the component with the id, or of one
        of the types."""
        for listener in self.listeners.values():
            for target, name in listener.targets:
                if name != event or not listener.on_server:
                    continue
                component = self.components.get(target) if target is not None else None
                if component and (
                    (elem_id and component["props"].get("elem_id") == elem_id) or component["type"] in types
                ):
                    return listener
        raise LookupError(f"no listener to {event} of {elem_id or types}")

    def named(self, name: str) -> Listener:
        """The endpoint with that name."""
        return next(listener for listener in self.listeners.values() if listener.name == name)

    def component(self, *, elem_id: str = "", type: str = "") -> int:
        """The number of the component with that id, or of the first of that type."""
        for number, component in self.components.items():
            if (elem_id and component["props"].get("elem_id") == elem_id) or component["type"] == type:
                return number
        raise LookupError(f"no component {elem_id or type}")

    def type_of(self, component: int) -> str:
        return str(self.components[component]["type"])


@dataclass(eq=False)
class Run:
    """A listener that runs, with values if not with those of its inputs: its outputs so far, and how it
    ended."""

    listener: Listener
    event_data: Any = None
    inputs: list[Any] | None = None
    outputs: list[Any] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: str = ""


@dataclass(eq=False)
class Tab:
    """A tab of a browser that has the page open. `heard` is called with each text that came or grew, and the
    monotonic time."""

    page: Page
    http: aiohttp.ClientSession
    heard: Callable[[str, float], None] = lambda text, when: None
    received: Received = field(default_factory=Received)

    def __post_init__(self) -> None:
        self.values: dict[int, Any] = {
            number: component["props"].get("value", component["props"].get("default_value"))
            for number, component in self.page.components.items()
        }
        self._again: set[int] = set()
        self._runs: dict[str, Run] = {}
        self._early: defaultdict[str, list[tuple[dict[str, Any], float]]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stream: asyncio.Task[None] | None = None
        self._running: defaultdict[int, int] = defaultdict(int)
        self._errors: list[str] = []
        self.forget_session()

    async def __aenter__(self) -> Self:
        self._heart = asyncio.create_task(self._beat()) if self.page.heartbeat else None
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (*self._tasks, self._stream, self._heart) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget_session(self) -> None:
        """The server will take this tab for one that it has never seen, as after its restart."""
        self.session_hash = f"{random.getrandbits(56):011x}"

    async def load(self) -> None:
        """What happens as soon as the page is there, to its end."""
        for listener in self.page.listeners.values():
            if any(event == "load" for _, event in listener.targets):
                self._start(listener)
        await self.settled()

    async def send(self, text: str) -> None:
        """A text in the box and its Send button, until the reply has ended and all that follows is done."""
        submit = self.page.find("submit", types=BOXES)
        box = next(target for target, event in submit.targets if target and event == "submit")
        multimodal = self.page.type_of(box) == "multimodaltextbox"
        self.values[box] = {"text": text, "files": []} if multimodal else text
        self.trigger(box, "submit")
        await self.settled()

    def trigger(self, component: int, event: str, event_data: Any = None) -> None:
        """Starts every listener to that event of the component."""
        for listener in self.page.listeners.values():
            if (component, event) in listener.targets:
                self._start(listener, event_data)

    async def settled(self) -> None:
        """Waits until no listener runs. Raises PageError if one of them failed."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._errors:
            errors, self._errors = self._errors, []
            raise PageError("; ".join(errors))

    async def call(self, name: str, *inputs: Any) -> Any:
        """Calls an endpoint within this tab's session; its answer. Raises PageError."""
        run = Run(self.page.named(name), inputs=list(inputs))
        await self._queue(run)
        if run.error:
            raise PageError(run.error)
        return run.outputs[0]

    async def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Uploads a file; the value that a component for files takes then."""
        form = aiohttp.FormData()
        form.add_field("files", BytesIO(content), filename=name)
        async with self.http.post(f"{self.page.url}{self.page.prefix}/upload", data=form) as response:
            response.raise_for_status()
            (path,) = await response.json()
        return {
            "path": path,
            "orig_name": name,
            "size": len(content),
            "meta": {"_type": "gradio.FileData"},
        }

    def texts(self) -> list[str]:
        """The texts of the Chatbot's messages."""
        chatbot = self.page.component(type="chatbot")
        return [
            "".join(part.get("text", "") for part in message["content"])
            if isinstance(message["content"], list)
            else str(message["content"])
            for message in self.values[chatbot] or []
        ]

    # Running listeners

    def _start(self, listener: Listener, event_data: Any = None) -> None:
        if self._running[listener.id] and listener.trigger_mode != "multiple":
            if listener.trigger_mode == "always_last":
                self._again.add(listener.id)
            return
        self._running[listener.id] += 1
        task = asyncio.create_task(self._run(Run(listener, event_data)))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._errors.append(repr(error))

    async def _run(self, run: Run) -> None:
        listener = run.listener
        try:
            if listener.on_server:
                await (self._queue(run) if listener.queued else self._call(run))
        finally:
            self._running[listener.id] -= 1
        if run.error:
            self._errors.append(run.error)
        if listener.id in self._again:
            self._again.discard(listener.id)
            self._start(listener)
        ending = "failure" if run.error else "success"
        for following in self.page.listeners.values():
            if following.after == listener.id and following.only in ("", ending):
                self._start(following)

    def _body(self, run: Run) -> dict[str, Any]:
        listener = run.listener
        inputs = [self._input(listener, component) for component in listener.inputs]
        return {
            "data": inputs if run.inputs is None else run.inputs,
            "event_data": run.event_data,
            "fn_index": listener.id,
            "trigger_id": next((target for target, _ in listener.targets if target is not None), None),
            "session_hash": self.session_hash,
        }

    def _input(self, listener: Listener, component: int) -> Any:
        match self.page.type_of(component):
            case "state":
                return None  # kept by the server
            case "browserstate" if listener.script:
                return self.values[component] | _BROWSER_FACTS
            case _:
                return self.values[component]

    async def _call(self, run: Run) -> None:
        url = f"{self.page.url}{self.page.prefix}/run/predict"
        async with self.http.post(url, json=self._body(run)) as response:
            answer = await response.json()
            self.received.bytes += response.content.total_raw_bytes
        if response.ok:
            self._show(run, answer["data"], time.monotonic())
        else:
            run.error = str(answer)

    async def _queue(self, run: Run) -> None:
        url = f"{self.page.url}{self.page.prefix}/queue/join"
        async with self.http.post(url, json=self._body(run)) as response:
            answer = await response.json()
            self.received.bytes += response.content.total_raw_bytes
        if not response.ok:
            run.error = str(answer)
            return
        event_id = answer["event_id"]
        self._runs[event_id] = run
        for message, when in self._early.pop(event_id, []):
            self._take(run, message, when)
        if not self._stream and not run.ended.is_set():
            self._stream = asyncio.create_task(self._listen())
        await run.ended.wait()
        del self._runs[event_id]

    # What the server says

    async def _listen(self) -> None:
        """Reads the session's stream. The server closes it when nothing runs any more."""
        url = f"{self.page.url}{self.page.prefix}/queue/data?session_hash={self.session_hash}"
        trouble = "the stream ended too early"
        try:
            async with self.http.get(url, headers={"accept": "text/event-stream"}) as response:
                response.raise_for_status()
                async for event in read_events(response, self.received):
                    message, when = json.loads(event), time.monotonic()
                    if message["msg"] == "close_stream":
                        trouble = ""
                        break
                    if event_id := message.get("event_id"):
                        if run := self._runs.get(event_id):
                            self._take(run, message, when)
                        else:
                            self._early[event_id].append((message, when))
                    elif message["msg"] == "unexpected_error":
                        trouble = str(message)
        except aiohttp.ClientError as error:
            trouble = repr(error)
        self._stream = None
        waiting = [run for run in self._runs.values() if not run.ended.is_set()]
        if trouble:
            for run in waiting:
                run.error = trouble
                run.ended.set()
        elif waiting:  # one joined while the stream was being closed
            self._stream = asyncio.create_task(self._listen())

    def _take(self, run: Run, message: dict[str, Any], when: float) -> None:
        match message["msg"]:
            case "process_generating" if message["success"]:
                self.received.frames += 1
                if run.outputs:
                    self._change(run, message["output"]["data"], when)
                else:
                    run.outputs = message["output"]["data"]
                    self._show(run, run.outputs, when)
            case "process_completed" if message["success"]:
                if outputs := message["output"].get("data"):
                    run.outputs = outputs
                    self._show(run, outputs, when)
                run.ended.set()
            case "process_generating" | "process_completed":
                run.error = str(message["output"].get("error") or message)
                run.ended.set()

    def _show(self, run: Run, outputs: list[Any], when: float) -> None:
        """Whole values."""
        for component, output in zip(run.listener.outputs, outputs, strict=True):
            for text in _strings(output):
                self.heard(text, when)
            self._set(component, output)

    def _change(self, run: Run, changes: list[list[Any]], when: float) -> None:
        """What is new since the last frame."""
        for number, (component, edits) in enumerate(zip(run.listener.outputs, changes, strict=True)):
            if not edits:
                continue
            run.outputs[number], touched = apply_edits(run.outputs[number], edits)
            for text in touched:
                self.heard(text, when)
            self._set(component, run.outputs[number])

    def _set(self, component: int, output: Any) -> None:
        """A component takes a value, or an update that may have one. As in the browser, an object that has
        come is another value than the one before, even if it is equal."""
        is_update = isinstance(output, dict) and output.get("__type__") == "update"
        if is_update and "value" not in output:
            return
        value = output["value"] if is_update else output
        changed = isinstance(value, dict | list) or value != self.values.get(component)
        self.values[component] = value
        if changed:
            self.trigger(component, "change")

    async def _beat(self) -> None:
        """The connection that a page with a state of its own keeps open."""
        url = f"{self.page.url}{self.page.prefix}/heartbeat/{self.session_hash}"
        with suppress(aiohttp.ClientError):
            async with self.http.get(url) as response:
                async for _ in response.content.iter_any():
                    pass


def apply_edits(value: Any, edits: list[Any]) -> tuple[Any, list[str]]:
    """The value after Gradio's `edits` ([action, path, new]), and the texts that they changed."""
    touched: list[str] = []
    for action, path, new in edits:
        if not path:
            value = value + new if action == "append" else new
            touched += _strings(value)
            continue
        *way, last = path
        parent = value
        for step in way:
            parent = parent[step]
        match action:
            case "append":
                parent[last] += new
                touched.append(parent[last])
            case "delete":
                del parent[last]
            case "add" if isinstance(parent, list):
                parent.insert(last, new)
                touched += _strings(new)
            case _:  # replace, and add to an object
                parent[last] = new
                touched += _strings(new)
    return value, touched


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
