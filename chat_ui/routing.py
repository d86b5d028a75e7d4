"""Routing: where there are several processes, each caller has to reach the same one every time.

Gradio 6.31 takes a call with one request and sends what comes of it with another (`routes.py`: `queue_join`,
`queue_data`). At another process the second finds nothing, and clients wait for ever. Here the processes tell
each other, by their store, which calls nobody listens to; one that is listened to for them says so.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from itertools import chain

import gradio as gr
from gradio.queueing import Queue
from gradio.server_messages import CloseStreamMessage, ProcessCompletedMessage
from gradio.utils import error_payload
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_core import ChatService, Language
from chat_core.errors import StoreUnavailable
from chat_core.storage import ProcessNote
from chat_core.tasks import cancelled

from .admission import STREAMS
from .refusals import Refusal, reader_language
from .texts import t

log = logging.getLogger(__name__)

_EXCHANGE_SECONDS = 1.0
_SEARCH_SECONDS = 3.0
_SEARCH_AGAIN_SECONDS = 0.25


class Routing:
    """What this process and the others know of each other's calls. They exchange it while `running`."""

    def __init__(self, service: ChatService, queue: Queue) -> None:
        self._service = service
        self._queue = queue
        self._listeners: dict[str, list[Language]] = {}  # by sessions and events
        self._exchanging = asyncio.Lock()
        self._exchanged_at = -math.inf
        self._notes: dict[str, ProcessNote] = {}
        self._has_others = False
        self._has_told = False
        self._ended: set[str] = set()  # calls of other processes whose listeners know

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A store of the process's own is not looked at."""
        if not self._service.processes.can_be_shared:
            yield
            return
        exchanging = asyncio.create_task(self._keep_exchanging())
        try:
            yield
        finally:
            await cancelled(exchanging)
            with suppress(StoreUnavailable):
                await self._service.processes.leave()

    @asynccontextmanager
    async def listening(self, name: str, language: Language) -> AsyncIterator[None]:
        """Somebody listens to the session, or the event, of that name here."""
        self._listeners.setdefault(name, []).append(language)
        try:
            yield
        finally:
            self._listeners[name].remove(language)
            if not self._listeners[name]:
                del self._listeners[name]

    async def calls_elsewhere(self, name: str) -> Collection[str]:
        """The calls that wait at another process for somebody who listens here to the session, or the event,
        of that name; none where it is known here, or nowhere."""
        if not self._has_others or self._is_known(name):
            return ()
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_SEARCH_SECONDS):
                before = await self._exchanged()
                while True:
                    await asyncio.sleep(_SEARCH_AGAIN_SECONDS)
                    for process, note in (await self._exchanged()).items():
                        # What was there before does not have the latest call.
                        if note != before.get(process) and (ids := _calls_of(name, note.unheard)):
                            self._tell_operator()
                            return ids
        return ()

    async def _exchanged(self) -> dict[str, ProcessNote]:
        """What the others have told, a moment ago at most: a crowd that searches asks the store as often as
        one does."""
        async with self._exchanging:
            if time.monotonic() - self._exchanged_at > _SEARCH_AGAIN_SECONDS:
                self._notes = await self._service.processes.exchange(self._unheard())
                self._exchanged_at = time.monotonic()
            return self._notes

    def _is_known(self, name: str) -> bool:
        queue = self._queue
        sessions, events = queue.pending_messages_per_session, queue.event_ids_to_events
        ids = chain.from_iterable(queue.pending_event_ids_session.values())
        return name in sessions or name in events or name in ids

    def _unheard(self) -> dict[str, Collection[str]]:
        if self._service.is_closed:  # whom a process that ends has lost is led to the others
            return {}
        return {
            session: ids
            for session, ids in self._queue.pending_event_ids_session.items()
            if ids and self._listeners.keys().isdisjoint((session, *ids))
        }

    async def _keep_exchanging(self) -> None:
        while True:
            with suppress(StoreUnavailable):  # which is logged by whoever needs it
                others = await self._exchanged()
                self._has_others = bool(others)
                if not self._service.is_closed:
                    self._end_calls(others.values())
            await asyncio.sleep(_EXCHANGE_SECONDS)

    def _end_calls(self, others: Iterable[ProcessNote]) -> None:
        """Those that wait elsewhere for somebody who listens here."""
        calls = {
            event_id: session
            for note in others
            for session in note.unheard.keys() & self._listeners.keys()
            for event_id in note.unheard[session]
        }
        for event_id in calls.keys() - self._ended:
            session = calls[event_id]
            if messages := self._queue.pending_messages_per_session.get(session):
                self._tell_operator()
                messages.put_nowait(_failed(event_id, self._listeners[session][0]))
        self._ended = set(calls)

    def _tell_operator(self) -> None:
        if not self._has_told:
            self._has_told = True
            log.error(
                "Requests of one caller reach different processes of this app, and its calls are lost. Let "
                "the proxy lead each caller to the same process: sticky routing, see docs/deploy.md."
            )


def _calls_of(name: str, unheard: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Those of the session, or with the event, of that name."""
    found = (ids for session, ids in unheard.items() if name == session or name in ids)
    return next(found, ())


class RoutingCheck:
    """ASGI middleware that ends, with a sentence, calls whose listeners come to another process."""

    def __init__(self, app: ASGIApp, routing: Routing) -> None:
        self._app = app
        self._routing = routing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = STREAMS.fullmatch(scope.get("path", "")) if scope.get("method") == "GET" else None
        if not stream:
            await self._app(scope, receive, send)
            return
        event_id = stream["event_id"]
        name = event_id or QueryParams(scope["query_string"]).get("session_hash", "")
        language = reader_language(Headers(scope=scope))
        if ids := await self._routing.calls_elsewhere(name):
            refusal = Refusal(HTTPStatus.MISDIRECTED_REQUEST, "misrouted").answer(scope)
            await (refusal if event_id else _ended(ids, language))(scope, receive, send)
            return
        async with self._routing.listening(name, language):
            await self._app(scope, receive, send)


def _failed(event_id: str, language: Language) -> ProcessCompletedMessage:
    error = gr.Error(t(language, "misrouted"), duration=None)
    output = error_payload(error, show_error=False)
    return ProcessCompletedMessage(event_id=event_id, output=output, title=error.title, success=False)


def _ended(ids: Collection[str], language: Language) -> Response:
    """A stream that clients take for one in which these calls have failed."""
    messages = [*(_failed(event_id, language) for event_id in ids), CloseStreamMessage()]
    body = "".join(f"data: {message.model_dump_json()}\n\n" for message in messages)
    return Response(body, media_type="text/event-stream", headers={"cache-control": "no-store"})
