"""Renderer: what the page shows, for every listener that changes it."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import Any

from chat_core import ChatService, Language, Role, Roles, Session, SessionList, StoredMessages

from ..texts import t
from ..visitor import Visitor
from . import view
from .layout import Components
from .role_picker import role_picker
from .session_list import session_list
from .tab import TabState
from .variables_form import variables_form

Json = dict[str, Any]


class ComponentUpdates(dict[str, Any]):
    """New values of components, by their names in `layout.Components`."""

    def outputs(self, names: Sequence[str] = Components.RENDER) -> list[Any]:
        """The values for these components; one that has none stays as it is."""
        return [self.get(name, UNCHANGED) for name in names]


def properties(**values: Any) -> Json:
    """A component's new properties, as Gradio's page takes them."""
    return {"__type__": "update", **values}


class Unchanged(dict[str, Any]):
    """Of a stream's values Gradio sends how they differ from those before, and the browser changes the
    objects that it was given, maybe before the page has looked at them. One of another type takes their
    place instead."""


UNCHANGED = Unchanged(properties())


def reader_of(visitor: Visitor, roles: Roles, session: Session | None) -> view.Reader:
    """The visitor, to whom these roles may have spoken in that session."""
    faces = view.faces_of(roles.values(), visitor.language)
    return view.Reader(visitor.language, faces, visitor.is_operator, session.cost if session else None)


class Renderer:
    """Renders conversations and the list of them."""

    def __init__(self, service: ChatService) -> None:
        self._service = service
        self._offers = service.model_offers  # that the page was made with

    async def roles(self, visitor: Visitor, session: Session, history: StoredMessages) -> Roles:
        """Everybody's roles, and the visitor's own where one of those has spoken or is to speak."""
        said = (reply for message in history.items for reply in (message, *message.versions))
        keys = {session.role, *(reply.role_key for reply in said), *(one.role for one in history.voices)}
        return await self._service.roles_for(visitor.user_id, keys)

    def greeting(self, role: Role, language: Language) -> Json:
        """What an empty conversation shows. The embedded model is asked in the language that it speaks."""
        embedded = "embedded_model" in self._service.notices
        return view.greeting(role.with_values({}), language, asked_in="en" if embedded else language)

    def service_for(self, tab: TabState) -> ChatService:
        """The service that has the tab's conversation."""
        return self._service.temporary if tab.temporary else self._service

    async def conversation(self, visitor: Visitor, tab: TabState) -> tuple[Session, StoredMessages]:
        """What the tab shows of its conversation: the latest messages, for a frame costs the browser more the
        more of them there are."""
        return await self.service_for(tab).conversation(visitor.user_id, tab.session_id, tab.window)

    async def render(
        self,
        visitor: Visitor,
        tab: TabState,
        *,
        role: str = "",
        roles: Roles | None = None,
    ) -> ComponentUpdates:
        """The tab's conversation; an empty one, in which `role` greets, if it has none. `roles` are those of
        the visitor where they are known already."""
        tab = _rendered_anew(tab)
        if not tab.session_id:
            roles = roles or await self._service.roles_for(visitor.user_id, [role])
            return self.render_values(visitor, tab, roles, await self._latest(visitor, tab), role=role)
        (session, history), sessions = await asyncio.gather(
            self.conversation(visitor, tab), self._latest(visitor, tab)
        )
        roles = roles or await self.roles(visitor, session, history)
        # A turn that has no reply yet, and does not say why, runs or was cut off: following it shows which.
        last = history.items[-1] if history.items else None
        unanswered = last is not None and last.role == "user" and last.status == "done"
        tab = _showing(tab, session, follow=session.running or unanswered)
        return self.render_values(visitor, tab, roles, sessions, history, session)

    async def render_started(self, visitor: Visitor, tab: TabState) -> tuple[TabState, ComponentUpdates]:
        """The tab of a turn that has just begun, which is to be followed, and what changes beside its
        conversation."""
        before, tab = tab, _rendered_anew(tab)
        session = await self.service_for(tab).session(visitor.user_id, tab.session_id)
        tab = _showing(tab, session, follow=True)
        sessions = await self._latest(visitor, tab)
        values = self._values_beside(visitor, tab, sessions, session, min(session.messages, tab.window))
        del values["turn"]  # whoever began the turn follows it
        tab = TabState(**values["tab"])
        if tab.list_tag == before.list_tag:
            del values["sessions"]  # some hundred bytes for each of them
        return tab, values

    async def render_if_changed(self, visitor: Visitor, tab: TabState) -> ComponentUpdates:
        """As `render` if something was said since the tab was rendered; only the title if it has another one;
        else nothing changes."""
        session = await self.service_for(tab).session(visitor.user_id, tab.session_id)
        if fingerprint(session) != tab.fingerprint:
            return await self.render(visitor, tab)
        if session.title == tab.title:
            return ComponentUpdates()
        sessions = await self.session_list(visitor, tab)
        tab = tab.updated(title=session.title, list_tag=list_tag(sessions))
        return ComponentUpdates(sessions=sessions, tab=tab.model_dump())

    def render_values(
        self,
        visitor: Visitor,
        tab: TabState,
        roles: Roles,
        sessions: SessionList | None = None,
        history: StoredMessages | None = None,
        session: Session | None = None,
        *,
        role: str = "",
        store: bool = True,
    ) -> ComponentUpdates:
        """The same, from what is known. The picker of roles stays as it is where the visitor's own ones were
        not looked up, unless they cannot be."""
        language, service, reader = visitor.language, self._service, reader_of(visitor, roles, session)
        history = history or StoredMessages([])
        answering = roles.find_or_default(session.role if session else role)
        model = session.model if session else answering.model
        model = model if model in service.models else service.models[0]
        sampling = session.sampling if session else answering.sampling
        variables = session.variables if session else {}
        are_all = roles is not service.roles or not store
        shown = len(history.items) + history.unreadable
        values = {
            **self._values_beside(visitor, tab, sessions or SessionList([]), session, shown),
            "chatbot": properties(
                value=view.conversation(history, reader),
                feedback_value=view.feedback(history, reader),
                # Seen only in an empty conversation.
                **({} if history.items else self.greeting(answering, language)),
            ),
            "role": answering.key,
            "role_picker": self.role_picker(visitor, roles, answering.key) if are_all else UNCHANGED,
            "model": self.models(model),
            "temperature": sampling.temperature,
            "length": sampling.max_tokens,
            "effort": self.effort(visitor, model, sampling.effort),
            "variables": variables,
            "variables_form": variables_form(answering, variables, language, is_open=session is None),
            "notice": view.notice(
                service.notices,
                service.models[0],
                language,
                on_space=service.settings.on_space,
                store=store,
                temporary=tab.temporary,
                branched_from=session.branched_from if session else "",
            ),
        }
        return ComponentUpdates(values)

    def effort(self, visitor: Visitor, model: str, chosen: str) -> Json:
        """How hard the model may be told to reason, where that can be said of any."""
        offers = {offer.name: offer.takes.efforts for offer in self._service.model_offers}
        if not any(offers.values()):
            return UNCHANGED
        efforts = [*offers.get(model, ())]
        choices = [(t(visitor.language, "providers_default"), ""), *((name, name) for name in efforts)]
        return properties(choices=choices, value=chosen if chosen in efforts else "", visible=bool(efforts))

    def models(self, chosen: str) -> Json:
        """The models that can be chosen, and the chosen one."""
        offers, names = self._service.model_offers, self._service.models
        others = {} if offers == self._offers else {"choices": view.model_choices(offers)}
        chosen = chosen if chosen in names else names[0]
        return properties(value=chosen, visible=len(names) > 1, **others)

    def _values_beside(
        self, visitor: Visitor, tab: TabState, sessions: SessionList, session: Session | None, shown: int
    ) -> ComponentUpdates:
        """What the tab shows beside its conversation, of which `shown` messages are on the page."""
        language = visitor.language
        more = session.messages - shown if session else 0
        listed = _session_list(visitor, tab, sessions)
        values = {
            "turn": turn_to_follow(tab),
            "identity": {
                "user_id": visitor.kept_id,
                "session_id": "" if tab.temporary else tab.session_id,
                "minutes_west": visitor.minutes_west,
                "language": language,
            },
            "tab": tab.updated(list_tag=list_tag(listed)).model_dump(),
            "search": "",
            "sessions": listed,
            "activity": self.activity(visitor, running=bool(tab.turn_id)),
            "earlier": _earlier(more, language),
        }
        return ComponentUpdates(values)

    def activity(self, visitor: Visitor, *, running: bool) -> str:
        """What is under way, and the end of the day's tokens where it is near."""
        tokens = self._service.tokens_nearly_used_up(visitor.user_id, visitor.address)
        return view.activity(running, visitor.language, tokens)

    def role_picker(self, visitor: Visitor, roles: Roles, current: str) -> str:
        """The header's picker, with these roles."""
        service = self._service
        return role_picker(roles, service.roles, current, service.models, visitor.language)

    async def rerender(self, visitor: Visitor, tab: TabState) -> ComponentUpdates:
        """As `render`, where the visitor stays in the conversation: their choices are left alone."""
        rendered = await self.render(visitor, tab)
        return ComponentUpdates(
            {name: value for name, value in rendered.items() if name not in Components.CHOSEN}
        )

    async def session_list(self, visitor: Visitor, tab: TabState, query: str = "") -> str:
        """The sidebar's list: the latest conversations, for a list of all costs more the more of them there
        are, or the latest that match the query."""
        if not query.strip():
            return _session_list(visitor, tab, await self._latest(visitor, tab))
        found = await self._service.sessions(visitor.user_id, query)
        sessions = SessionList(found[: tab.listed], max(0, len(found) - tab.listed))
        return _session_list(visitor, tab, sessions, searched=True)

    async def _latest(self, visitor: Visitor, tab: TabState) -> SessionList:
        return await self._service.latest_sessions(visitor.user_id, tab.listed, tab.session_id)


