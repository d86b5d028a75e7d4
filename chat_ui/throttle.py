"""Throttle: how many requests of one address may be open at once, and how many it may send in a second.

Whatever a request asks for takes the processor for a millisecond or so, and there is one for all.
"""

import asyncio
import time
from collections import Counter
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from .address import remote_address
from .caching import is_left_to_gradio
from .refusals import Refusal

# A page keeps one or two open; some dozens open it, and each click is a few more. A program that waits for
# its answers sends some hundred in a second.
MOST_OPEN = 512
_CALLS_PER_SECOND = 200.0
_CALLS_SECONDS = 2.0  # that may be used up at once
# What is only fetched is made already, for the most part. A first visit fetches some sixty files, and a whole
# class may open the page at once.
_FETCHES_PER_CALL = 2
_FETCHES_SECONDS = 5.0
# What has to be made anew is as much work as some of them.
_CALLS_PER_PAGE = 10

# A refusal takes the processor too: who sends many at once waits for theirs.
_MANY = 4
_REFUSAL_SECONDS = 0.1

_MOST_KNOWN = 10_000


class Throttle:
    """ASGI middleware that lets an address have `most_open` requests at once, and send `calls_per_second` and
    twice as many that only fetch something. After a pause it may send those of some seconds at once. The
    app's own machine is not counted."""

    def __init__(
        self, app: ASGIApp, *, most_open: int = MOST_OPEN, calls_per_second: float = _CALLS_PER_SECOND
    ) -> None:
        self._app = app
        self._most_open = most_open
        self._seconds_per_call = 1 / calls_per_second
        self._open: Counter[str] = Counter()
        # Until when an address has had its share, of calls and of what is only fetched.
        self._due: dict[tuple[str, bool], float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = remote_address(scope.get("client")) if scope["type"] == "http" else ""
        if not address:
            await self._app(scope, receive, send)
        elif self._open[address] >= self._most_open:
            await _refuse(scope, receive, send)
        else:
            self._open[address] += 1
            try:
                await self._pass(address, scope, receive, send)
            finally:
                self._open[address] -= 1
                if not self._open[address]:
                    del self._open[address]

    async def _pass(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self._has_had_its_share(address, scope):
            if self._open[address] > _MANY:
                await asyncio.sleep(_REFUSAL_SECONDS)
            await _refuse(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _has_had_its_share(self, address: str, scope: Scope) -> bool:
        is_made_anew = is_left_to_gradio(scope)
        is_fetch = scope["method"] in ("GET", "HEAD") and not is_made_anew
        now = time.monotonic()
        due = max(now, self._due.get((address, is_fetch), now))
        if due - now > (_FETCHES_SECONDS if is_fetch else _CALLS_SECONDS):
            return True
        calls = _CALLS_PER_PAGE if is_made_anew else 1 / _FETCHES_PER_CALL if is_fetch else 1
        self._due[address, is_fetch] = due + calls * self._seconds_per_call
        if len(self._due) > _MOST_KNOWN:
            self._due = {one: due for one, due in self._due.items() if due > now}
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_calls", headers={"retry-after": "1"})
    await refusal.answer(scope)(scope, receive, send)
