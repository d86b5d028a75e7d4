"""What the page shows: the one rendering for every listener that changes the place."""

import time
from typing import Any, cast
from uuid import uuid4

import gradio as gr

from chat_core import ChatService, Messages, Session

from . import view
from .layout import NOWHERE, WINDOW, Place, Widgets
from .texts import say
from .visitor import Visitor


class Page:
    """What visitors see of the service."""

    def __init__(self, service: ChatService) -> None:
        self._service = service

    def names(self, visitor: Visitor) -> dict[str, str]:
        """The roles' names by key."""
        return view.role_names(self._service.choosable_roles, visitor.language)

    def at(self, place: Place) -> ChatService:
        """The service that has the conversation at that place."""
        return self._service.temporary if place["temporary"] else self._service

    async def history(self, visitor: Visitor, place: Place) -> Messages:
        """What the page shows of the conversation at that place: the latest messages, for a frame costs the
        browser more the more of them there are."""
        return await self.at(place).history(visitor.user_id, place["session_id"], place["window"])

    async def show(
        self, visitor: Visitor, place: Place, *, role: str = "", window: int = WINDOW, store: bool = True
    ) -> list[Any]:
        """The values of `Widgets.shown`: the conversation at that place, an empty one if it has no id."""
        session_id = place["session_id"]
        place = NOWHERE | {
            "session_id": session_id,
            "temporary": place["temporary"],
            "window": window,
            "visit": uuid4().hex,
        }
        if not session_id:
            sessions = await self._service.sessions(visitor.user_id)
            return self.shown(visitor, place, sessions, role=role, store=store)
        session = await self.at(place).session(visitor.user_id, session_id)
        history = await self.history(visitor, place)
        # A turn that has no reply yet runs, or failed: following it shows which.
        unanswered = bool(history.items) and history.items[-1].role == "user"
        place["turn_id"] = session.last_turn if session.running or unanswered else ""
        place |= {"title": session.title, "seen": seen(session)}
        # Asked last: a reply that ends just now is not marked as running, with nobody to take the mark off.
        sessions = await self._service.sessions(visitor.user_id)
        return self.shown(visitor, place, sessions, history, session, store=store)

    def shown(
        self,
        visitor: Visitor,
        place: Place,
        sessions: list[Session] | None = None,
        history: Messages | None = None,
        session: Session | None = None,
        *,
        role: str = "",
        store: bool = True,
    ) -> list[Any]:
        """The values of `Widgets.shown`, from what is known."""
        language, service, names = visitor.language, self._service, self.names(visitor)
        history = history or Messages([])
        answering = service.roles.find_or_default(session.role if session else role)
        bubbles = view.conversation(history, language, names)
        model = session.model if session and session.model in service.models else service.models[0]
        more = session.messages - len(history.items) - history.unreadable if session else 0
        return [
            {
                "user_id": visitor.user_id,
                "session_id": "" if place["temporary"] else place["session_id"],
                "minutes_west": visitor.minutes_west,
                "language": visitor.language,
            },
            place,
            gr.Chatbot(
                value=cast(Any, bubbles),
                feedback_value=cast(Any, view.feedback(history, language, names)),
                **view.greeting(answering, language),
            ),
            "",
            self.listed(visitor, sessions or [], place["session_id"]),
            gr.Dropdown(choices=[(name, key) for key, name in names.items()], value=answering.key),
            gr.Dropdown(choices=list(service.models), value=model, visible=len(service.models) > 1),
            session.sampling.temperature if session else None,
            session.sampling.max_tokens if session else None,
            view.activity(bool(place["turn_id"]), language),
            view.notice(
                service.notices,
                service.models[0],
                language,
                store=store,
                temporary=place["temporary"],
            ),
            gr.Button(say(language, "show_earlier", count=more), visible=more > 0),
        ]

    async def go_on(self, visitor: Visitor, place: Place, *, window: int = WINDOW) -> list[Any]:
        """The same where the visitor stays in the conversation: what they have chosen is left as it is."""
        values = dict(zip(Widgets.SHOWN, await self.show(visitor, place, window=window), strict=True))
        return list((values | dict.fromkeys(("role", "model", "temperature", "length"), gr.skip())).values())

    async def whole_list(self, visitor: Visitor, open_id: str) -> str:
        """The sidebar's list of everything."""
        return self.listed(visitor, await self._service.sessions(visitor.user_id), open_id)

    def listed(
        self, visitor: Visitor, sessions: list[Session], open_id: str, *, searched: bool = False
    ) -> str:
        """The sidebar's list of these."""
        return view.session_list(
            sessions,
            open_id,
            visitor.language,
            now=time.time(),
            minutes_west=visitor.minutes_west,
            searched=searched,
        )


def seen(session: Session) -> str:
    """What changes when something is said in the session."""
    return f"{session.last_turn} {session.messages}"