def _session_list(visitor: Visitor, tab: TabState, sessions: SessionList, *, searched: bool = False) -> str:
    return session_list(
        sessions,
        tab.session_id,
        visitor.language,
        now=time.time(),
        minutes_west=visitor.minutes_west,
        searched=searched,
    )


def _earlier(count: int, language: Language) -> Json:
    """The button that shows so many more messages."""
    if not count:
        return properties(visible=False)
    return properties(value=t(language, "show_earlier", count=count), visible=True)


def _rendered_anew(tab: TabState) -> TabState:
    return tab.opening(tab.session_id, temporary=tab.temporary).rendered_anew(window=tab.window)


def _showing(tab: TabState, session: Session, *, follow: bool) -> TabState:
    return tab.updated(
        turn_id=session.last_turn if follow else "", title=session.title, fingerprint=fingerprint(session)
    )


def turn_to_follow(tab: TabState) -> Json:
    """A new value lets the page follow the tab's turn: there is none where none is to be followed."""
    return {"turn_id": tab.turn_id, "render_id": tab.render_id} if tab.turn_id else UNCHANGED


def list_tag(sessions: str) -> str:
    """Another text for another list of conversations."""
    return hashlib.blake2b(sessions.encode(), digest_size=4).hexdigest()


def fingerprint(session: Session) -> str:
    """Another text whenever something was said in the session."""
    return f"{session.last_turn} {session.messages}"
