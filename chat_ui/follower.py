"""Follower: a running reply as the frames that a page shows."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from chat_core import Delta, Messages, TurnEnd
from chat_core.errors import StoreUnavailable

from . import view
from .layout import Place
from .pace import Pace
from .page import Page, seen
from .visitor import Visitor

# Values of the chatbot, the activity, the sessions and the place.
Frame = list[Any]


class Follower:
    """Follows turns for pages."""

    def __init__(self, page: Page, pace: Pace) -> None:
        self._page = page
        self._pace = pace

    async def frames(self, visitor: Visitor, place: Place) -> AsyncGenerator[Frame, None]:
        """The turn that the place names, as it goes on and as it ends."""
        service, session_id = self._page.at(place), place["session_id"]
        with self._pace.viewer():
            session = await service.session(visitor.user_id, session_id)
            before = await self._before(visitor, place, session.role)
            reply = Unfolding(visitor)
            running = [view.activity(True, visitor.language), gr.skip(), gr.skip()]
            yield [before + reply.bubbles(), *running]
            async with aclosing(service.follow(visitor.user_id, session_id, place["turn_id"])) as events:
                async for event in events:
                    if isinstance(event, TurnEnd):
                        heard = before + reply.bubbles(running=False)
                        ended = await self._ended(visitor, place, event, heard)
                        yield await self._last_frame(visitor, place, ended)
                        return
                    reply.add(event)
                    yield [before + reply.bubbles(), *running]
                    await self._pace.rest()

    async def _before(self, visitor: Visitor, place: Place, role: str) -> list[view.Bubble]:
        """What stands above a running reply."""
        history = await self._page.history(visitor, place)
        names = self._page.names(visitor)
        kept = [m for m in history.items if m.role == "user" or m.turn_id != place["turn_id"]]
        change = view.role_change(view.last_role(kept), role, names)
        return view.conversation(Messages(kept, history.unreadable), visitor.language, names) + change

    async def _last_frame(self, visitor: Visitor, place: Place, ended: list[view.Bubble]) -> Frame:
        session = await self._page.at(place).session(visitor.user_id, place["session_id"])
        left = place | {"turn_id": "", "seen": seen(session), "title": session.title}
        return [
            ended,
            view.activity(False, visitor.language),
            await self._page.whole_list(visitor, session.id),
            left,
        ]

    async def _ended(
        self, visitor: Visitor, place: Place, end: TurnEnd, heard: list[view.Bubble]
    ) -> list[view.Bubble]:
        """The conversation as it is stored now, and why there is no new reply if there is none; as it was
        heard when it could not be stored."""
        if end.error and end.error.code == StoreUnavailable.code:
            return heard + view.ending(end, visitor.language, at=time.time())
        history = await self._page.history(visitor, place)
        whole = view.conversation(history, visitor.language, self._page.names(visitor))
        if end.message:
            return whole
        asked = [message.timestamp for message in history.items if message.role == "user"]
        return whole + view.ending(end, visitor.language, at=asked[-1] if asked else time.time())


class Unfolding:
    """A reply as its follower has heard it so far."""

    def __init__(self, visitor: Visitor) -> None:
        self._language = visitor.language
        self._text = self._reasoning = ""
        self._began: float | None = None
        self._thought: float | None = None

    def add(self, event: Delta) -> None:
        now = time.monotonic()
        if event.kind == "reasoning":
            self._began = now if self._began is None else self._began
            self._reasoning += event.text
            return
        if self._began is not None and not self._text and now - self._began > _GLANCE_SECONDS:
            self._thought = now - self._began
        self._text += event.text

    def bubbles(self, *, running: bool = True) -> list[view.Bubble]:
        return view.reply(self._language, self._text, self._reasoning, running=running, seconds=self._thought)


# Whoever comes later hears all at once what was thought, which does not tell how long it took.
_GLANCE_SECONDS = 0.1
