"""Follower: a running reply as the frames that a page shows."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

from chat_core import Delta, StoredMessages, TurnEnd
from chat_core.errors import StoreUnavailable

from ..visitor import Visitor
from . import view
from .markdown import GrowingMarkdown
from .pacing import FramePacer
from .renderer import UNCHANGED, Renderer, fingerprint
from .tab import TabState

# A follower that joins late receives the reasoning in one piece, so the time it took is only known to one
# that was there; below this threshold it is not shown.
_SHORTEST_REASONING_SECONDS = 0.1


class Frame(NamedTuple):
    """Values of these components; all but the Chatbot change only with the last frame."""

    chatbot: Any
    activity: Any = UNCHANGED
    sessions: Any = UNCHANGED
    tab: Any = UNCHANGED


class Follower:
    """Follows turns for pages."""

    def __init__(self, renderer: Renderer, pacer: FramePacer) -> None:
        self._renderer = renderer
        self._pacer = pacer

    async def frames(self, visitor: Visitor, tab: TabState) -> AsyncGenerator[Frame, None]:
        """The tab's turn, as it goes on and as it ends."""
        service = self._renderer.service_for(tab)
        with self._pacer.watching():
            above = await self._bubbles_above(visitor, tab)
            reply = PartialReply(visitor)
            yield Frame(above + reply.bubbles())
            async with aclosing(service.follow(visitor.user_id, tab.session_id, tab.turn_id)) as events:
                async for event in events:
                    if isinstance(event, TurnEnd):
                        partial = above + reply.bubbles(running=False)
                        last = await self._last_frame(visitor, tab, event, partial)
                        yield last
                        # Gradio sends the latest values once more when a stream ends: not the large ones.
                        yield last._replace(chatbot=UNCHANGED, sessions=UNCHANGED)
                        return
                    reply.add(event)
                    yield Frame(above + reply.bubbles())
                    await self._pacer.wait()

    async def _bubbles_above(self, visitor: Visitor, tab: TabState) -> list[view.Bubble]:
        """What stands above a running reply."""
        session, history = await self._renderer.conversation(visitor, tab)
        names = self._renderer.role_names(visitor)
        kept = [m for m in history.items if m.role == "user" or m.turn_id != tab.turn_id]
        change = view.role_change(view.last_role(kept), session.role, names)
        return view.conversation(StoredMessages(kept, history.unreadable), visitor.language, names) + change

    async def _last_frame(
        self, visitor: Visitor, tab: TabState, end: TurnEnd, partial: list[view.Bubble]
    ) -> Frame:
        session, history = await self._renderer.conversation(visitor, tab)
        ended = tab.updated(turn_id="", fingerprint=fingerprint(session), title=session.title)
        return Frame(
            self._ended_bubbles(visitor, end, history, partial),
            view.activity(False, visitor.language),
            await self._renderer.whole_session_list(visitor, session.id),
            ended.model_dump(),
        )

    def _ended_bubbles(
        self, visitor: Visitor, end: TurnEnd, history: StoredMessages, partial: list[view.Bubble]
    ) -> list[view.Bubble]:
        """The conversation as it is stored now, and why there is no new reply if there is none; the `partial`
        one that was followed if it could not be stored."""
        if end.error and end.error.code == StoreUnavailable.code:
            return partial + view.ending(end, visitor.language, at=time.time())
        whole = view.conversation(history, visitor.language, self._renderer.role_names(visitor))
        if end.message:
            return whole
        asked = [message.timestamp for message in history.items if message.role == "user"]
        return whole + view.ending(end, visitor.language, at=asked[-1] if asked else time.time())


class PartialReply:
    """A reply as far as its follower has received it."""

    def __init__(self, visitor: Visitor) -> None:
        self._language = visitor.language
        self._text, self._reasoning = GrowingMarkdown(), GrowingMarkdown()
        self._has_text = False
        self._began: float | None = None
        self._reasoning_seconds: float | None = None

    def add(self, event: Delta) -> None:
        """Adds the next piece."""
        now = time.monotonic()
        if event.kind == "reasoning":
            self._began = now if self._began is None else self._began
            self._reasoning.append(event.text)
            return
        if self._began is not None and not self._has_text and now - self._began > _SHORTEST_REASONING_SECONDS:
            self._reasoning_seconds = now - self._began
        self._text.append(event.text)
        self._has_text = True

    def bubbles(self, *, running: bool = True) -> list[view.Bubble]:
        """The reply's bubbles so far."""
        return view.reply(
            self._language,
            str(self._text),
            str(self._reasoning),
            running=running,
            seconds=self._reasoning_seconds,
        )
