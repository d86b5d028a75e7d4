"""PageRequest: what a listener of the page is sent, parsed and validated once. It is untrusted input."""

import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar

import gradio as gr
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from chat_core import Sampling
from chat_core.errors import InvalidInput
from chat_core.variables import parse_variables

from ..visitor import Visitor
from . import view
from .layout import Components
from .tab import TabState

# The value of each input by its component, as Gradio hands over a set of inputs.
Values = Mapping[Any, Any]

Model = TypeVar("Model", bound=BaseModel)
Happened = TypeVar("Happened", bound="Event")


class Identity(BaseModel):
    """What the browser keeps: the visitor's id, the conversation that was open last or, if the page was
    `linked` to one, that; its time zone in minutes west of Greenwich, and the language that was chosen on the
    page, or ""."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user_id: str = ""
    session_id: str = ""
    linked: bool = False
    minutes_west: int = 0
    language: str = ""


class Event(BaseModel):
    """What the page's script says about what happened; each kind has its own fields."""

    model_config = ConfigDict(frozen=True, strict=True)


class ConversationEvent(Event):
    """Something is to happen to a conversation in the sidebar."""

    session_id: str


class RenameEvent(ConversationEvent):
    """It is to have another title."""

    title: str


class PinEvent(ConversationEvent):
    """It is to be kept for ever, or no longer so."""

    pinned: bool


class MoveEvent(ConversationEvent):
    """It is to lie in another folder, or in none."""

    folder: str


class OptionEvent(Event):
    """A button under a reply was clicked."""

    value: str

    @property
    def chosen_turn(self) -> str:
        """The turn whose reply is chosen from several side by side; "" for another button."""
        word, _, turn_id = self.value.partition(" ")
        return turn_id if word == view.CHOOSE else ""

    @property
    def version(self) -> tuple[str, int]:
        """A message's id, and which of its replies is wanted. Raises InvalidInput."""
        if not (found := re.fullmatch(r"(\S+) (\d{1,6})", self.value, re.ASCII)):
            raise InvalidInput("value", "a message's id and a number")
        return found[1], int(found[2])


class ExampleText(Event):
    """An example question."""

    text: str


class ExampleEvent(Event):
    """It was clicked."""

    value: ExampleText


def _first(index: Any) -> Any:
    return index[0] if isinstance(index, list) and index else index


# Of a bubble in the Chatbot; some events give the first of several that belong together.
BubbleIndex = Annotated[int, BeforeValidator(_first)]


class EditEvent(Event):
    """A message was changed."""

    index: BubbleIndex
    value: Any

    @property
    def text(self) -> str:
        """Its new text, in whichever form the Chatbot gives it. Raises InvalidInput."""
        parts = self.value if isinstance(self.value, list) else [self.value]
        texts = [part.get("text", "") if isinstance(part, dict) else part for part in parts]
        if not all(isinstance(text, str) for text in texts):
            raise InvalidInput("value", "a text")
        return "".join(texts)


class TakeEvent(Event):
    """Of the roles in a file those at these places, from 0, are to be stored."""

    chosen: list[int]


class BranchEvent(Event):
    """A conversation is to go on elsewhere from a message: the last one of this run of bubbles."""

    run: int = Field(ge=0)


class LikeEvent(Event):
    """A thumb was clicked; `liked` is a text when it is taken back."""

    index: BubbleIndex
    liked: bool | str


class RememberEvent(Event):
    """A role is to know something."""

    note: str


class ForgetEvent(Event):
    """A note is to be removed."""

    note_id: str


class RewriteEvent(Event):
    """The summary is to be another one."""

    summary: str


class ShareEvent(ConversationEvent):
    """It is to be read by whoever has a link, for so many days."""

    days: int


class LinkEvent(Event):
    """Something is to happen with a link to a conversation."""

    token: str


class PictureEvent(Event):
    """A picture is to be shown large, downloaded or changed."""

    image_id: str


class Draft(NamedTuple):
    """What the box holds: a text, and the paths of files that were uploaded."""

    text: str
    files: tuple[str, ...] = ()


class WaitingEvent(Event):
    """The message that waited for the end of a reply is to be sent."""

    text: str
    files: list[dict[str, Any]]

    @property
    def draft(self) -> Draft:
        """As the box would hold it. Raises InvalidInput."""
        return _draft(self.model_dump())


@dataclass(frozen=True)
class PageRequest:
    """Who asks and by which of Gradio's sessions, what their tab shows, and what they have chosen and
    written. What is not among a listener's inputs has its default."""

    session_hash: str
    visitor: Visitor
    identity: Identity
    tab: TabState
    draft: Draft
    role: str
    model: str
    temperature: object
    max_tokens: object
    effort: object
    variables: Mapping[str, str]
    query: str
    file: bytes

    def errors_shown(self) -> AbstractContextManager[None]:
        """As `Visitor.errors_shown`, with seconds that the page counts down."""
        language, is_operator = self.visitor.language, self.visitor.is_operator
        return self.visitor.errors_shown(
            lambda error: view.error_html(language, error, time.time(), is_operator=is_operator)
        )

    def happened(self, kind: type[Happened], event: gr.EventData) -> Happened:
        """The event that a listener is called for. Raises InvalidInput."""
        try:
            return kind.model_validate(event._data)
        except ValidationError as error:
            place = error.errors(include_input=False, include_url=False)[0]["loc"]
            raise InvalidInput(str(place[0]) if place else "event_data", "what the page sends") from None

    @property
    def sampling(self) -> Sampling:
        """Raises InvalidInput."""
        return Sampling.of(self.temperature, self.max_tokens, self.effort)


class RequestParser:
    """Parses what the listeners of these components are sent."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def parse(self, values: Values, request: gr.Request) -> PageRequest:
        """Raises gr.Error, in the visitor's language, for values that no page sends."""
        c = self._components
        with Visitor.of(request).errors_shown():
            identity = _validated(Identity, values.get(c.identity), "identity")
            return PageRequest(
                session_hash=request.session_hash or "",
                visitor=Visitor.of(request, identity.user_id, identity.minutes_west, identity.language),
                identity=identity,
                tab=_validated(TabState, values.get(c.tab), "tab"),
                draft=_draft(values.get(c.box) or {}),
                role=_text("role", values.get(c.role)),
                model=_text("model", values.get(c.model)),
                temperature=values.get(c.temperature),
                max_tokens=values.get(c.length),
                effort=values.get(c.effort) or "",
                variables=parse_variables(values.get(c.variables) or {}),
                query=_text("query", values.get(c.search)),
                file=values.get(c.import_file) or values.get(c.roles_file) or b"",
            )


def _validated(model: type[Model], value: Any, field: str) -> Model:
    try:
        return model.model_validate(value if value is not None else {})
    except ValidationError:
        raise InvalidInput(field, "what the page keeps") from None


def _draft(box: Any) -> Draft:
    try:
        files = tuple(str(file["path"]) for file in box.get("files") or ())
        return Draft(_text("message", box.get("text")), files)
    except (AttributeError, KeyError, TypeError):
        raise InvalidInput("message", "a text and files") from None


def _text(field: str, value: Any) -> str:
    if not isinstance(value or "", str):
        raise InvalidInput(field, "text")
    return value or ""
