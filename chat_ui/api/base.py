"""What the endpoints share: the service they call, and how they send what it answers."""

import inspect
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from chat_core import (
    ChatMessage,
    ChatService,
    Delta,
    ModelOffer,
    PictureOffer,
    Role,
    Session,
    TurnEnd,
    TurnEvent,
    Voice,
    VoiceEnd,
)

from ..page import FramePacer
from ..visitor import Visitor

Json = dict[str, Any]
LAST_TURN = 2  # messages, of which the user's says who was asked
Function = TypeVar("Function", bound=Callable[..., Any])


def yields(item: type) -> Callable[[Function], Function]:
    """Documents a generator by what it yields: Gradio shows the return annotation to its clients."""

    def mark(function: Function) -> Function:
        signature = inspect.signature(function).replace(return_annotation=item)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return mark


class EndpointsBase:
    """The service, and how often its callers are told what is new of a reply."""

    def __init__(self, service: ChatService, pacer: FramePacer) -> None:
        self._service = service
        self._pacer = pacer

    def _follow(
        self, visitor: Visitor, session_id: str, turn_id: str, after: int = 0
    ) -> AsyncGenerator[TurnEvent, None]:
        return self._service.follow(
            visitor.user_id, session_id, turn_id, after, interval=self._pacer.interval
        )

    async def _events(
        self,
        visitor: Visitor,
        session_id: str,
        turn_id: str,
        after: int = 0,
        *,
        panel: Sequence[Voice] = (),
        begins: bool = True,
    ) -> AsyncIterator[Json]:
        """The events of that turn after the position `after`, as they are sent, if it `begins` with its id. A
        `panel` may reply in it."""
        if begins:
            for reply in map(voice_object, panel) if panel else [{"turn_id": turn_id}]:
                yield {"type": "started", **reply}
        told: set[int] = set()
        async with aclosing(self._follow(visitor, session_id, turn_id, after)) as events:
            async for event in events:
                if not panel:
                    if not isinstance(event, VoiceEnd):  # of a panel of which one was chosen since
                        yield event_object(event, visitor)
                elif isinstance(event, TurnEnd):
                    for number, end in _ends_of(event, len(panel), told):
                        yield event_object(end, visitor) | voice_object(panel[number])
                else:
                    if isinstance(event, VoiceEnd):
                        told.add(event.voice)
                    yield event_object(event, visitor) | voice_object(panel[event.voice])


def _ends_of(end: TurnEnd, count: int, told: set[int]) -> list[tuple[int, TurnEnd]]:
    """The ends of those who have replied in a turn, by their numbers, without those `told` before. An end
    that could not be stored is that of all."""
    if not end.voices:
        return [(number, end) for number in range(count)]
    return [(number, one) for number, one in enumerate(end.voices) if number not in told]


def event_object(event: TurnEvent, visitor: Visitor) -> Json:
    """A turn's event as /chat_events and /resume send it."""
    if isinstance(event, Delta) and event.kind == "picture":
        return {"type": event.kind, "id": str(event.end), "image": json.loads(event.text)}
    if isinstance(event, Delta):
        return {"type": event.kind, "id": str(event.end), "text": event.text}
    if isinstance(event, VoiceEnd):
        return {"id": str(event.end), **event_object(event.ended, visitor)}
    ended: Json = {
        "type": "done",
        "status": event.status,
        "message": message_object(event.message) if event.message else None,
        "usage": event.usage.model_dump(exclude_none=True) if event.usage else None,
        "context": event.context.model_dump() if event.context else None,
    }
    if event.error:
        ended["error"] = {
            **event.error.facts,
            "code": event.error.code,
            "message": visitor.error_text(event.error),
        }
    return ended


def voice_object(voice: Voice) -> Json:
    """Whose reply an event of a panel belongs to."""
    return voice.model_dump(include={"turn_id", "role", "model"})


def message_object(message: ChatMessage) -> Json:
    """A message as the endpoints send it: what a reply does not have is left out."""
    return message.model_dump(exclude_none=True, by_alias=True)


def role_object(role: Role, *, own: bool = False) -> Json:
    """A role as /roles lists it; the prompts of everybody's are nobody's business, but what variables they
    have."""
    if own:
        return role.model_dump(mode="json")
    return {**role.model_dump(mode="json", exclude={"prompt"}), "variables": role.variables}


def model_object(offer: ModelOffer) -> Json:
    """A model as /models lists it."""
    takes = offer.takes.model_dump(include={"vision", "temperature", "price"})
    provider = offer.provider.title or offer.provider.name
    named = {"name": offer.name, "provider": provider, "icon": offer.provider.icon, "model": offer.model}
    return named | takes | {"efforts": list(offer.takes.efforts)}


def picture_model_object(offer: PictureOffer) -> Json:
    """A model that makes pictures as /models lists it."""
    takes = offer.takes.model_dump(include={"sizes", "qualities"})
    provider = offer.provider.title or offer.provider.name
    named = {"name": offer.name, "provider": provider, "icon": offer.provider.icon, "model": offer.model}
    return named | takes | {"edits": bool(offer.takes.edits)}


def session_object(session: Session) -> Json:
    """A conversation as /sessions lists it."""
    wanted = {"title", "role", "updated_at", "messages", "running", "pinned"}
    wanted |= {"folder", "last_line", "branched_from", "cost"}
    return {"session_id": session.id, **session.model_dump(include=wanted)}
