"""Follower: a running reply as the frames that a page shows."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import Any

from chat_core import (
    ChatMessage,
    Delta,
    Image,
    PictureOrder,
    Session,
    StoredMessages,
    TurnEnd,
    TurnEvent,
    Voice,
    VoiceEnd,
)
from chat_core.errors import StoreUnavailable

from ..visitor import Visitor
from . import view
from .markdown import GrowingMarkdown
from .pacing import FramePacer, together
from .renderer import UNCHANGED, ComponentUpdates, Renderer, fingerprint, list_tag, properties, reader_of
from .tab import TabState
from .watching import Watch, Watches

# A follower that joins late receives the reasoning in one piece, so the time it took is only known to one
# that was there; below this threshold it is not shown.
_SHORTEST_REASONING_SECONDS = 0.1


class Follower:
    """Follows turns for pages."""

    def __init__(self, renderer: Renderer, pacer: FramePacer) -> None:
        self._renderer = renderer
        self._pacer = pacer
        self._watches = Watches()

    def watch(self, session_hash: str) -> AbstractContextManager[Watch]:
        """To be opened before anything is awaited, so that it can be ended from then on."""
        return self._watches.begin(session_hash)

    def leave(self, session_hash: str) -> None:
        """Something else is to be shown on this page: no frame comes after it. Gradio's `cancels=` would come
        too late for that, and end the follower of what is shown then."""
        self._watches.end(session_hash)

    async def frames(
        self, visitor: Visitor, tab: TabState, watch: Watch
    ) -> AsyncGenerator[ComponentUpdates, None]:
        """The tab's turn, as it goes on and as it ends; instead of any other that the page follows. If it is
        left before, the last frame changes nothing, for Gradio sends the latest values once more."""
        self._watches.end(watch.page, but=watch)
        async with aclosing(self._frames(visitor, tab)) as frames:
            while (frame := await watch.next(frames)) is not None:
                yield frame
        if watch.is_over:
            yield ComponentUpdates()

    async def _frames(self, visitor: Visitor, tab: TabState) -> AsyncGenerator[ComponentUpdates, None]:
        """All but the Chatbot changes only at the end."""
        service = self._renderer.service_for(tab)
        with self._pacer.watching():
            above, feedback, count, reply = await self._begun(visitor, tab)
            beside = {"feedback_value": feedback} if feedback else {}
            yield _chatbot(above + reply.bubbles(), **beside)
            follow = service.follow(
                visitor.user_id,
                tab.session_id,
                tab.turn_id,
                reply.position,
                interval=self._pacer.interval,
            )
            async with aclosing(follow) as one_by_one, aclosing(together(one_by_one)) as events:
                async for there in events:
                    for event in there:
                        reply.add(event)
                    latest = there[-1]
                    if not isinstance(latest, TurnEnd):
                        yield _chatbot(above + reply.bubbles(), **beside)
                        continue
                    partial = above + reply.bubbles(running=False)
                    # Were the first message left out for the reply, all would be drawn anew in the place
                    # of the one before.
                    window = max(tab.window, count + bool(latest.message))
                    last = await self._last_frame(visitor, tab.updated(window=window), latest, partial)
                    yield last
                    # Gradio sends the latest values once more when a stream ends: not the large ones.
                    yield ComponentUpdates(activity=last["activity"], tab=last["tab"])
                    return

    async def _begun(
        self, visitor: Visitor, tab: TabState
    ) -> tuple[list[view.Bubble], list[str | None], int, "PartialReply | PartialPanel"]:
        """What stands above a running reply, what was thought of it, how many messages it is; and the reply,
        with what of it is stored already, if it goes on with one."""
        session, history = await self._renderer.conversation(visitor, tab)
        reader = await self._reader(visitor, session, history)
        kept = [m for m in history.items if m.role == "user" or m.turn_id != tab.turn_id]
        stored = next((m for m in history.items if m.role != "user" and m.turn_id == tab.turn_id), None)
        above = history._replace(items=kept)
        bubbles = view.conversation(above, reader)
        feedback = view.feedback(above, reader)
        count = len(kept) + history.unreadable
        if history.panel:
            return bubbles, feedback, count, PartialPanel(visitor, history.panel, reader)
        role = next((voice.role for voice in history.voices), session.role)
        speaker = view.speaker(view.last_role(kept), role, reader)
        asked = kept[-1] if kept else None
        drawn_since = asked.timestamp if asked and PictureOrder.of(asked.content) else None
        return bubbles + speaker, feedback, count, PartialReply(visitor, stored, drawn_since)

    async def _last_frame(
        self, visitor: Visitor, tab: TabState, end: TurnEnd, partial: list[view.Bubble]
    ) -> ComponentUpdates:
        session, history = await self._renderer.conversation(visitor, tab)
        sessions = await self._renderer.session_list(visitor, tab)
        ended = tab.updated(
            turn_id="", fingerprint=fingerprint(session), title=session.title, list_tag=list_tag(sessions)
        )
        reader = await self._reader(visitor, session, history)
        bubbles = _ended_bubbles(reader, end, history, partial)
        feedback = view.feedback(history, reader)
        return ComponentUpdates(
            _chatbot(bubbles, feedback_value=feedback),
            activity=self._renderer.activity(visitor, running=False),
            sessions=UNCHANGED if ended.list_tag == tab.list_tag else sessions,
            tab=ended.model_dump(),
        )

    async def _reader(self, visitor: Visitor, session: Session, history: StoredMessages) -> view.Reader:
        return reader_of(visitor, await self._renderer.roles(visitor, session, history), session)


def _ended_bubbles(
    reader: view.Reader, end: TurnEnd, history: StoredMessages, partial: list[view.Bubble]
) -> list[view.Bubble]:
    """The conversation as it is stored now, and why there is no new reply if there is none; the `partial`
    one that was followed if it could not be stored."""
    if end.error and end.error.code == StoreUnavailable.code:
        return partial + view.ending(end, reader, at=time.time())
    whole = view.conversation(history, reader)
    asked = [message for message in history.items if message.role == "user"]
    if end.message or (asked and asked[-1].status != "done"):  # which says why itself
        return whole
    return whole + view.ending(end, reader, at=asked[-1].timestamp if asked else time.time())


def _chatbot(bubbles: list[view.Bubble], **others: Any) -> ComponentUpdates:
    return ComponentUpdates(chatbot=properties(value=bubbles, **others))


class PartialReply:
    """A reply as far as its follower has received it, which begins with what of it is `stored`. If it is a
    picture, it is `drawn_since` that time."""

    def __init__(
        self,
        visitor: Visitor,
        stored: ChatMessage | None = None,
        drawn_since: float | None = None,
    ) -> None:
        self._language = visitor.language
        self._drawn_since = drawn_since
        self._text, self._reasoning = GrowingMarkdown(), GrowingMarkdown()
        self._picture: Image | None = None
        self._has_text = False
        self._began: float | None = None
        self._reasoning_seconds: float | None = None
        self.position = 0
        if stored:
            self._reasoning.append(stored.reasoning)
            self._text.append(stored.content)
            self._has_text = bool(stored.content)
            self._reasoning_seconds = stored.reasoning_seconds
            self.position = len(stored.reasoning) + len(stored.content)

    def add(self, event: TurnEvent) -> None:
        """Adds what is new, if that is a piece of it."""
        if not isinstance(event, Delta):
            return
        now = time.monotonic()
        if event.kind == "picture":
            self._picture = Image.model_validate_json(event.text)
            return
        if event.kind == "reasoning":
            self._began = now if self._began is None else self._began
            self._reasoning.append(event.text)
            return
        if self._began is not None and not self._has_text and now - self._began > _SHORTEST_REASONING_SECONDS:
            self._reasoning_seconds = now - self._began
        self._text.append(event.text)
        self._has_text = True

    @property
    def text(self) -> str:
        """Its text, in Markdown, or its picture."""
        text = str(self._text)
        return view.picture_reply(text, [self._picture]) if self._picture else text

    def bubbles(self, *, running: bool = True) -> list[view.Bubble]:
        """The reply's bubbles so far."""
        return view.reply(
            self._language,
            self.text,
            str(self._reasoning),
            running=running,
            seconds=self._reasoning_seconds,
            drawn_since=self._drawn_since,
        )


class PartialPanel:
    """The same of several replies side by side. What they reason is shown once one of them is chosen."""

    position = 0

    def __init__(self, visitor: Visitor, voices: Sequence[Voice], reader: view.Reader) -> None:
        self._voices = voices
        self._reader = reader
        self._replies = [PartialReply(visitor) for _ in voices]
        self._ends: dict[int, tuple[TurnEnd, float]] = {}

    def add(self, event: TurnEvent) -> None:
        """Adds what is new of one of them."""
        if isinstance(event, VoiceEnd):
            self._ends[event.voice] = event.ended, time.time()
        elif isinstance(event, Delta):
            self._replies[event.voice].add(event)

    def bubbles(self, *, running: bool = True) -> list[view.Bubble]:
        """The replies' bubbles so far."""
        panel = [
            view.PanelReply(voice, reply.text, *self._ends.get(number, ()))
            for number, (voice, reply) in enumerate(zip(self._voices, self._replies, strict=True))
        ]
        return view.panel_bubbles(panel, self._reader)
