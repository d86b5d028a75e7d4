"""Admission: how many calls of the page and the endpoints may be under way at once, and for how long nobody
need listen to one.

Gradio 6.31 takes a call with one request and sends what comes of it with another (`routes.py`: `queue_join`,
`queue_data`, `simple_predict_post`, `simple_predict_get`). Until it is fetched, a call holds a place in the
queue, a place among those that run, and all that it has to say.
"""

import asyncio
import json
import math
import re
from collections import Counter
from contextlib import nullcontext
from http import HTTPStatus

from gradio.queueing import Queue
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_core import THIS_MACHINE

from .address import address_of
from .answers import place_of
from .gradio_fixes import drop_session
from .refusals import Refusal

_CALLS = re.compile(r"(/gradio_api/(queue/join|call/.+|(?P<direct>run/.+)|upload|mcp)|/mcp)/?")
_QUEUED = re.compile(r"/gradio_api/(queue/join|call/.+)/?")
STREAMS = re.compile(r"/gradio_api/(queue/data|call/.+/(?P<event_id>\w+))/?")

# A page listens at once, and so do clients; a network may need a moment.
_UNHEARD_SECONDS = 15.0

# With so many calls under way in all, an address has an eighth of its share: what several addresses take
# together must not be everything either.
_MANY_CALLS = 150

# Who comes from the app's own machine may be everybody, and have as many calls under way as there are people.
# But all of them listen: so many whose callers have not begun to, and further ones wait for a moment.
_UNHEARD_AT_MACHINE = 96
_WAIT_SECONDS = 2.0


class Admission:
    """ASGI middleware that lets an address have `per_address` unfinished calls at once (0: any number), and
    drops those that nobody has listened to for `unheard_seconds`. A reply that one of them began goes on. The
    app's own machine may have any number that somebody listens to."""

    def __init__(
        self, app: ASGIApp, queue: Queue, *, per_address: int, unheard_seconds: float = _UNHEARD_SECONDS
    ) -> None:
        self._app = app
        self._queue = queue
        self._per_address = per_address
        self._unheard_seconds = unheard_seconds
        self._requests: Counter[str] = Counter()  # that are calls or become some, of each address
        self._addresses: dict[str, str] = {}  # of sessions
        self._listeners: Counter[str] = Counter()  # of sessions
        self._deadlines: dict[str, asyncio.TimerHandle] = {}  # of sessions that nobody listens to
        self._places = asyncio.Semaphore(_UNHEARD_AT_MACHINE)
        self._places_taken: Counter[str] = Counter()  # by sessions of this machine that nobody listens to yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope.get("method"), scope.get("path", "")
        if method == "POST" and (call := _CALLS.fullmatch(path)):
            await self._take_call(scope, receive, send, is_direct=bool(call["direct"]))
        elif method == "GET" and (stream := STREAMS.fullmatch(path)):
            await self._listen(self._session_of(scope, stream["event_id"]), scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _take_call(self, scope: Scope, receive: Receive, send: Send, *, is_direct: bool) -> None:
        address = address_of(scope.get("client"))
        if len(self._queue) >= (self._queue.max_size or math.inf):
            # Gradio would say so too, and its page in English only.
            await self._refusal("app_busy").answer(scope)(scope, receive, send)
            return
        needs_place = address == THIS_MACHINE and self._per_address > 0 and _QUEUED.fullmatch(scope["path"])
        has_place = bool(needs_place and await self._take_place())
        if self._has_its_share(address) or (needs_place and not has_place):
            await self._refusal("too_many_calls").answer(scope)(scope, receive, send)
            return

        async def note(message: Message) -> None:
            nonlocal has_place
            if message["type"] == "http.response.body":
                session = self._note(address, message.get("body", b""))
                if has_place and session and not self._listeners[session]:
                    self._places_taken[session] += 1
                    has_place = False  # it is the session's now
            await send(message)

        self._requests[address] += 1
        try:
            # What is answered at once is sent at once too.
            async with place_of(address) if is_direct else nullcontext():
                await self._app(scope, receive, note)
        finally:
            self._requests[address] -= 1
            if not self._requests[address]:
                del self._requests[address]
            if has_place:
                self._places.release()

    def _has_its_share(self, address: str) -> bool:
        if address in ("", THIS_MACHINE) or not self._per_address:
            return False
        share, unfinished = self._per_address, self._queue.pending_event_ids_session
        sessions = [session for session, caller in self._addresses.items() if caller == address]
        taken = self._requests[address] + sum(len(unfinished.get(session, ())) for session in sessions)
        if taken >= share // 8 and sum(map(len, unfinished.values())) >= _MANY_CALLS:
            share = -(-share // 8)
        return share <= taken

    async def _take_place(self) -> bool:
        """Whether this machine may have one more call that nobody listens to yet, maybe after a moment."""
        if not self._places.locked():
            return await self._places.acquire()
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await self._places.acquire()
        except TimeoutError:
            return False

    def _give_back_places(self, session: str) -> None:
        for _ in range(self._places_taken.pop(session, 0)):
            self._places.release()

    def _refusal(self, key: str) -> Refusal:
        headers = {"retry-after": f"{self._unheard_seconds:.0f}"}
        return Refusal(HTTPStatus.TOO_MANY_REQUESTS, key, headers=headers)

    def _note(self, address: str, answer: bytes) -> str:
        """Remembers whose call it is that was answered with the id of its event: the session in which it is,
        "" if there is none."""
        try:
            session = self._session(json.loads(answer)["event_id"])
        except (ValueError, KeyError, TypeError):  # an upload, or a refusal of Gradio's
            return ""
        if session:
            self._addresses[session] = address
            self._expect_listener(session)
        return session

    async def _listen(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._listeners[session] += 1
        self._call_off_deadline(session)
        self._give_back_places(session)
        try:
            await self._app(scope, receive, send)
        finally:
            self._listeners[session] -= 1
            if not self._listeners[session]:
                del self._listeners[session]
                self._expect_listener(session)

    def _expect_listener(self, session: str) -> None:
        if self._listeners[session] or session not in self._addresses:
            return
        self._call_off_deadline(session)
        loop = asyncio.get_running_loop()
        self._deadlines[session] = loop.call_later(self._unheard_seconds, self._drop, session)

    def _call_off_deadline(self, session: str) -> None:
        if deadline := self._deadlines.pop(session, None):
            deadline.cancel()

    def _drop(self, session: str) -> None:
        """Forgets a session: one that ended well a while ago, or one that nobody listens to."""
        del self._deadlines[session], self._addresses[session]
        self._give_back_places(session)
        drop_session(self._queue, session)

    def _session_of(self, scope: Scope, event_id: str | None) -> str:
        if event_id:
            return self._session(event_id)
        return str(QueryParams(scope["query_string"]).get("session_hash", ""))

    def _session(self, event_id: str) -> str:
        """The session in which the event was sent, "" for an event that nobody waits for."""
        if event := self._queue.event_ids_to_events.get(event_id):
            return str(event.session_hash)
        unfinished = self._queue.pending_event_ids_session
        return next((str(session) for session, ids in unfinished.items() if event_id in ids), "")
